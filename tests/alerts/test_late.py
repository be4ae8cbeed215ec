"""What a look back finds is told once, whatever was known before and however often it is begun."""

import msgspec

from appliance.alerts.late import BORDER_NS, LAG_NS, RUN_UP_NS, LateFindings
from appliance.base.model import BlindSpan, Schedule, ScheduleWindow, TrackPoint, Zone
from appliance.store import blind_spans

S = 1_000_000_000
LINE = Zone("line", "gate", "Line", "line", ((0.5, 0.0), (0.5, 1.0)))


class Span:
    """A blind minute of the yard, some time ago; ``at`` counts from its beginning."""

    def __init__(self, yard, *rules, length_s=60, cause="worker_down", standing=(), time_zone="Etc/UTC"):
        self.yard, self.rules = yard, rules or (yard.rule(),)
        self.start_ns = yard.start_ns
        end_ns = self.start_ns + round(length_s * S)
        yard.db.write_now(lambda c: blind_spans.add(c, "gate", "main", self.start_ns, end_ns, cause))
        (self.row,) = yard.db.read_now(blind_spans.waiting)
        self._standing, self._time_zone = standing, time_zone
        self.intake = yard.intake(*self.rules)
        self.again()

    def again(self) -> None:
        """Begin, as far as the database says that it is not done."""
        row = self.yard.db.read_now(lambda c: blind_spans.get(c, self.row.id))
        zones = [self.yard.room, LINE]
        self.late = LateFindings(row, self.rules, zones, self._time_zone, self._standing)

    def walk(self, *xs, at=0.0, track_id="late-1", ends=False) -> list[TrackPoint]:
        return self.yard.walk(*xs, begin_s=at, track_id=track_id, ends=ends)

    def see(self, points, judged_s=None) -> None:
        """``judged_s`` unless said otherwise: as far as is needed to know of these."""
        memory_ns = 3 * S * any(p.phase == "end" for p in points)
        judged_ns = max(p.time_ns for p in points) + memory_ns
        judged_ns = judged_ns if judged_s is None else self.start_ns + judged_s * S
        self.late.take(points, judged_ns)

    async def commit(self, over=False):
        due, until_ns = self.late.due(over=over)
        found = await self.intake.accept_late(
            lambda conn: self.late.news(conn, due),
            lambda conn, count: blind_spans.progress(conn, self.row.id, until_ns, count),
        )
        self.late.told(due)
        return found

    def stored(self) -> BlindSpan:
        return self.yard.db.read_now(lambda c: blind_spans.get(c, self.row.id))


async def test_a_visit_is_an_event_found_late_with_an_alert(yard):
    span = Span(yard)
    yard.clock.tick(1200)
    span.see(span.walk(0.2, 0.6, 0.6, 0.2, at=20, ends=True))
    assert await span.commit() == [], "not yet certain that nothing else comes of that time"
    (event,) = await span.commit(over=True)
    (alert,) = yard.alerts()
    assert event.found_late and event.start_ns == span.start_ns + round(20.2 * S)
    assert event.created_ns == yard.clock.now_ns() > event.start_ns + 1100 * S
    assert (alert.event_id, alert.created_ns) == (event.id, event.created_ns)
    (stored,) = yard.events()
    assert stored.end_ns == span.start_ns + round(20.6 * S)
    assert yard.journal()[0].data["found_late"] is True
    assert (span.stored().state, span.stored().found) == ("done", 1)
    await yard.until(lambda: yard.events()[0].has_snapshot)


async def test_who_stood_there_when_it_began_has_not_entered(yard):
    span = Span(yard)
    span.see(span.walk(*[0.6] * 100, at=-8))
    assert await span.commit(over=True) == []


async def test_what_is_parked_there_is_not_news_when_it_is_seen_late(yard):
    (parked,) = yard.walk(0.6, track_id="w1-7", begin_s=900)
    span = Span(yard, standing=[msgspec.structs.replace(parked, stationary=True)])
    span.see(span.walk(0.6, 0.6, 0.6, at=30))
    assert await span.commit(over=True) == []


async def test_just_before_the_end_of_sight_is_told_unless_it_was(yard):
    for known in (False, True):
        span = Span(yard)
        if known:
            await span.intake.accept(yard.findings(span.intake, 0.2, 0.6, begin_s=-0.5))
        span.see(span.walk(0.2, 0.6, 0.6, 0.2, at=-0.6, ends=True))
        assert len(await span.commit(over=True)) == (0 if known else 1)
        yard.db.write_now(lambda c: c.execute("DELETE FROM alerts"))
        yard.db.write_now(lambda c: c.execute("DELETE FROM events"))
        yard.db.write_now(lambda c: c.execute("DELETE FROM blind_spans"))


async def test_who_is_still_there_when_sight_returns_is_told_once(yard):
    span = Span(yard)
    (live,) = await span.intake.accept(yard.findings(span.intake, 0.2, 0.6, begin_s=60))
    # one was there already and is the live event's; another had left long before
    span.see(span.walk(0.2, 0.6, 0.6, 0.2, at=20, track_id="late-1", ends=True))
    span.see(span.walk(0.2, *[0.6] * 50, at=49.8, track_id="late-2"))
    span.see([msgspec.structs.replace(span.walk(0.6, at=59.8, track_id="late-2")[0], phase="end")])
    (event,) = await span.commit(over=True)
    assert event.start_ns == span.start_ns + round(20.2 * S)
    assert {e.id for e in yard.events()} == {live.id, event.id}


async def test_somebody_else_who_enters_as_sight_returns_is_somebody_else(yard):
    span = Span(yard)
    far = yard.rule(zone_ids=("room",))
    points = [
        msgspec.structs.replace(p, bbox=msgspec.structs.replace(p.bbox, y=0.55, height=0.05, width=0.02))
        for p in yard.walk(0.2, 0.78, begin_s=60.5)
    ]
    assert far == span.rules[0]
    (live,) = await span.intake.accept(span.intake._engine.feed(points))
    span.see(span.walk(0.2, *[0.45] * 50, at=49.8))
    span.see([msgspec.structs.replace(span.walk(0.45, at=59.8)[0], phase="end")])
    assert len(await span.commit(over=True)) == 1
    assert len(yard.events()) == 2 and live.found_late is False


async def test_a_crossing_that_was_concluded_over_an_overload_is_told_once(yard):
    rule = yard.rule(id="cross", kind="line_cross", zone_ids=("line",))
    span = Span(yard, rule, length_s=2, cause="overload")
    span.intake._engine.replace([rule], [yard.room, LINE])
    before = yard.walk(0.2, 0.3, begin_s=-0.2, track_id="w1-1")
    behind = yard.walk(0.7, 0.8, begin_s=2, track_id="w1-1")[1:]
    live = await span.intake.accept(span.intake._engine.feed([*before, *behind]))
    assert len(live) == 1 and span.start_ns < live[0].start_ns < span.start_ns + 2 * S
    span.see(span.walk(0.3, 0.45, 0.55, 0.7, at=0.3, ends=True))
    # there and back again: two more that nobody knew of
    span.see(span.walk(0.7, 0.55, 0.45, 0.3, at=1.1, track_id="late-2", ends=True))
    found = await span.commit(over=True)
    assert [event.direction for event in found] and live[0].direction not in {e.direction for e in found}


CROSSING = {"id": "cross", "kind": "line_cross", "zone_ids": ("line",)}


async def test_who_crosses_as_sight_returns_is_told_once_whoever_saw_it(yard):
    """Of three, the first went over before the end, the second between the two looks, the third behind."""
    span = Span(yard, rule := yard.rule(**CROSSING))
    span.intake._engine.replace([rule], [yard.room, LINE])
    live = await span.intake.accept(
        span.intake._engine.feed(yard.walk(0.3, 0.4, 0.6, begin_s=60.2, track_id="w2-3"))
    )
    assert len(live) == 1
    span.see(span.walk(0.3, 0.45, 0.55, 0.8, at=58.9, ends=True), 59)
    span.see(span.walk(0.3, 0.4, 0.6, 0.8, at=59.7, track_id="late-2", ends=True), 60)
    span.see(span.walk(0.3, 0.4, 0.6, 0.8, at=60.2, track_id="late-3", ends=True), 62)
    found = await span.commit(over=True)
    assert [e.track_id for e in sorted(found, key=lambda e: e.start_ns)] == ["late-1", "late-2"]


async def test_two_that_follow_close_are_two_in_whatever_piece_they_are_told(yard):
    span = Span(yard, rule := yard.rule(**CROSSING))
    span.intake._engine.replace([rule], [yard.room, LINE])
    for number in range(40):
        at = 0.2 + number
        span.see(span.walk(0.3, 0.45, 0.55, 0.8, at=at, track_id=f"late-{number}", ends=True))
        await span.commit()
    await span.commit(over=True)
    assert len(yard.events()) == 40


async def test_an_event_speaks_for_one_only(yard):
    span = Span(yard, rule := yard.rule(**CROSSING))
    span.intake._engine.replace([rule], [yard.room, LINE])
    (live,) = await span.intake.accept(
        span.intake._engine.feed(yard.walk(0.3, 0.45, 0.55, 0.8, begin_s=-0.5, ends=True))
    )
    span.see(span.walk(0.3, 0.45, 0.55, 0.8, at=-0.5, ends=True), 10.3)
    await span.commit()
    span.see(span.walk(0.3, 0.45, 0.55, 0.8, at=0.6, track_id="late-2", ends=True), 30)
    (event,) = await span.commit(over=True)
    assert event.track_id == "late-2" and live.id != event.id


async def test_who_is_in_view_when_the_look_ends_has_not_left(yard):
    rule = yard.rule(id="exit", kind="zone_exit")
    span = Span(yard, rule)
    gone = span.walk(0.2, *[0.6] * 5, at=58, track_id="late-2", ends=True)  # at 59
    span.see(gone[:-1])
    span.see(gone[-1:], 62)
    span.see(span.walk(0.2, *[0.6] * 25, at=58, ends=True), 63)  # the end of the footage
    span.see(span.walk(0.2, *[0.6] * 5, at=58, track_id="late-3", ends=True), 59)  # ... or if it ended here
    (event,) = await span.commit(over=True)
    assert event.track_id == "late-2"


async def test_progress_stands_where_all_before_is_told(yard):
    span = Span(yard)
    span.see(span.walk(0.2, 0.6, 0.6, 0.2, at=5, track_id="late-1", ends=True))
    span.see(span.walk(0.2, *[0.6] * 20, at=20, track_id="late-2"), judged_s=45)
    assert len(await span.commit()) == 1
    assert span.stored().done_until_ns == span.start_ns + round(20.2 * S), "held by who is still inside"
    assert span.late.judged_ns == span.start_ns + 45 * S

    span.again()  # killed: another worker, other numbers, from there on
    assert span.late.begin_ns == span.start_ns + round(20.2 * S) - RUN_UP_NS
    span.see(span.walk(0.2, *[0.6] * 20, 0.2, at=20, track_id="w9-1", ends=True), judged_s=60)
    assert len(await span.commit(over=True)) == 1
    assert len(yard.events()) == 2 and span.stored().found == 2
    assert all(event.end_ns is not None for event in yard.events())


async def test_done_twice_is_told_once(yard):
    span = Span(yard)
    for _ in range(2):
        span.see(span.walk(0.2, 0.6, 0.6, 0.2, at=20, ends=True))
        await span.commit(over=True)
        span.late = LateFindings(span.row, span.rules, [yard.room], "Etc/UTC")
    assert len(yard.events()) == 1


async def test_nothing_that_comes_late_in_coming_is_behind_the_progress(yard):
    span = Span(yard)
    span.see(span.walk(0.2, at=0), judged_s=30)
    await span.commit()
    assert span.stored().done_until_ns == span.start_ns + 30 * S - LAG_NS
    span.see(span.walk(0.2, 0.6, 0.6, at=70))  # behind the end: nobody asked
    assert span.late.due(over=True) == ([], span.row.end_ns)


async def test_cooldown_and_schedule_go_by_the_time_of_the_video(yard):
    rule = yard.rule(cooldown_s=60)
    span = Span(yard, rule)
    await span.intake.accept(yard.findings(span.intake, 0.2, 0.6, begin_s=-30))
    yard.clock.tick(3600)
    for number, at in enumerate((10, 40)):
        span.see(span.walk(0.2, 0.6, 0.6, 0.2, at=at, track_id=f"late-{number}", ends=True))
    await span.commit(over=True)
    assert (len(yard.events()), len(yard.alerts())) == (3, 2), "the second rests, the third rings"

    day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    began = yard.start_ns // S % 86_400
    clock = f"{began // 3600:02d}:{began % 3600 // 60:02d}"
    later = f"{began // 3600 + 1:02d}:{began % 3600 // 60:02d}"
    for window, count in ((ScheduleWindow(day, clock, later), 1), (ScheduleWindow(day, later, clock), 0)):
        yard.db.write_now(lambda c: c.execute("DELETE FROM blind_spans"))
        span = Span(yard, yard.rule(id=f"rule{count}", schedule=Schedule((window,))))
        span.see(span.walk(0.2, 0.6, 0.6, 0.2, at=20, ends=True))
        assert len(await span.commit(over=True)) == count


async def test_what_motion_found_in_a_models_place_is_not_found_again(yard):
    span = Span(yard, cause="model_missing")
    points = [msgspec.structs.replace(p, class_name="object") for p in yard.walk(0.2, 0.6, begin_s=20)]
    await span.intake.accept(span.intake._engine.feed(points))
    span.see(span.walk(0.2, 0.6, 0.6, 0.2, at=20 + 0.5 * BORDER_NS / S, ends=True))
    span.see(span.walk(0.2, 0.6, 0.6, 0.2, at=40, track_id="late-2", ends=True))
    assert len(await span.commit(over=True)) == 1
