"""Who is there, who fell silent: said once, whichever instance notices."""

import asyncio

import pytest

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from appliance.hub import running
from appliance.hub.store import presence


async def told(served):
    person = await served.person(f"ann-{served.clock.monotonic_ns()}")
    _, said = await person.ask("GET", "/events")
    return [event["event"]["type"] for event in reversed(said["events"])]


async def test_three_missed_heartbeats_are_offline_and_one_is_back(start):
    first, second = await start(), await start()
    box = await first.box("box-a")
    await box.beat()
    assert await told(first) == []
    for _ in range(3):
        first.clock.tick(45)
        at = first.clock.now_ns()
        looks = [_missed(hub, at) for hub in (first.hub, second.hub) * 2]
        ids = await asyncio.gather(*looks)
    assert sum(map(len, ids)) <= 1
    assert await told(first) == ["box_offline"]
    first.clock.tick(1)
    assert (await box.beat())[0] == 200
    assert (await box.beat())[1]["rows"] == 0  # an event of the hub's own is no row of the box's
    assert await told(first) == ["box_offline", "box_online"]


@pytest.mark.parametrize("places", ["embedded"], indirect=True)
async def test_silence_while_the_hub_was_not_listening_is_not_the_boxes(served):
    box = await served.box("box-a")
    await box.beat()
    served.clock.tick(3600)  # the hub was down
    watcher = running.Watcher(served.hub)
    for _ in range(8):
        served.clock.tick(10)
        assert await watcher.look() == []
    served.clock.tick(10)
    assert await watcher.look() == ["box-a"]
    assert await told(served) == ["box_offline"]


@pytest.mark.parametrize("places", ["embedded"], indirect=True)
async def test_silence_while_the_database_was_away_is_not_the_boxes_either(served, monkeypatch):
    box = await served.box("box-a")
    watcher = running.Watcher(served.hub)
    for _ in range(12):
        served.clock.tick(10)
        await box.beat()
        assert await watcher.look() == []

    async def away(work, together=False):
        raise ApplianceError("unavailable", "the database is away", "start it")

    with monkeypatch.context() as patch:
        patch.setattr(served.hub.store, "write", away)
        patch.setattr(served.hub.store, "read", away)
        for _ in range(30):
            served.clock.tick(10)
            with pytest.raises(ApplianceError):
                await watcher.look()
    for _ in range(9):
        assert await watcher.look() == []
        served.clock.tick(10)
    assert await watcher.look() == ["box-a"]


async def _missed(hub, at):
    return await hub.store.write(lambda: presence.missed(at - 90_000_000_000, at))


async def test_a_heartbeat_is_shown_as_it_was_said(served):
    box = await served.box("box-a")
    figures = {"owed": 9, "acknowledged": 5, "tombstoned": 1, "waiting": 2, "in_flight": 0, "parked": 1}
    await box.batch(box.row("e1"))
    await box.beat(status="degraded", detail="disk 91 %", cameras_total=4, delivery={"event": figures})
    person = await served.person("ann")
    _, said = await person.ask("GET", "/boxes/box-a")
    shown = said["box"]
    assert (shown["state"], shown["detail"], shown["cameras_total"], shown["parked"]) == (
        "degraded", "disk 91 %", 4, 1,
    )  # fmt: skip
    _, said = await person.ask("GET", "/boxes/box-a/deliveries")
    assert said["deliveries"] == [{"kind": "event", "box": figures, "held": 1}]


@pytest.mark.parametrize(
    "said",
    [
        {"box_time": "now"},
        {"version": 5},
        {"delivery": {"event": {"owed": 1}}},
        {"box_time": "9999-01-01T00:00:00Z"},
    ],
)
@pytest.mark.parametrize("places", ["embedded"], indirect=True)
async def test_a_heartbeat_that_makes_no_sense_is_refused(served, said):
    box = await served.box("box-a")
    assert (await box.beat(**said))[0] == 400


async def test_figures_that_no_column_takes_harm_nobody(served):
    box = await served.box("box-a")
    huge = dict.fromkeys(("owed", "acknowledged", "tombstoned", "waiting", "in_flight", "parked"), 1 << 62)
    status, _ = await box.beat(delivery={"event": huge, "alert": huge}, status="x" * 900, version="\x00v")
    assert status == 200


async def details(served):
    person = await served.person(f"eve-{served.clock.monotonic_ns()}")
    _, said = await person.ask("GET", "/events")
    return [(e["event"]["type"], e["event"]["metadata"]["detail"]) for e in reversed(said["events"])]


async def state(served):
    person = await served.person(f"bob-{served.clock.monotonic_ns()}")
    return (await person.ask("GET", "/boxes/box-a"))[1]["box"]["state"]


async def test_a_box_that_said_goodbye_is_stopped_at_once_and_offline_in_other_words(served):
    box = await served.box("box-a")
    await box.beat()
    served.clock.tick(10)
    stopped_at = rfc3339(served.clock.now_ns())
    await box.beat(status="stopping")
    assert await state(served) == "stopped"
    served.clock.tick(91)
    assert await _missed(served.hub, served.clock.now_ns()) == ["box-a"]
    assert await state(served) == "offline"
    ((type_, detail),) = await details(served)
    assert type_ == "box_offline"
    assert detail == f"stopped at {stopped_at}, on purpose, and not started again since"
    served.clock.tick(9)
    await box.beat()
    assert (await details(served))[-1] == ("box_online", "started again after 100 s")
    assert await state(served) == "ok"


async def test_a_restart_is_no_absence(served):
    box = await served.box("box-a")
    await box.beat()
    await box.beat(status="stopping")
    served.clock.tick(8)
    await box.beat()
    assert await _missed(served.hub, served.clock.now_ns()) == []
    assert (await details(served), await state(served)) == ([], "ok")


async def test_a_box_that_fell_silent_was_not_stopped_on_purpose(served):
    box = await served.box("box-a")
    await box.beat()
    served.clock.tick(91)
    await _missed(served.hub, served.clock.now_ns())
    ((_, detail),) = await details(served)
    assert detail.startswith("last heard at ")
