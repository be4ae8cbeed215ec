"""The runner's decisions, on a told clock and a device that only remembers; orders are real rows."""

import ipaddress

import msgspec
import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.system.tunnel import kept, keys, routes, state
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.routes import Around
from appliance.system.tunnel.runner import TRIAL_S, Runner
from appliance.system.tunnel.uapi import PeerFigures


class Memory:
    """A device. ``takes``: private keys with which the hub makes a handshake."""

    kind, because = "memory", "this is a test"

    def __init__(self, clock) -> None:
        self.clock = clock
        self.did: list[str] = []
        self.up_with = None
        self.takes: set[str] = set()
        self.handshake_s = 0.0
        self.fault: ApplianceError | None = None

    def up(self, config, own, endpoint) -> None:
        self.did.append("up")
        if self.fault is not None:
            raise self.fault
        if self.up_with is None or own.current != self.up_with[1].current:
            self.fresh = True
        self.up_with = (config, own)

    def set_endpoint(self, config, endpoint) -> None:
        self.did.append("set")

    def figures(self, config) -> PeerFigures:
        if self.up_with[1].current in self.takes and self.fresh:
            self.handshake_s, self.fresh = self.clock.now_ns() / SECOND_NS, False
        return PeerFigures(self.handshake_s, 1, 1, "203.0.113.9:51820", "aa")

    def down(self, config) -> None:
        self.did.append("down")
        self.up_with = None


@pytest.fixture
def sealer(tmp_path):
    return Sealer.from_dir(tmp_path / "secrets")


@pytest.fixture
def db(tmp_path):
    found = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield found
    found.close()


@pytest.fixture
def order(db, sealer):
    """Handshakes alone count here: no probe."""
    config = TunnelConfig("10.90.0.7/24", keys.make().public, "203.0.113.9:51820", ("10.90.0.1/32",))

    def give(**changes) -> keys.Keys:
        found = msgspec.structs.replace(config, **changes)
        db.write_now(lambda conn: kept.configure(conn, sealer, found))
        return db.read_now(lambda conn: kept.keys(conn, sealer))

    return give


@pytest.fixture
def device(clock):
    return Memory(clock)


@pytest.fixture
def around(monkeypatch):
    found = {"is": Around()}
    monkeypatch.setattr(routes, "around", lambda programs, tunnel: found["is"])
    return found


@pytest.fixture
def runner(db, sealer, clock, tmp_path, device, around):
    return Runner(db, sealer, clock, tmp_path, choose=lambda name, programs: device)


async def let_pass(runner, clock, seconds: float) -> None:
    until_ns = clock.monotonic_ns() + round(seconds * SECOND_NS)
    while clock.monotonic_ns() < until_ns:
        clock.tick(await runner.run_once())


async def test_nothing_is_made_while_nothing_is_wanted(runner, device, clock):
    await let_pass(runner, clock, 10)
    assert device.did == []
    assert runner.state.state == "off"


async def test_wanted_it_is_put_up_once_and_taken_down_once(runner, device, clock, order, db):
    device.takes.add(order().current)
    await let_pass(runner, clock, 30)
    assert runner.state.state == "up"
    assert runner.state.backend == "memory"
    db.write_now(lambda conn: kept.switch(conn, False))
    await let_pass(runner, clock, 10)
    assert (device.did.count("up"), device.did.count("down")) == (1, 1)
    assert runner.state.state == "off"


async def test_a_fault_is_tried_again_with_growing_pauses(runner, device, clock, order):
    order()
    device.fault = ApplianceError("unavailable", "no tunnels here", "install one")
    await let_pass(runner, clock, 600)
    assert runner.state.state == "off"
    assert (runner.state.detail, runner.state.hint) == ("no tunnels here", "install one")
    assert 6 < device.did.count("up") < 25
    device.fault = None
    await let_pass(runner, clock, 75)
    assert runner.state.backend == "memory"


async def test_an_announced_key_changes_nothing_yet(runner, device, clock, order, db, sealer):
    device.takes.add(order().current)
    await let_pass(runner, clock, 10)
    db.write_now(lambda conn: kept.announce(conn, sealer))
    await let_pass(runner, clock, 10)
    assert device.did.count("up") == 1
    assert (runner.state.state, runner.state.rotation) == ("up", "announced")


async def test_a_new_key_that_makes_a_handshake_stays(runner, device, clock, order, db, sealer):
    device.takes.add(order().current)
    await let_pass(runner, clock, 10)
    new = db.write_now(lambda conn: kept.announce(conn, sealer))
    db.write_now(lambda conn: kept.acknowledged(conn, sealer, new))
    device.takes = {db.read_now(lambda conn: kept.keys(conn, sealer)).current}
    await let_pass(runner, clock, 10)
    found = db.read_now(lambda conn: kept.keys(conn, sealer))
    assert (found.public, found.phase) == (new, "steady")
    assert runner.state.public_key == new


async def test_a_new_key_that_makes_none_goes_back_after_a_minute(runner, device, clock, order, db, sealer):
    old = order()
    device.takes.add(old.current)
    await let_pass(runner, clock, 10)
    new = db.write_now(lambda conn: kept.announce(conn, sealer))
    db.write_now(lambda conn: kept.acknowledged(conn, sealer, new))
    await let_pass(runner, clock, TRIAL_S - 10)
    assert db.read_now(lambda conn: kept.keys(conn, sealer)).phase == "trying"
    await let_pass(runner, clock, 30)
    found = db.read_now(lambda conn: kept.keys(conn, sealer))
    assert (found.public, found.next_public, found.phase) == (old.public, new, "announced")
    assert device.up_with[1].current == old.current
    assert runner.state.state == "up"


async def test_routes_that_cover_the_lan_are_never_made_and_taken_down(runner, device, clock, order, around):
    device.takes.add(order().current)
    lan = Around((("eth0", ipaddress.ip_network("10.90.0.0/24")),))
    around["is"] = lan
    await let_pass(runner, clock, 5)
    assert device.did == []
    assert "overlaps" in runner.state.detail
    around["is"] = Around()
    await let_pass(runner, clock, 30)
    assert runner.state.state == "up"
    around["is"] = lan
    runner.stir()  # DHCP gave the LAN another network
    await let_pass(runner, clock, 5)
    assert device.up_with is None
    assert runner.state.state == "off"


async def test_another_interface_s_name_takes_the_old_one_away_first(runner, device, clock, order):
    device.takes.add(order().current)
    await let_pass(runner, clock, 5)
    order(interface="aries1")
    await let_pass(runner, clock, 5)
    assert device.did.count("down") == 1
    assert device.up_with[0].interface == "aries1"


async def test_what_is_written_is_written_when_it_changes(runner, device, clock, order, monkeypatch):
    written = []
    monkeypatch.setattr(state, "write", lambda folder, told: written.append(told))
    device.takes.add(order().current)
    await let_pass(runner, clock, 100)
    assert len(written) <= 3
