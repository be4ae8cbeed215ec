"""Who entered, left and crossed, once each."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.model import Rule, TrackPoint, Zone
from appliance.rules.engine import Engine


def feed_one_by_one(engine: Engine, points: list[TrackPoint]):
    return [finding for point in points for finding in engine.feed([point])]


def test_a_walk_through_the_room_enters_once_and_leaves_once(world):
    engine = world.engine()
    steps = [(0.22 + 0.05 * n, 0.6) for n in range(14)]
    findings = feed_one_by_one(engine, world.walk(*steps))
    assert sorted(world.said(findings)) == ["line_cross:forward", "zone_enter", "zone_exit"]
    enter = next(f for f in findings if f.type == "zone_enter")
    assert enter.seen_ns == enter.time_ns == world.start_ns + 800_000_000, "0.42 is the first place inside"
    assert enter.bbox.anchor[0] == pytest.approx(0.42)
    assert (enter.zone_id, enter.track_id, enter.class_name) == ("room", "w1-1", "person")


def test_an_end_closes_the_finding_of_the_same_visit(world):
    engine = world.engine("zone_enter")
    places = [(0.2, 0.6), (0.6, 0.6), (0.2, 0.6), (0.6, 0.6), (0.7, 0.6)]
    findings = feed_one_by_one(engine, world.walk(*places))
    assert [f.phase for f in findings] == ["began", "ended", "began", "ended"]
    first, first_end, second, second_end = findings
    assert first.key == first_end.key != second.key == second_end.key
    assert second_end.time_ns == world.start_ns + round(0.8e9), "the track's end ends the visit"


def test_one_stray_box_inside_near_the_border_is_nothing(world):
    engine = world.engine("zone_enter")
    assert engine.feed(world.walk((0.38, 0.6), (0.403, 0.6), (0.38, 0.6), (0.3, 0.6))) == []


@given(st.lists(st.floats(-0.006, 0.006), min_size=5, max_size=40))
@settings(deadline=None)
def test_jitter_on_the_border_enters_at_most_once_and_never_leaves(world, wobble):
    engine = world.engine("zone_enter", "zone_exit")
    path = [(0.3, 0.6), *((0.4 + part, 0.6) for part in wobble)]
    said = world.said(engine.feed(world.walk(*path, ends=False)))
    assert said in ([], ["zone_enter"])


def test_who_first_becomes_visible_inside_enters_once_confirmed(world):
    engine = world.engine("zone_enter")
    first, second, *rest = world.walk(*[(0.6, 0.6)] * 5)
    assert engine.feed([first]) == []
    (finding,) = engine.feed([second])
    assert finding.time_ns == first.time_ns
    assert [f.phase for f in engine.feed(rest)] == ["ended"]


def test_who_is_seen_once_only_does_not_enter(world):
    start, end = world.walk((0.6, 0.6), (0.6, 0.6))
    assert world.engine("zone_enter").feed([start, end]) == []


def test_who_was_inside_before_we_looked_does_not_enter(world):
    engine = world.engine("zone_enter", "zone_exit")
    _, *seen = world.walk((0.6, 0.6), (0.6, 0.6), (0.6, 0.6), (0.2, 0.6))
    assert world.said(engine.feed(seen)) == ["zone_exit"]


def test_feet_below_the_picture_stand_on_its_edge(world):
    floor = Zone("room", "gate", "Floor", "polygon", ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)))
    engine = Engine([world.rule()], [floor])
    assert world.said(engine.feed(world.walk((0.5, 1.0), (0.5, 1.02), (0.5, 1.0)))) == ["zone_enter"]


def test_a_redrawn_zone_and_a_new_rule_do_not_tell_of_who_already_stands_there(world):
    engine = world.engine("zone_enter")
    before, *after = world.walk(*[(0.2, 0.2)] * 4, (0.9, 0.9), (0.2, 0.2), (0.2, 0.2))
    engine.feed([before])
    corner = Zone("room", "gate", "Corner", "polygon", ((0.1, 0.1), (0.3, 0.1), (0.3, 0.3), (0.1, 0.3)))
    engine.replace([world.rule()], [corner])
    assert world.said(engine.feed(after[:3])) == []
    engine.replace([world.rule(), world.rule(id="late")], [corner])
    assert world.said(engine.feed(after[3:])) == ["zone_enter", "zone_enter"], (
        "leaving and coming back is new"
    )


def test_a_redrawn_zone_ends_the_visits_of_the_old_one(world):
    engine = world.engine("zone_enter")
    points = world.walk((0.2, 0.6), (0.6, 0.6), (0.6, 0.6), (0.6, 0.6))
    (began,) = engine.feed(points[:2])
    engine.replace([world.rule()], [])
    (ended,) = engine.feed(points[2:])
    assert (ended.key, ended.phase) == (began.key, "ended")


def test_keeping_the_rules_keeps_the_visits(world):
    engine = world.engine("zone_enter")
    points = world.walk((0.2, 0.6), (0.6, 0.6), (0.6, 0.6), (0.6, 0.6))
    engine.feed(points[:2])
    engine.replace([world.rule()], [world.room, world.wire])
    assert [f.phase for f in engine.feed(points[2:])] == ["ended"]


def test_another_number_from_the_same_worker_does_not_enter_again(world):
    engine = world.engine("zone_enter")
    engine.feed(world.walk((0.2, 0.6), (0.6, 0.6), (0.6, 0.6), ends=False))
    again = world.walk((0.61, 0.6), (0.62, 0.6), (0.2, 0.6), begin_s=1.0, track_id="w1-2")
    assert [f.phase for f in engine.feed(again)] == ["ended"], "the visit went over to the new number"


def test_a_second_person_beside_the_first_enters(world):
    engine = world.engine("zone_enter")
    first = world.walk(*[(0.6, 0.6)] * 8)
    second = world.walk(*[(0.62, 0.6)] * 6, begin_s=0.4, track_id="w1-2")
    began = [f.track_id for f in engine.feed([*second, *first]) if f.phase == "began"]
    assert began == ["w1-1", "w1-2"], "the first is seen beside the second, so it is not the same one"


@pytest.mark.parametrize(("gap_s", "to_x", "enters"), [(3, 0.7, False), (10, 0.75, False), (20, 0.6, True)])
def test_a_restarted_worker_does_not_make_everybody_enter_again(world, gap_s, to_x, enters):
    engine = world.engine("zone_enter")
    engine.feed(world.walk((0.2, 0.6), (0.6, 0.6), (0.6, 0.6), ends=False))
    places = [(to_x, 0.6)] * 3
    again = world.walk(*places, begin_s=0.4 + gap_s, track_id="w2-1", ends=False)
    assert world.said(engine.feed(again)) == (["zone_enter"] if enters else [])


def test_a_parked_car_does_not_enter_again_after_a_night_without_power(world):
    engine = world.engine("zone_enter")
    car = {"class_name": "car", "stationary": True, "ends": False}
    engine.feed(world.walk((0.6, 0.6), (0.6, 0.6), **car))
    left_behind = msgspec.json.decode(msgspec.json.encode(engine.presences()), type=list[TrackPoint])
    night_s = 8 * 3600
    again = world.engine("zone_enter", already_there=left_behind)
    same = world.walk(*[(0.61, 0.6)] * 3, begin_s=night_s, track_id="w9-1", class_name="car")
    other = world.walk(*[(0.45, 0.45)] * 3, begin_s=night_s, track_id="w9-2", class_name="car")
    assert [f.track_id for f in again.feed([*same, *other]) if f.phase == "began"] == ["w9-2"]


def test_a_track_that_never_ends_is_over_after_three_minutes(world):
    engine = world.engine("zone_enter", "zone_exit")
    engine.feed(world.walk((0.2, 0.6), (0.6, 0.6), ends=False))
    later = engine.feed([world.point(0.1, 0.1, 190, track_id="w2-9", phase="start")])
    assert [(f.type, f.phase) for f in later] == [("zone_enter", "ended")]
    assert [p.track_id for p in engine.presences()] == ["w2-9"]


def test_class_confidence_camera_and_enabled_decide(world):
    rules = [
        world.rule(id="any"),
        world.rule(id="car", classes=("car", "truck")),
        world.rule(id="sure", min_confidence=0.9),
        world.rule(id="elsewhere", camera_ids=("yard",)),
        world.rule(id="off", enabled=False),
        Rule("later", "later", "crowd", zone_ids=("room",)),
    ]
    engine = Engine(rules, [world.room])
    findings = engine.feed(world.walk((0.2, 0.6), (0.6, 0.6), (0.6, 0.6), ends=False))
    assert [f.rule.id for f in findings] == ["any"]
    surer = world.point(0.6, 0.6, 0.6, confidence=0.95)
    (finding,) = engine.feed([surer])
    assert (finding.rule.id, finding.time_ns) == ("sure", world.start_ns + 200_000_000), (
        "told late, dated right"
    )
    assert finding.confidence == 0.95


def test_a_schedule_looks_at_the_time_it_happened_in_the_sites_zone(world):
    window = {"days": ["tue"], "from": "15:30", "to": "15:31"}
    rule = msgspec.convert(
        {
            "id": "r",
            "name": "r",
            "kind": "zone_enter",
            "zone_ids": ["room"],
            "schedule": {"windows": [window]},
        },
        Rule,
    )
    inside_ = world.walk((0.2, 0.6), (0.6, 0.6), ends=False)
    assert world.said(Engine([rule], [world.room], "Europe/Berlin").feed(inside_)) == ["zone_enter"]
    assert world.said(Engine([rule], [world.room], "Etc/UTC").feed(inside_)) == []


places = st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)), min_size=2, max_size=12)


@given(places)
@settings(deadline=None)
def test_feeding_all_at_once_or_one_by_one_is_the_same(world, path):
    points = world.walk(*path)
    assert world.engine().feed(points) == feed_one_by_one(world.engine(), points)


@given(places)
@settings(deadline=None)
def test_every_began_is_ended_once_and_enters_match_leaves(world, path):
    findings = world.engine("zone_enter", "zone_exit").feed(world.walk((0.01, 0.01), *path, (0.01, 0.01)))
    enters = [f for f in findings if f.type == "zone_enter"]
    began = [f.key for f in enters if f.phase == "began"]
    ended = [f.key for f in enters if f.phase == "ended"]
    assert began == ended and len(set(began)) == len(began)
    assert world.said(findings).count("zone_exit") == len(began)


@pytest.mark.parametrize("kind", ["zone_enter", "line_cross"])
def test_where_it_was_one_observation_before_is_told(world, kind):
    path = [(0.2 + 0.03 * step, 0.6) for step in range(20)]
    points = world.walk(*path)
    (found,) = [f for f in feed_one_by_one(world.engine(kind), points) if f.phase == "began"]
    at = next(n for n, point in enumerate(points) if point.time_ns == found.seen_ns)
    assert found.previous_centre == points[at - 1].bbox.centre


def test_behind_a_pause_that_nobody_watched_nothing_lies_before(world):
    engine = world.engine("line_cross")
    feed_one_by_one(engine, world.walk((0.2, 0.6), (0.23, 0.6), ends=False))
    track = engine._cameras["gate"].tracks["w1-1"]
    assert track.before is not None
    engine.feed([world.point(0.9, 0.6, 60.0)])
    assert track.before is None
