"""The laws of a line: mirrored, subdivided, jittered."""

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from appliance.rules.engine import Engine

place = st.tuples(st.floats(0.05, 0.95), st.floats(0.3, 0.95))
path = st.lists(place, min_size=2, max_size=10)


def crossings(world, places, **rule) -> list[str]:
    engine = Engine([world.rule("line_cross", **rule)], [world.wire])
    return [f.direction for f in engine.feed(world.walk(*places, step_s=0.1))]


def test_forward_is_from_the_left_hand_to_the_right(world):
    # Standing at the lower end of the wire and looking up, the right hand is the right of the picture.
    assert crossings(world, [(0.3, 0.5), (0.7, 0.5)]) == ["forward"]
    assert crossings(world, [(0.7, 0.5), (0.3, 0.5)]) == ["backward"]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("forward", ["forward"]), ("backward", ["backward"]), ("both", ["forward", "backward"])],
)
def test_a_rule_takes_the_direction_it_asks_for(world, direction, expected):
    there_and_back = [(0.3, 0.5), (0.7, 0.5), (0.3, 0.5)]
    assert crossings(world, there_and_back, params={"direction": direction}) == expected


def test_the_time_is_between_the_observations_and_the_still_is_of_the_later_one(world):
    engine = Engine([world.rule("line_cross")], [world.wire])
    (finding,) = engine.feed(world.walk((0.4, 0.5), (0.8, 0.5), ends=False, step_s=1.0))
    assert finding.time_ns == pytest.approx(world.start_ns + 0.25e9, abs=1000)
    assert finding.seen_ns == world.start_ns + world.second_ns
    assert finding.bbox.anchor[0] == pytest.approx(0.8)


def test_around_the_end_is_not_across(world):
    assert crossings(world, [(0.3, 0.95), (0.7, 0.95)]) == []
    assert crossings(world, [(0.45, 0.5), (0.505, 0.5), (0.505, 0.95), (0.45, 0.95)]) == []


def test_a_stop_on_the_line_is_a_crossing_only_when_it_goes_on(world):
    assert crossings(world, [(0.3, 0.5), (0.5, 0.5), (0.5, 0.5), (0.7, 0.5)]) == ["forward"]
    assert crossings(world, [(0.3, 0.5), (0.5, 0.5), (0.5, 0.5), (0.3, 0.5)]) == []


@given(st.lists(st.floats(-0.0079, 0.0079), max_size=40), st.booleans())
@settings(deadline=None)
def test_jitter_on_the_line_is_one_crossing_for_each_real_one(world, wobble, goes_on):
    on_the_line = [(0.5 + part, 0.5) for part in wobble]
    end = (0.7, 0.5) if goes_on else (0.3, 0.5)
    assert crossings(world, [(0.3, 0.5), *on_the_line, end]) == (["forward"] if goes_on else [])


@given(path)
@settings(deadline=None)
def test_the_way_back_mirrors_the_way_there(world, places):
    assume(all(x != 0.5 for x, _ in places))
    mirror = {"forward": "backward", "backward": "forward"}
    back = [mirror[direction] for direction in crossings(world, places[::-1])]
    assert crossings(world, places) == back[::-1]


@given(path, st.data())
@settings(deadline=None)
def test_a_path_cut_into_smaller_steps_is_the_same_path(world, places, data):
    finer = [places[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(places):
        for part in sorted(data.draw(st.lists(st.floats(0.01, 0.99), max_size=4))):
            finer.append((x0 + part * (x1 - x0), y0 + part * (y1 - y0)))
        finer.append((x1, y1))
    # Grazing the very tip of the line is decided by the last bit of a float.
    assume(all(abs(y_at_wire(a, b) - 0.9) > 1e-6 for a, b in itertools.pairwise(places)))
    assert crossings(world, finer) == crossings(world, places)


def y_at_wire(a: tuple[float, float], b: tuple[float, float]) -> float:
    if a[0] == b[0]:
        return a[1]
    return a[1] + (0.5 - a[0]) / (b[0] - a[0]) * (b[1] - a[1])


@given(path)
@settings(deadline=None)
def test_directions_take_turns_when_nobody_goes_around(world, places):
    low = [(x, 0.3 + 0.5 * y) for x, y in places]  # never below the wire's end
    found = crossings(world, low)
    assert all(a != b for a, b in itertools.pairwise(found))
