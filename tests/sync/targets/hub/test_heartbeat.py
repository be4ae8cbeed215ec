"""We are here, every 30 s, whatever waits; and what its answer sets going."""

import asyncio
import itertools

import pytest

from appliance.sync.protocol.heartbeat import Heartbeat


async def condition() -> Heartbeat:
    return Heartbeat("2026-01-20T14:30:00.000Z", "1.0", "degraded", "a disk is full", cameras_total=4)


async def run_beats(hub, clock, target, count: int, step_s: float = 1.0) -> list[float]:
    """Seconds of the box's clock at which the beats arrived."""
    at = []
    task = asyncio.create_task(target.heart.run())
    while len(at) < count:
        if len(hub.beats) > len(at):
            at.append(clock.monotonic_ns() / 1e9)
        elif len(at) > 0:
            clock.tick(step_s)
        for _ in range(20):
            await asyncio.sleep(0.0005)
            if len(hub.beats) > len(at):
                break
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return at


async def test_every_30_s(hub, bench, clock) -> None:
    target = bench.target(hub.url, clock=clock, heartbeat=condition)
    at = await run_beats(hub, clock, target, 4, 10.0)
    assert [later - earlier for earlier, later in itertools.pairwise(at)] == [30.0] * 3
    beat = hub.beats[0]
    assert (beat.status, beat.detail, beat.cameras_total) == ("degraded", "a disk is full", 4)
    assert beat.delivery["event"].waiting == 3
    assert len(hub.connections) == 1  # it is what keeps the rows' connection warm
    await target.close()


@pytest.mark.parametrize("how", ["status:500", "garbage", "cut:3", "huge"])
async def test_a_silent_hub_ends_nothing(hub, bench, clock, how) -> None:
    target = bench.target(hub.url, clock=clock)
    hub.script["heartbeat"] = [how, "ok"]
    assert await target.heart.beat() is None
    assert target.heart.heard_ns is None
    assert (await target.heart.beat()).rows == 0
    assert target.heart.heard_ns == clock.now_ns()
    assert hub.beats[-1].status == "ok"
    await target.close()


async def test_orders_that_wait_are_told(hub, bench) -> None:
    told = []
    target = bench.target(hub.url, commanded=lambda: told.append(1))
    await target.heart.beat()
    assert told == []
    hub.commands = 2
    await target.heart.beat()
    assert told == [1]
    await target.close()


async def test_an_answer_after_a_silence_is_told_once(hub, bench) -> None:
    told = []
    target = bench.target(hub.url, reached=lambda: told.append(1))
    await target.heart.beat()
    assert told == []
    hub.script["heartbeat"] = ["status:500", "ok"]
    for _ in range(3):
        await target.heart.beat()
    assert told == [1]
    await target.close()


async def test_what_is_said_beside_rows_is_charged(hub, bench) -> None:
    charged = []
    target = bench.target(hub.url, charge=charged.append)
    await target.heart.beat()
    (beat_bytes,) = charged
    assert 300 < beat_bytes < 3_000
    await target.reconciler.once()
    assert len(charged) > 1 and min(charged) > 100
    await target.close()


async def test_fewer_rows_than_it_acknowledged_set_a_reconciliation_going(hub, bench) -> None:
    journal = bench.Memory()
    for number in range(5):
        journal.put(f"r-{number}", "event", "2026-01-20")
    target = bench.target(hub.url, journal)
    asked = target.reconciler._asked
    hub.rows_said = 9  # some that are on their way
    await target.heart.beat()
    assert not asked.is_set()
    hub.rows_said = 3
    await target.heart.beat()
    assert asked.is_set()
    asked.clear()
    await target.heart.beat()  # the same lack: what reconciliation could not make good
    assert not asked.is_set()
    hub.rows_said = 2
    await target.heart.beat()
    assert asked.is_set()
    await target.close()


async def test_what_is_acknowledged_meanwhile_is_no_lack(hub, bench) -> None:
    journal = bench.Memory()
    target = bench.target(hub.url, journal, heartbeat=None)
    figures = journal.figures

    async def later():  # after the hub counted, before we compare
        journal.put("a", "event", "2026-01-20")
        return await figures()

    journal.figures = later
    await target.heart.beat()
    assert not target.reconciler._asked.is_set()
    await target.close()


async def test_a_hub_that_was_restored_gets_it_all_again_by_itself(hub, bench, clock) -> None:
    journal = bench.Memory()
    target = bench.target(hub.url, journal, clock=clock)
    rows = [bench.row(f"r-{number}") for number in range(20)]
    for id_ in (await target.put(rows)).acknowledged:
        journal.put(id_, "event", "2026-01-20")
    task = asyncio.create_task(target.attend())
    while "heartbeat" not in hub.seen or "counts" not in hub.seen:
        await asyncio.sleep(0.001)
    for number in range(5, 20):
        del hub.rows[f"r-{number}"]
    while len(journal.owed) < 15:
        clock.tick(1.0)
        await asyncio.sleep(0.001)
    assert clock.monotonic_ns() / 1e9 < 60
    assert sorted(journal.owed) == sorted(f"r-{number}" for number in range(5, 20))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await target.close()
