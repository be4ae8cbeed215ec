"""Laws of the tracker, and the situations it is made for."""

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.model import Box, TrackPoint
from appliance.vision.boxes import iou
from appliance.vision.detectors import Detections
from appliance.vision.looking.gate import Motion
from appliance.vision.tracking.assignment import assign
from appliance.vision.tracking.tracker import Tracker

LABELS = ("person", "car", "chair")
STEP_NS = 200_000_000
STILL = Motion(np.zeros((54, 96), np.bool_), np.zeros((54, 96), np.bool_))


@pytest.fixture(scope="session")
def walk(found):
    def see(tracker, frames, start_ns=10**18, motion=None, step_ns=STEP_NS):
        points = []
        for number, rows in enumerate(frames):
            points += tracker.update(start_ns + number * step_ns, found(*rows), LABELS, motion)
        return points

    return see


boxes = st.tuples(
    st.floats(0, 0.8),
    st.floats(0, 0.8),
    st.floats(0.02, 0.2),
    st.floats(0.02, 0.2),
    st.floats(0.1, 1),
    st.integers(0, 2),
).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3], b[4], b[5]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(boxes, max_size=6), max_size=25))
def test_laws(walk, frames):
    numbers = iter(range(10**6))
    tracker = Tracker("yard", lambda: f"t{next(numbers)}", 0.4)
    points = walk(tracker, frames)
    points += tracker.finish()
    phases = {}
    for point in points:
        phases.setdefault(point.track_id, []).append(point)
        assert 0 <= point.bbox.x <= 1 and 0 <= point.bbox.y <= 1
        assert 0 < point.bbox.width <= 1 and 0 < point.bbox.height <= 1
        assert point.class_name in LABELS and 0 <= point.confidence <= 1
    for own in phases.values():
        assert [p.phase for p in own].count("start") == 1 and own[0].phase == "start"
        assert [p.phase for p in own].count("end") == 1 and own[-1].phase == "end"
        assert [p.time_ns for p in own] == sorted(p.time_ns for p in own)
    # No two tracks share a detection: in one frame every box is given once.
    given_out = Counter((p.time_ns, p.bbox) for p in points if p.phase == "update")
    for (time_ns, _), times in given_out.items():
        rows = frames[(time_ns - 10**18) // STEP_NS]
        assert times <= max(Counter(row[:4] for row in rows).values())


def test_a_walk_is_one_track(walk, person, ids):
    points = walk(Tracker("yard", ids, 0.4), [[person(0.05 + 0.04 * n)] for n in range(20)])
    assert {p.track_id for p in points} == {"t-1"}
    assert points[0].phase == "start" and points[0].time_ns == 10**18


def test_one_weak_box_is_no_track_and_two_that_moved_are(walk, person, ids):
    assert walk(Tracker("yard", ids, 0.4), [[person(0.3, score=0.5)], []]) == []
    points = walk(Tracker("yard", ids, 0.4), [[person(0.3, score=0.5)], [person(0.42, score=0.5)]])
    assert [p.phase for p in points] == ["start", "update"]
    assert points[0].time_ns < points[1].time_ns


def test_furniture_that_half_looks_like_something_is_no_track(walk, ids):
    tracker = Tracker("yard", ids, 0.4)
    assert walk(tracker, [[(0.5, 0.6, 0.63, 0.77, 0.55, 2)]] * 100, motion=STILL) == []
    assert not tracker.unsure  # and it does not cost a look in every frame


def test_who_stands_there_from_the_beginning_is_a_track_in_time(walk, person, ids):
    points = walk(Tracker("yard", ids, 0.4), [[person(0.5, score=0.65)]] * 12, motion=STILL)
    assert points[0].phase == "start"


def test_a_sure_box_starts_at_once(walk, person, ids):
    assert [p.phase for p in walk(Tracker("yard", ids, 0.4), [[person(0.3, score=0.9)]])] == ["start"]


def test_weak_boxes_carry_a_track_on_and_begin_none(walk, person, ids):
    frames = [[person(0.3)]] * 3 + [[person(0.3, score=0.15), person(0.7, score=0.3)]] * 20
    points = walk(Tracker("yard", ids, 0.4), frames)
    assert {p.track_id for p in points} == {"t-1"}
    assert points[-1].time_ns == 10**18 + 22 * STEP_NS


def test_two_people_who_cross_keep_their_identity(walk, person, ids):
    frames = [[person(0.1 + 0.03 * n, 0.3), person(0.7 - 0.03 * n, 0.38)] for n in range(20)]
    points = walk(Tracker("yard", ids, 0.4), frames)
    assert {p.track_id for p in points} == {"t-1", "t-2"}
    for track_id in ("t-1", "t-2"):
        assert len({round(p.bbox.y, 2) for p in points if p.track_id == track_id}) == 1


def test_who_stands_still_outlives_ten_seconds_without_a_detection(walk, person, ids):
    tracker = Tracker("yard", ids, 0.4)
    walk(tracker, [[person(0.5)]] * 20, motion=STILL)
    missed = walk(tracker, [[]] * 50, 10**18 + 20 * STEP_NS, STILL)
    back = walk(tracker, [[person(0.51)]], 10**18 + 70 * STEP_NS, STILL)
    assert missed == []
    assert [(p.track_id, p.phase, p.stationary) for p in back] == [("t-1", "update", True)]


def test_who_was_seen_to_move_away_ends_in_seconds_and_is_not_the_next_one(walk, person, ids):
    tracker = Tracker("yard", ids, 0.4)
    walk(tracker, [[person(0.5)]] * 20, motion=STILL)
    moving = np.zeros((54, 96), np.bool_)
    moving[15:40, 40:70] = True
    walk(tracker, [[]], 10**18 + 20 * STEP_NS, Motion(moving, moving))
    later = walk(tracker, [[]] * 15, 10**18 + 21 * STEP_NS, STILL)
    assert [p.phase for p in later] == ["end"]
    again = walk(tracker, [[person(0.5)]] * 2, 10**18 + 40 * STEP_NS, STILL)
    assert {p.track_id for p in again} == {"t-2"}


def test_a_person_does_not_become_the_chair(walk, person, ids):
    tracker = Tracker("yard", ids, 0.4)
    points = walk(tracker, [[person(0.5)]] * 5 + [[(0.5, 0.5, 0.6, 0.7, 0.6, 2)]] * 3)
    assert {p.class_name for p in points if p.track_id == "t-1"} == {"person"}


def test_a_class_is_voted_for(walk, ids):
    frames = (
        [[(0.2, 0.2, 0.5, 0.4, 0.8, 1)]] * 4
        + [[(0.2, 0.2, 0.5, 0.4, 0.5, 2)]]
        + [[(0.2, 0.2, 0.5, 0.4, 0.8, 1)]]
    )
    points = walk(Tracker("yard", ids, 0.4), frames)
    assert {(p.track_id, p.class_name) for p in points} == {("t-1", "car")}


def test_twins_on_one_thing_are_one_track(walk, person, ids):
    frames = [[person(0.5), (0.5, 0.32, 0.6, 0.69, 0.7, 0), (0.5, 0.3, 0.6, 0.7, 0.6, 2)]] * 5
    assert {p.track_id for p in walk(Tracker("yard", ids, 0.4), frames)} == {"t-1"}


def test_seeds_go_on_under_their_id_or_end(walk, person, ids):
    def seeded():
        tracker = Tracker("yard", ids, 0.4)
        box = Box(0.5, 0.3, 0.1, 0.4)
        tracker.seed([TrackPoint("yard", "old-7", 10**18, "person", 0.8, box, stationary=True)])
        return tracker

    seen = walk(seeded(), [[person(0.52)]], 10**18 + 3 * 10**9)
    assert [(p.track_id, p.phase) for p in seen] == [("old-7", "update")]
    gone = walk(seeded(), [[]] * 20, 10**18 + 3 * 10**9)
    assert [(p.track_id, p.phase) for p in gone] == [("old-7", "end")]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.randoms(use_true_random=False))
def test_assignment_is_the_cheapest(rows, columns, random):
    from itertools import permutations

    cost = np.array(
        [[random.choice([0.1, 0.3, 0.7, 2.0]) * random.random() for _ in range(columns)] for _ in range(rows)]
    )
    cost = cost.reshape(rows, columns)
    pairs = assign(cost, 1.0)
    assert len({r for r, _ in pairs}) == len(pairs) == len({c for _, c in pairs})
    assert all(cost[r, c] < 1.0 for r, c in pairs)
    best = 0.0
    small, large = (rows, columns) if rows <= columns else (columns, rows)
    for choice in permutations(range(large), small):
        chosen = [(i, j) if rows <= columns else (j, i) for i, j in enumerate(choice)]
        best = min(best, sum(min(0.0, cost[i, j] - 1.0) for i, j in chosen))
    assert abs(sum(cost[r, c] - 1.0 for r, c in pairs) - best) < 1e-9


def test_nobody_takes_a_bad_partner_for_the_sake_of_another():
    assert assign(np.array([[0.1, 0.8], [0.8, 5.0]]), 0.9) == [(0, 0)]


def test_iou_of_known_boxes():
    a = np.array([[0, 0, 2, 2]], np.float32)
    b = np.array([[1, 1, 3, 3], [0, 0, 2, 2], [5, 5, 6, 6]], np.float32)
    assert np.allclose(iou(a, b), [[1 / 7, 1, 0]])


def test_tentative_tracks_are_forgotten_one_by_one(walk, person, ids):
    """Several at once, of which some are seen again."""
    weak = [person(0.1, score=0.5), person(0.4, score=0.5), person(0.7, score=0.5)]
    frames = [weak, [], [weak[1]], [], [], [], [], [], [], []]
    assert walk(Tracker("yard", ids, 0.4), frames) == []


def test_the_next_worker_goes_on_with_what_is_still_there(ids):
    """Memory is older than the last points: who walked on or left meanwhile is taken from these."""
    labels = ("person", "car")
    boxes = {"car": (0.6, 0.5, 0.9, 0.8), "walker": (0.1, 0.3, 0.15, 0.6), "gone": (0.35, 0.3, 0.4, 0.6)}
    found = Detections(
        np.array(list(boxes.values()), np.float32), np.full(3, 0.9, np.float32), np.array([1, 0, 0], np.int32)
    )
    old, points, start_ns = Tracker("yard", ids, 0.4), {}, 10**18
    for number in range(25):
        for point in old.update(start_ns + number * 200_000_000, found, labels):
            points[round(point.bbox.x, 2)] = point
    memory = old.save()
    walked = msgspec.structs.replace(points[0.1], bbox=Box(0.25, 0.3, 0.05, 0.3), stationary=False)
    new = Tracker("yard", ids, 0.4)
    new.resume(memory, [points[0.6], walked])
    later = Detections(
        np.array([boxes["car"], (0.26, 0.3, 0.31, 0.6)], np.float32), found.scores[:2], found.classes[:2]
    )
    seen = {p.track_id for p in new.update(start_ns + 26 * 200_000_000, later, labels)}
    assert seen == {points[0.6].track_id, walked.track_id}
    again = Tracker("yard", ids, 0.4)
    again.resume(memory, None)  # another daemon: the memory is all there is
    seen = {p.track_id for p in again.update(start_ns + 26 * 200_000_000, found, labels)}
    assert seen == {point.track_id for point in points.values()}
