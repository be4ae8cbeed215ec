"""The daemon's part: silent where no tunnel is wanted, honest where nobody runs the one that is."""

import asyncio

import pytest

from appliance.base.clock import rfc3339
from appliance.daemon import tunnel
from appliance.daemon.tunnel import TunnelPart
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.system.tunnel import kept, keys, state
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.state import TunnelState, Turn


@pytest.fixture
def db(tmp_path):
    found = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield found
    found.close()


@pytest.fixture
def part(db, clock, tmp_path, monkeypatch):
    monkeypatch.setattr(tunnel, "may_make_interfaces", lambda: False)  # as in its unit
    return TunnelPart(db, Sealer.from_dir(tmp_path / "secrets"), clock, tmp_path, "boot-1")


@pytest.fixture
def want(db, tmp_path):
    config = TunnelConfig("10.90.0.7/24", keys.make().public, "hub.example.org:51820", ("10.90.0.1/32",))
    sealer = Sealer.from_dir(tmp_path / "secrets")
    return lambda: db.write_now(lambda conn: kept.configure(conn, sealer, config))


async def running(part, clock, seconds: float) -> None:
    task = asyncio.ensure_future(part.run())
    for _ in range(round(seconds)):
        clock.tick(1)
        await asyncio.sleep(0.02)  # its look is in threads
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_not_wanted_it_is_no_finding(part, clock):
    await running(part, clock, 12)
    assert part.findings() == []
    assert part.state.state == "off"


async def test_who_waits_for_the_link_is_told_when_it_is_up(db, clock, want, tmp_path, monkeypatch):
    monkeypatch.setattr(tunnel, "may_make_interfaces", lambda: False)
    told = []
    sealer = Sealer.from_dir(tmp_path / "secrets")
    part = TunnelPart(db, sealer, clock, tmp_path, "boot-1", lambda: told.append(clock.now_ns()))
    want()
    turn = Turn.take(tmp_path)
    for word, times in (("up", 1), ("up", 1), ("probe fails", 1), ("up", 2)):
        state.write(tmp_path, TunnelState(state=word, since_ns=clock.now_ns(), hint=""))
        await running(part, clock, 12)
        assert len(told) == times, word
    turn.close()


async def test_wanted_and_run_by_nobody_is_a_finding_with_the_next_step(part, clock, want):
    want()
    await running(part, clock, 45)
    ((name, status, detail),) = part.findings()
    assert (name, status) == ("tunnel", "degraded")
    assert "systemctl start aries-tunnel" in detail


async def test_what_the_other_program_says_is_what_health_says(part, clock, want, tmp_path):
    want()
    turn = Turn.take(tmp_path)
    said = TunnelState(state="up", since_ns=clock.now_ns(), hint="", endpoint="203.0.113.9:51820")
    state.write(tmp_path, said)
    await running(part, clock, 12)
    assert part.findings() == [("tunnel", "ok", "up")]
    assert part.state == said
    clock.tick(60)
    state.write(tmp_path, TunnelState(state="probe fails", since_ns=0, hint=state.STEPS["probe fails"]))
    await running(part, clock, 12)
    ((_, status, detail),) = part.findings()
    assert status == "degraded"
    assert detail.startswith("probe fails: ")
    assert "203.0.113.9" not in detail
    turn.close()
    await running(part, clock, 45)
    assert part.state.state == "off", rfc3339(clock.now_ns())
