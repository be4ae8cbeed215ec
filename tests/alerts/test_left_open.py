"""What was open when the box went down is ended at the next start, when its track was seen last."""

import msgspec

from appliance.alerts.left_open import close_left_open
from appliance.store import locks, tracks

SECOND_NS = 1_000_000_000


async def enter(yard, **how):
    intake = yard.intake()
    (event,) = await intake.accept(yard.findings(intake, 0.2, 0.6, **how))
    return intake, event


async def close(yard) -> int:
    yard.clock.tick(3600)
    return await close_left_open(yard.db, yard.tracks_db, yard.clock.now_ns())


async def test_an_open_event_ends_when_its_track_was_last_seen(yard):
    intake, event = await enter(yard)
    intake.ingest([])
    (seen,) = yard.walk(0.6, begin_s=20)
    yard.tracks_db.write_now(lambda c: tracks.save_presences(c, [seen]))
    yard.add_target()
    assert await close(yard) == 1
    (ended,) = yard.events()
    assert (ended.id, ended.end_ns) == (event.id, yard.start_ns + 20 * SECOND_NS)
    assert (ended.metadata["rule_name"], ended.metadata["ended"]) == ("Enter", "restart")
    assert yard.journal()[-1].data["end_time"] is not None
    assert yard.db.read_now(lambda c: c.execute("SELECT COUNT(*) FROM outbox").fetchone()[0]) == 1
    (pin,) = yard.db.read_now(locks.every)
    assert pin.end_ns == yard.start_ns + 25 * SECOND_NS
    assert await close(yard) == 0


async def test_what_is_known_of_the_track_later_than_who_was_in_view_counts(yard):
    intake, _ = await enter(yard)
    intake.ingest(yard.walk(*(0.6 + 0.01 * number for number in range(10))))
    await intake.close()
    yard.tracks_db.write_now(lambda c: tracks.save_presences(c, []))
    assert await close(yard) == 1
    assert yard.events()[0].end_ns == yard.start_ns + round(1.8 * SECOND_NS)


async def test_of_an_unknown_track_nothing_is_known_but_its_beginning(yard):
    await enter(yard)
    assert await close(yard) == 1
    (event,) = yard.events()
    assert event.end_ns == event.start_ns


async def test_what_has_ended_stays_as_it_is(yard):
    intake = yard.intake()
    await intake.accept(yard.findings(intake, 0.2, 0.6, 0.2, ends=True))
    before = [msgspec.json.encode(event) for event in yard.events()]
    assert await close(yard) == 0
    assert [msgspec.json.encode(event) for event in yard.events()] == before


async def test_more_than_one_transaction_of_them(yard, monkeypatch):
    monkeypatch.setattr("appliance.alerts.left_open.AT_ONCE", 2)
    intake = yard.intake()
    for number in range(5):
        walk = yard.walk(0.2, 0.6, begin_s=number, track_id=f"w1-{number}")
        await intake.accept(intake._engine.feed(walk))
    assert await close(yard) == len(yard.events())
    assert all(event.end_ns is not None for event in yard.events())
