"""One finding: an event, an alert, a pin, a journal row and what is owed, or nothing of it."""

import asyncio
import sqlite3
import threading

import msgspec
import pytest

from appliance.base.clock import parse_rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.model import Zone
from appliance.store import locks, outbox, outbox_counts, tracks
from appliance.sync.envelope.told import told


async def test_everything_is_written_together(yard):
    yard.add_target("cloud")
    yard.add_target("off", enabled=False)
    yard.clock.tick(1)
    intake = yard.intake()
    (event,) = await intake.accept(yard.findings(intake, 0.2, 0.6))
    (alert,) = yard.alerts()
    assert (event.start_ns, event.created_ns) == (yard.start_ns + 200_000_000, yard.clock.now_ns())
    assert (event.type, event.severity, event.device_id) == ("zone_enter", "warning", "box")
    assert (event.end_ns, event.has_clip, event.track_id) == (None, True, "w1-1")
    assert (alert.event_id, alert.status, alert.severity) == (event.id, "new", "warning")
    (pin,) = yard.db.read_now(lambda c: locks.overlapping(c, "gate", 0, 2**62))
    assert (pin.start_ns, pin.end_ns) == (event.start_ns - 5 * 10**9, event.start_ns + 5 * 10**9)
    assert (pin.owner, pin.owner_id) == ("event", event.id)
    assert [(row.type, row.data["id"]) for row in yard.journal()] == [
        ("event", event.id),
        ("alert", alert.id),
    ]
    rows = yard.db.write_now(lambda c: outbox.take(c, "cloud", 9, yard.clock.now_ns()))
    assert [(row.kind, row.id) for row in rows] == [("event", event.id), ("alert", alert.id)]
    assert msgspec.json.decode(rows[0].body)["id"] == event.id
    assert yard.db.read_now(lambda c: outbox_counts.figures(c, "off")).owed == 0
    assert yard.bell.newest == yard.journal()[-1].id and yard.owed == 1


async def test_the_message_says_where_it_was_and_where_before(yard):
    """Schema 2 of what targets are told, of a real finding."""
    yard.add_target("cloud")
    intake = yard.intake()
    await intake.accept(yard.findings(intake, 0.2, 0.35, 0.6))
    row = yard.db.write_now(lambda c: outbox.take(c, "cloud", 1, yard.clock.now_ns()))[0]
    message = told("box", "", row.body)
    (seen,) = message.detections
    assert seen.previous_centre is not None and seen.previous_centre[0] < seen.centre[0]
    assert seen.previous_centre[1] == pytest.approx(seen.centre[1])
    assert yard.start_ns < parse_rfc3339(message.frame.time) <= yard.start_ns + 10**9


async def test_what_the_end_of_sight_makes_certain_is_told(yard):
    """Last seen just behind the line; nobody knows where it went, but it is over."""
    rule = yard.rule(id="cross", kind="line_cross", zone_ids=("line",))
    intake = yard.intake(rule)
    intake.replace([rule], [Zone("line", "gate", "Line", "line", ((0.5, 0.0), (0.5, 1.0)))])
    running = asyncio.create_task(intake.run())
    intake.ingest(yard.walk(0.4, 0.505))
    intake.blinded(["gate"])
    intake.ingest(yard.walk(0.4, 0.4, 0.4, begin_s=8)[1:])  # the next one comes
    await yard.until(lambda: len(yard.events()) == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await intake.close()
    (event,) = yard.events()
    assert event.start_ns < yard.start_ns + 10**9


async def test_a_failure_in_the_middle_leaves_nothing_behind(yard, monkeypatch):
    yard.add_target()
    intake = yard.intake()
    findings = yard.findings(intake, 0.2, 0.6)

    def full(*_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("appliance.store.alerts.insert", full)
    with pytest.raises(ApplianceError):
        await intake.accept(findings)
    assert yard.events() == [] and yard.journal() == [] and yard.owed == 0
    assert yard.db.read_now(lambda c: outbox_counts.figures(c, "cloud")).owed == 0
    assert yard.db.read_now(lambda c: locks.overlapping(c, "gate", 0, 2**62)) == []


async def test_info_raises_no_alert_and_unrecorded_cameras_have_no_clip(yard):
    yard.recorded.clear()
    intake = yard.intake(yard.rule(severity="info"))
    (event,) = await intake.accept(yard.findings(intake, 0.2, 0.6))
    assert yard.alerts() == [] and not event.has_clip
    assert yard.db.read_now(lambda c: locks.overlapping(c, "gate", 0, 2**62)) == []


async def test_cooldown_holds_back_alerts_never_events_also_over_a_restart(yard):
    rule = yard.rule(cooldown_s=60)
    intake = yard.intake(rule)
    await intake.accept(yard.findings(intake, 0.2, 0.6, 0.2, 0.6))
    await intake.accept(yard.findings(intake, 0.2, 0.6, track_id="w1-2", begin_s=30))
    intake = yard.intake(rule)
    await intake.accept(yard.findings(intake, 0.2, 0.6, track_id="w2-1", begin_s=50))
    assert (len(yard.events()), len(yard.alerts())) == (4, 1)
    await intake.accept(yard.findings(intake, 0.2, 0.6, track_id="w2-2", begin_s=61))
    assert (len(yard.events()), len(yard.alerts())) == (5, 2)


async def test_leaving_ends_the_event_and_stretches_its_pin(yard):
    yard.add_target()
    intake = yard.intake()
    (event,) = await intake.accept(yard.findings(intake, 0.2, *[0.6] * 100, 0.2))
    (ended,) = yard.events()
    assert ended.id == event.id and ended.end_ns == yard.start_ns + round(20.2e9)
    (pin,) = yard.db.read_now(lambda c: locks.overlapping(c, "gate", 0, 2**62))
    assert pin.end_ns == ended.end_ns + 5 * 10**9
    assert yard.journal()[-1].data["end_time"] is not None
    rows = yard.db.write_now(lambda c: outbox.take(c, "cloud", 9, yard.clock.now_ns()))
    assert [row.kind for row in rows] == ["event", "alert", "event_update"]
    assert len({row.id for row in rows}) == 3


async def test_a_still_comes_after_the_event_and_is_told_of(yard):
    intake = yard.intake()
    (event,) = await intake.accept(yard.findings(intake, 0.2, 0.6))
    assert not event.has_snapshot
    await yard.until(lambda: yard.events()[0].has_snapshot)
    assert await yard.stills.read(event.id, True) == b"boxed"
    assert await yard.stills.read(event.id, False) == b"plain"
    assert {(camera, at) for camera, at, _ in yard.asked} == {("gate", event.start_ns)}
    await yard.until(lambda: yard.bell.newest == yard.journal()[-1].id)
    assert yard.journal()[-1].data["snapshot_url"]
    assert not list(yard.folder.glob("stills/**/*.new"))
    await intake.close()


async def test_without_a_picture_the_event_stands(yard):
    yard.has_picture = False
    intake = yard.intake()
    (event,) = await intake.accept(yard.findings(intake, 0.2, 0.6))
    await intake.close()
    assert not yard.events()[0].has_snapshot
    assert await yard.stills.read(event.id, True) is None
    assert await yard.stills.read("../../etc/passwd", False) is None


async def test_points_become_journal_rows_at_once_and_once(yard):
    yard.add_target()
    intake = yard.intake()
    running = asyncio.create_task(intake.run())
    for number in range(10):
        before = yard.bell.newest
        intake.ingest(yard.walk(0.2, 0.6, begin_s=number, track_id=f"w1-{number}"))
        await yard.bell.wait(before, 5)
    running.cancel()
    await intake.close()
    assert len(yard.events()) == 10


async def test_a_stop_in_the_middle_of_a_commit_writes_nothing_twice(yard, monkeypatch):
    from appliance.alerts import intake as module

    real, begun, go_on = module.record, threading.Event(), threading.Event()

    def slow(conn, *arguments):
        begun.set()
        go_on.wait(5)
        return real(conn, *arguments)

    monkeypatch.setattr(module, "record", slow)
    intake = yard.intake()
    running = asyncio.create_task(intake.run())
    intake.ingest(yard.walk(0.2, 0.6))
    await asyncio.to_thread(begun.wait, 5)
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(running, return_exceptions=True)
    await intake.close()
    assert len(yard.events()) == 1


async def test_findings_wait_for_a_database_that_is_full_and_are_not_lost(yard, monkeypatch):
    from appliance.alerts import intake as module

    real, failures = module.record, iter(range(3))

    def record(conn, *arguments):
        if next(failures, None) is not None:
            raise ApplianceError("exhausted", "full", "free some space")
        return real(conn, *arguments)

    monkeypatch.setattr(module, "record", record)
    intake = yard.intake()
    running = asyncio.create_task(intake.run())
    intake.ingest(yard.walk(0.2, 0.6))
    while not yard.events():
        await yard.clock.advance(1)
        intake.ingest([])
    running.cancel()
    assert len(yard.events()) == 1


async def test_one_bad_finding_does_not_take_the_others_along(yard):
    intake = yard.intake()
    good = yard.findings(intake, 0.2, 0.6)
    bad = msgspec.structs.replace(good[0], confidence=object())
    intake._queue([bad, *good])
    running = asyncio.create_task(intake.run())
    await yard.until(lambda: len(yard.events()) == 1)
    running.cancel()


async def test_the_stop_commits_what_is_left_and_remembers_who_is_there(yard):
    intake = yard.intake()
    intake.ingest(yard.walk(0.2, 0.6, 0.6))
    await intake.close()
    assert len(yard.events()) == 1
    left = yard.tracks_db.read_now(tracks.presences)
    assert [point.track_id for point in left] == ["w1-1"]
    assert len(yard.tracks_db.read_now(lambda c: tracks.get(c, "w1-1")).samples) == 2, "0.6 twice is once"
    again = yard.intake(already_there=left)
    again.ingest(yard.walk(0.62, 0.62, 0.62, begin_s=3, track_id="w2-1"))
    await again.close()
    assert len(yard.events()) == 1, "the same person, still there"


async def test_a_full_disk_is_no_reason_to_end_badly(yard, monkeypatch):
    intake = yard.intake()
    intake.ingest(yard.walk(0.2, 0.6))

    async def full(work):
        raise ApplianceError("exhausted", "tracks.db: database or disk is full", "free space")

    monkeypatch.setattr(yard.tracks_db, "write", full)
    await intake.close()
    assert len(yard.events()) == 1
