"""Nobody looked for a while: what is told is what was seen before and after, and no guess between them."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

LOOK_S = 0.2
EVERY_S = 2.0
SPEED = 0.5  # of the picture in a second: one passes the wire in the middle of each two seconds


def belt(world, begin_s: float, end_s: float, worker: str, first_id: str | None = None):
    """People who pass one behind the other, as seen from ``begin_s`` to ``end_s``."""
    points, seen = [], set()
    for look in range(round(begin_s / LOOK_S), round(end_s / LOOK_S)):
        at_s = look * LOOK_S + 0.05
        number, since_s = divmod(at_s, EVERY_S)
        track_id = f"{worker}-{number:.0f}"
        resumed = first_id is not None and number == (begin_s + 0.05) // EVERY_S
        is_new = track_id not in seen and not resumed
        seen.add(track_id)
        phase = "start" if is_new else "update"
        track_id = first_id if resumed else track_id
        points.append(world.point(SPEED * since_s, 0.5, at_s, track_id=track_id, phase=phase))
    return points


def crossings(world, findings) -> list[tuple[str, float]]:
    return [(f.direction, round((f.time_ns - world.start_ns) / 1e9, 2)) for f in findings]


@given(st.integers(11, 30), st.integers(5, 75), st.booleans(), st.booleans())
@settings(deadline=None)
def test_nothing_is_told_of_a_blind_time_whoever_is_taken_for_whom(world, before, looks, resumed, is_said):
    """The last one before and the first one behind are anywhere on their way."""
    engine = world.engine("line_cross")
    from_s, to_s = before * LOOK_S, (before + looks) * LOOK_S
    earlier = belt(world, 0, from_s, "w1")
    later = belt(world, to_s, 20 + to_s, "w2", earlier[-1].track_id if resumed else None)
    told = engine.feed(earlier)
    if is_said or (resumed and to_s - from_s < 3):
        told += engine.blinded(["gate"])
    told += engine.feed(later)
    at_s = [1.0 + EVERY_S * number for number in range(30)]
    # Looks are 0.05 s off the fifths, and so never on the wire.
    seen = [at for at in at_s if at < from_s - 0.1 or to_s < at < 20 + to_s - 0.1]
    assert crossings(world, told) == [("forward", at) for at in seen]


def test_a_step_over_a_long_silence_is_no_path_even_of_one_track(world):
    points = world.walk((0.3, 0.5), (0.7, 0.5), step_s=5.0, ends=False)
    assert world.engine("line_cross").feed(points) == []


def test_who_stood_still_unseen_and_goes_on_over_the_line_has_crossed_it(world):
    """What stands is not looked at for long; the next look may find it in its first step."""
    before, behind = world.walk((0.49, 0.5), (0.52, 0.5), step_s=20.0, ends=False)
    points = [msgspec.structs.replace(before, stationary=True), behind]
    assert world.said(world.engine("line_cross").feed(points)) == ["line_cross:forward"]


def test_who_was_on_the_line_when_the_sight_went_has_crossed_it_once(world):
    engine = world.engine("line_cross")
    assert engine.feed(world.walk((0.4, 0.5), (0.505, 0.5), ends=False)) == []
    assert world.said(engine.blinded(["gate"])) == ["line_cross:forward"]
    assert engine.blinded(["gate"]) == []
    assert engine.feed([world.point(0.6, 0.5, 8)]) == []


def test_another_camera_goes_on(world):
    engine = world.engine("line_cross")
    engine.feed(world.walk((0.4, 0.5), ends=False))
    engine.blinded(["yard"])
    assert world.said(engine.feed([world.point(0.6, 0.5, 0.2)])) == ["line_cross:forward"]


@pytest.mark.parametrize("track_id", ["w1-1", "w2-1"])
def test_who_left_unseen_ends_the_visit_where_it_was_last_seen_and_no_exit_is_told(world, track_id):
    engine = world.engine("zone_enter", "zone_exit")
    engine.feed(world.walk((0.2, 0.6), (0.6, 0.6), (0.7, 0.6), ends=False))
    engine.blinded(["gate"])
    phase = "update" if track_id == "w1-1" else "start"
    (ended,) = engine.feed([world.point(0.9, 0.6, 4, track_id=track_id, phase=phase)])
    assert (ended.type, ended.phase, ended.time_ns) == ("zone_enter", "ended", world.start_ns + 400_000_000)
    back = world.walk((0.6, 0.6), (0.9, 0.6), begin_s=4.2, track_id=track_id, ends=False)
    back = [msgspec.structs.replace(point, phase="update") for point in back]
    assert [(f.type, f.phase) for f in engine.feed(back)] == [
        ("zone_enter", "began"),
        ("zone_enter", "ended"),
        ("zone_exit", "began"),
    ]


def test_who_is_not_seen_again_ends_the_visit_and_no_exit_is_told(world):
    engine = world.engine("zone_enter", "zone_exit")
    *seen, last = world.walk((0.2, 0.6), (0.6, 0.6), (0.6, 0.6))
    engine.feed(seen)
    engine.blinded(["gate"])
    last = msgspec.structs.replace(last, time_ns=seen[-1].time_ns)  # an end says when it was seen last
    assert [(f.type, f.phase) for f in engine.feed([last])] == [("zone_enter", "ended")]


def test_who_was_seen_leaving_before_has_left(world):
    engine = world.engine("zone_exit")
    at_the_border = world.walk((0.6, 0.6), (0.6, 0.6), (0.802, 0.6), ends=False)
    engine.feed(at_the_border)
    engine.blinded(["gate"])
    (left,) = engine.feed([world.point(0.95, 0.6, 4)])
    assert (left.type, left.time_ns) == ("zone_exit", at_the_border[-1].time_ns)


def test_a_giant_is_not_the_dwarf_before_it(world):
    engine = world.engine("zone_enter")
    engine.feed(world.walk((0.2, 0.6), (0.6, 0.6), ends=False, height=0.08))
    again = world.walk((0.6, 0.6), (0.6, 0.6), begin_s=3, track_id="w2-1", ends=False, height=0.3)
    assert world.said(engine.feed(again)) == ["zone_enter"]
