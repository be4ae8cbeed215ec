"""We are here, every 30 s, whatever waits; what its answer sets going; and the last words of a box."""

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


class Told:
    """A box's directory, which a person may change."""

    def __init__(self) -> None:
        self.body = b'{"name":"Depot","time_zone":"Etc/UTC"}'

    async def read(self) -> bytes:
        return self.body


async def test_names_are_told_when_they_changed_and_not_else(hub, bench) -> None:
    told, charged = Told(), []
    hub.names = ""
    target = bench.target(hub.url, directory=told.read, charge=charged.append)
    for _ in range(3):
        await target.heart.beat()
    assert hub.directories == [told.body]
    assert len(charged) == 4  # three beats, one directory
    told.body = b'{"name":"Another","time_zone":"Etc/UTC"}'
    await target.heart.beat()
    await target.heart.beat()
    assert hub.directories[1:] == [told.body]
    await target.close()


async def test_a_hub_of_old_is_told_nothing_that_it_does_not_ask_for(hub, bench) -> None:
    target = bench.target(hub.url, directory=Told().read)
    assert (await target.heart.beat()).directory_wanted is False
    assert hub.directories == [] and hub.beats[0].directory != ""
    await target.close()


@pytest.mark.parametrize(("how", "tries"), [("status:400", 1), ("status:404", 1), ("status:503", 3)])
async def test_names_that_a_hub_refuses_are_not_told_every_30_s(hub, bench, how, tries) -> None:
    hub.names = ""
    hub.script["directory"] = [how] * 9
    target = bench.target(hub.url, directory=Told().read)
    for _ in range(3):
        assert await target.heart.beat() is not None  # and the heartbeat goes on
    assert hub.seen.count("directory") == tries
    await target.close()


async def test_a_box_that_is_stopped_says_so_and_nothing_after_that(hub, bench, clock) -> None:
    target = bench.target(hub.url, clock=clock, heartbeat=condition)
    await target.heart.beat()
    clock.tick(7)
    await target.farewell()
    last = hub.beats[-1]
    assert (last.status, last.detail, last.cameras_recording, last.cameras_total) == ("stopping", "", 0, 4)
    assert last.box_time == "2026-01-20T14:30:07.000Z"
    assert last.delivery["event"].waiting == 3
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(target.heart.beat(), 0.05)
    assert len(hub.beats) == 2
    await target.close()


async def test_the_farewell_comes_after_the_beat_that_is_on_its_way(hub, bench) -> None:
    target = bench.target(hub.url)
    await target.heart.beat()
    hub.script["heartbeat"] = ["slow", "ok"]
    late = asyncio.create_task(target.heart.beat())
    while len(hub.seen) < 2:
        await asyncio.sleep(0.001)
    leaving = asyncio.create_task(target.farewell())
    await asyncio.sleep(0.01)
    hub.hold.set()
    await asyncio.gather(late, leaving)
    assert [beat.status for beat in hub.beats] == ["ok", "ok", "stopping"]
    await target.close()


async def test_nobody_waits_for_a_hub_that_was_silent_anyway(hub, bench) -> None:
    target = bench.target(hub.url)
    await target.farewell()
    assert hub.seen == []
    await target.heart.beat()
    hub.script["heartbeat"] = ["status:503"]
    await target.heart.beat()
    await target.farewell()
    assert hub.seen == ["heartbeat"] * 2
    await target.close()


async def test_a_hub_that_falls_silent_just_then_is_given_a_second(hub, bench, monkeypatch) -> None:
    monkeypatch.setattr("appliance.sync.targets.hub.heartbeat.FAREWELL_S", 0.05)
    target = bench.target(hub.url)
    await target.heart.beat()
    hub.script["heartbeat"] = ["slow"]
    await asyncio.wait_for(target.farewell(), 5)  # the stand-in answers never
    assert len(hub.beats) == 1
    hub.hold.set()
    await target.close()
