"""What the box says about itself goes the same way as what it sees."""

from appliance.alerts.record import record_of_box
from appliance.store import alerts, events, journal, outbox_counts
from appliance.store.alerts import AlertFilter
from appliance.store.events import EventFilter


async def test_the_box_alarms_about_itself(yard) -> None:
    metadata = {"detail": "locks leave no room", "hint": "unlock what is no longer needed"}
    now_ns = yard.clock.now_ns()
    newest = await yard.db.write(lambda conn: record_of_box(conn, "storage_full", metadata, now_ns, "box"))
    (event,), _, _ = await yard.db.read(lambda conn: events.page(conn, EventFilter(), 10, None))
    (alert,), _, _ = await yard.db.read(lambda conn: alerts.page(conn, AlertFilter(), 10, None))
    assert (event.type, event.severity, event.metadata) == ("storage_full", "critical", metadata)
    assert (alert.event_id, alert.status, alert.severity) == (event.id, "new", "critical")
    rows = await yard.db.read(lambda conn: journal.since(conn, 0, 10))
    assert [row.type for row in rows] == ["event", "alert"]
    assert newest == rows[-1].id
    assert await yard.db.read(outbox_counts.depth) == 0  # no target is enabled here
