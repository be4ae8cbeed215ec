from appliance.alerts.expiry import DAY_NS, expire_events
from appliance.store import locks, outbox


async def test_old_events_go_with_all_that_hangs_on_them_and_young_ones_stay(yard):
    yard.add_target()
    intake = yard.intake()
    (old,) = await intake.accept(yard.findings(intake, 0.2, 0.6))
    await yard.until(lambda: yard.events()[0].has_snapshot)
    yard.clock.set_ns(yard.clock.now_ns() + 20 * DAY_NS)
    (young,) = await intake.accept(yard.findings(intake, 0.2, 0.6, track_id="w1-2", begin_s=20 * 86_400))
    await intake.close()
    assert await expire_events(yard.db, yard.stills, yard.clock, event_days=10) == 1
    assert [event.id for event in yard.events()] == [young.id]
    assert [alert.event_id for alert in yard.alerts()] == [young.id]
    assert await yard.stills.read(old.id, False) is None
    assert await yard.stills.read(young.id, False) == b"plain"
    assert len(list(yard.folder.glob("stills/*"))) == 1, "the empty day is gone"
    pins = yard.db.read_now(lambda c: locks.overlapping(c, "gate", 0, 2**62))
    assert [pin.owner_id for pin in pins] == [young.id]
    rows = yard.db.write_now(lambda c: outbox.take(c, "cloud", 99, yard.clock.now_ns()))
    tombs = [row for row in rows if row.is_tombstone]
    assert old.id in {row.id for row in tombs} and young.id not in {row.id for row in tombs}
    assert {row.time_ns for row in yard.journal()} == {yard.clock.now_ns()}, "old positions are pruned"
