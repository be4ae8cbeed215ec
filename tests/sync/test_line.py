"""The line: tracks -> finding -> event, alert -> outbox -> a real HTTPS target, and the decision after."""

import asyncio

from appliance.alerts.bell import JournalBell
from appliance.alerts.desk import Desk
from appliance.alerts.intake import Intake
from appliance.alerts.stills import Stills
from appliance.base.model import Box, Rule, TrackPoint, User, Zone
from appliance.rules.engine import Engine
from appliance.store import journal

WIRE = Zone("wire", "gate", "Wire", "line", ((0.5, 0.9), (0.5, 0.1)))
RULE = Rule("cross", "Cross", "line_cross", zone_ids=("wire",), severity="critical")


def crossing(bench) -> list[TrackPoint]:
    now_ns = bench.clock.now_ns()
    return [
        TrackPoint(
            "gate", "w1-1", now_ns + n * 200_000_000, "person", 0.9, Box(x - 0.05, 0.3, 0.1, 0.3), phase
        )
        for n, (x, phase) in enumerate([(0.3, "start"), (0.4, "update"), (0.6, "update"), (0.7, "end")])
    ]


async def test_from_the_track_to_the_cloud_with_a_cut_link_and_a_restart_between(bench, cloud, tmp_path):
    async def still(camera_id: str, time_ns: int, box: Box | None) -> bytes:
        return b"jpeg"

    bell = JournalBell()
    intake = Intake(
        bench.db,
        bench.clock,
        Engine([RULE], [WIRE]),
        Stills(tmp_path / "stills", still),
        bell,
        device_id="box-1",
        records=lambda _: True,
        on_owed=bench.wake,
    )
    desk = Desk(bench.db, bench.clock, bell, on_owed=bench.wake)
    running = asyncio.create_task(intake.run())
    cloud.script = ["lost", "status:503", "half"]
    bench.start()
    await bench.until(lambda: bool(bench.sync.states()))
    intake.ingest(crossing(bench))
    await bell.wait(0, 10)
    await bench.settled()
    await bench.kill()
    rows = bench.db.read_now(lambda c: journal.since(c, 0, 10))
    event, alert = rows[0].data, rows[1].data
    await desk.acknowledge(alert["id"], User("u", "bob", "operator"), "seen")
    bench.start()
    await bench.until(lambda: bench.figures().acknowledged == 3, tick_s=0.05)
    running.cancel()
    await intake.close()

    assert cloud.effects[:2] == [event["id"], alert["id"]] and len(cloud.effects) == 3
    sent_event, sent_alert, update = (cloud.bodies[id_] for id_ in cloud.effects)
    assert (sent_event["kind"], sent_event["body"]) == ("event", event)
    assert (event["type"], event["direction"], event["severity"]) == ("line_cross", "forward", "critical")
    assert event["end_time"] == event["start_time"]
    assert (sent_alert["kind"], sent_alert["body"]) == ("alert", alert)
    assert alert["event_id"] == event["id"] and alert["status"] == "new"
    assert update["kind"] == "alert_update"
    assert (update["body"]["id"], update["body"]["acknowledged_by"]) == (alert["id"], "bob")
    figures = bench.figures()
    assert (figures.owed, figures.waiting, figures.in_flight, figures.parked) == (3, 0, 0, 0)
