"""What the tracker owes whatever it is shown: laws, and the situations in which identities get lost."""

import zlib
from itertools import count

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.vision.looking.gate import Motion
from appliance.vision.tracking.association import Cuts

NOTHING_MOVES = Motion(np.zeros((54, 96), np.bool_), np.zeros((54, 96), np.bool_))
NEW_SCENE = Motion(np.zeros((54, 96), np.bool_), np.zeros((54, 96), np.bool_), new_scene=True)
FAST = settings(max_examples=50, deadline=None)


def moving(x1, y1, x2, y2):
    cells = np.zeros((54, 96), np.bool_)
    cells[int(y1 * 54) : int(y2 * 54), int(x1 * 96) : int(x2 * 96)] = True
    return Motion(cells, cells)


def box_of(numbers):
    x, y, width, height, label = numbers
    return x, y, min(1.0, x + width), min(1.0, y + height), label


places = st.tuples(
    st.floats(0, 0.8), st.floats(0, 0.8), st.floats(0.02, 0.3), st.floats(0.02, 0.4), st.integers(0, 3)
)
# Scores differ, so that the order of detections is never a matter of chance.
frames = st.lists(
    st.lists(places, max_size=7).flatmap(
        lambda boxes: st.lists(
            st.integers(10, 100), min_size=len(boxes), max_size=len(boxes), unique=True
        ).map(
            lambda scores: [
                (*box_of(b)[:4], s / 100, box_of(b)[4]) for b, s in zip(boxes, scores, strict=True)
            ]
        )
    ),
    min_size=1,
    max_size=20,
)


@FAST
@given(frames)
def test_no_two_live_tracks_share_an_id_and_no_id_comes_back(watching, shown):
    watcher, live, ended = watching(), set(), set()
    for rows in shown:
        updates = watcher.see(*rows)
        assert len({point.track_id for point in updates}) == len(updates)
    for point in watcher.points + watcher.tracker.finish():
        assert point.track_id not in ended
        assert (point.phase == "start") == (point.track_id not in live)
        live.add(point.track_id)
        if point.phase == "end":
            ended.add(point.track_id)
    assert live == ended


cells = st.tuples(st.integers(0, 4), st.integers(0, 2), st.floats(0, 0.08), st.floats(0, 0.1))
crowds = st.lists(st.lists(cells, max_size=8, unique_by=lambda c: c[:2]), min_size=1, max_size=15)


@FAST
@given(crowds, st.randoms(use_true_random=False))
def test_the_order_of_detections_changes_nothing(watching, person, shown, random):
    """Equal scores, so that nothing sorts them; who is who is told by where each began."""
    one, other = watching(), watching()
    for crowd in shown:
        rows = [person(0.2 * column + x, 0.33 * row + y, 0.8, 0.1, 0.2) for column, row, x, y in crowd]
        one.see(*rows)
        other.see(*random.sample(rows, len(rows)))

    def told(points):
        began = {p.track_id: (p.time_ns, p.bbox) for p in points if p.phase == "start"}
        return {(p.time_ns, p.phase, p.bbox, began[p.track_id]) for p in points}

    assert told(one.points) == told(other.points)


@FAST
@given(frames, st.integers(0, 10**17))
def test_the_time_of_day_changes_nothing(watching, shown, later_ns):
    one, other = watching(), watching()
    other.time_ns += later_ns
    for rows in shown:
        one.see(*rows)
        other.see(*rows)
    moved = [msgspec.structs.replace(point, time_ns=point.time_ns + later_ns) for point in one.points]
    assert moved == other.points


@FAST
@given(frames)
def test_the_size_of_the_picture_changes_nothing(watching, shown):
    """Half as large, in a corner: a power of two, so that not even rounding differs."""
    one, other = watching(), watching()
    for rows in shown:
        one.see(*rows)
        other.see(*[(*(corner / 2 for corner in row[:4]), *row[4:]) for row in rows])
    same = [(p.track_id, p.time_ns, p.phase, p.stationary, p.class_name) for p in one.points]
    assert same == [(p.track_id, p.time_ns, p.phase, p.stationary, p.class_name) for p in other.points]


@FAST
@given(st.floats(1.0, 15.0), st.floats(-0.9, 0.9), st.floats(0.7, 1.0))
def test_a_walk_is_one_track_at_any_rate_of_looks(watching, person, rate, speed, score):
    """Up to 0.9 heights a second, sideways: gates are a matter of seconds, not of frames."""
    watcher = watching(1 / rate)
    for number in range(int(3 * rate)):
        x = 0.45 + speed * 0.12 * number / rate
        watcher.see(person(x, width=0.05, height=0.12, score=score))
    assert watcher.ids() == {"t1"}


@FAST
@given(st.lists(st.floats(0.2, 2.2), min_size=1, max_size=6), st.floats(0.0, 0.01))
def test_what_stands_keeps_its_id_through_gaps_below_the_memory(watching, car, gaps_s, jitter):
    watcher = watching(0.1)
    for gap_s in gaps_s:
        for side in (1, -1, 1):
            watcher.see(car(0.3 + side * jitter))
        for _ in range(int(gap_s / 0.1)):
            watcher.see()
    watcher.see(car(0.3))
    assert watcher.ids() == {"t1"}


def test_beyond_the_memory_it_has_ended(watching, car):
    watcher = watching(0.1)
    for rows in [[car(0.3)]] * 5 + [[]] * 27 + [[car(0.3)]] * 2:
        watcher.see(*rows)
    assert [p.track_id for p in watcher.points if p.phase == "end"] == ["t1"]
    assert watcher.ids() == {"t1", "t2"}


# -- restarts -------------------------------------------------------------------------------


@FAST
@given(frames, frames)
def test_a_saved_tracker_goes_on_as_if_nothing_had_happened(watching, before, after):
    one, other = watching(), watching()
    for rows in before:
        one.see(*rows)
    assert other.tracker.restore(one.tracker.save())
    other.time_ns = one.time_ns
    one.tracker._next_id = (f"n{number}" for number in count()).__next__
    other.tracker._next_id = (f"n{number}" for number in count()).__next__
    for rows in after:
        assert one.see(*rows) == other.see(*rows)
    assert one.points[-len(other.points) :] == other.points or not other.points
    assert other.tracker.finish() == one.tracker.finish()


@pytest.fixture(scope="session")
def parked(watching, person, car):
    def watch():
        watcher = watching()
        for _ in range(25):
            watcher.see(car(0.3), person(0.05), motion=NOTHING_MOVES)
        return watcher

    return watch


def test_a_parked_car_is_the_same_car_after_a_night_without_power(watching, parked, car):
    evening, morning = parked(), watching()
    assert morning.tracker.restore(evening.tracker.save())
    morning.time_ns = evening.time_ns
    morning.wait(9 * 3600)
    morning.see(motion=NEW_SCENE)  # the gate knows nothing yet, and the detector misses it
    for _ in range(20):
        morning.see(motion=NOTHING_MOVES)
    (point,) = morning.see(car(0.31), motion=NOTHING_MOVES)
    assert (point.track_id, point.phase, point.stationary) == ("t1", "update", True)
    assert "start" not in {p.phase for p in morning.points}


def test_whoever_walks_there_an_hour_later_is_somebody_else(watching, person):
    evening, later = watching(), watching()
    for number in range(5):
        evening.see(person(0.2 + 0.02 * number))
    assert later.tracker.restore(evening.tracker.save())
    later.time_ns = evening.time_ns
    later.wait(3600)
    later.tracker._next_id = lambda: "new"
    later.see(person(0.3))
    assert [(p.track_id, p.phase) for p in later.points] == [("t1", "end"), ("new", "start")]


@FAST
@given(st.data())
def test_a_damaged_memory_is_refused_as_a_whole(watching, parked, car, data):
    saved = bytearray(parked().tracker.save())
    if data.draw(st.booleans(), "cut"):
        del saved[data.draw(st.integers(0, len(saved) - 1), "at") :]
    else:
        saved[data.draw(st.integers(0, len(saved) - 1), "at")] ^= 1 << data.draw(st.integers(0, 7), "bit")
    anew = watching()
    assert not anew.tracker.restore(bytes(saved))
    assert not anew.tracker.known
    anew.see(car(0.3))
    assert anew.points[0].phase == "start"


@pytest.fixture(scope="session")
def forged(parked):
    """A memory that somebody wrote with a right check sum."""

    def forge(change=lambda body: None, version=1):
        outer = msgspec.msgpack.decode(parked().tracker.save())
        body = msgspec.msgpack.decode(outer["body"])
        change(body)
        packed = msgspec.msgpack.encode(body)
        return msgspec.msgpack.encode({"version": version, "check": zlib.crc32(packed), "body": packed})

    return forge


def test_the_forger_of_the_next_test_gives_what_is_accepted(watching, forged):
    assert watching().tracker.restore(forged())


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(camera_id="street"),
        lambda body: body["tracks"][0].update(box=[0.5, 0.5, 0.4, 0.6]),
        lambda body: body["tracks"][0].update(place=[0.5, 0.5, 0.0, 0.6]),
        lambda body: body["tracks"][0].update(place=[float("nan"), 0.5, 0.1, 0.6]),
        lambda body: body["tracks"][0].update(spread=[-1.0, 0.0, 1.0, 1.0]),
        lambda body: body["tracks"][0].update(track_id=""),
        lambda body: body["tracks"][0].update(votes={}),
        lambda body: body["tracks"][0].update(time_ns=2**63),
        lambda body: body["tracks"][0].update(surprise=1),
        lambda body: body["tracks"][0].pop("hits"),
        lambda body: body["tracks"].append(body["tracks"][0]),
        lambda body: body.update(tracks=body["tracks"] * 600),
    ],
)
def test_a_memory_that_makes_no_sense_is_refused(watching, forged, change):
    anew = watching()
    assert not anew.tracker.restore(forged(change)) and not anew.tracker.known


def test_a_memory_of_another_version_is_refused(watching, forged):
    assert not watching().tracker.restore(forged(version=2))


# -- situations -----------------------------------------------------------------------------


@pytest.mark.parametrize("hidden_s", [0.0, 0.6, 1.2, 1.8])
@pytest.mark.parametrize("step_s", [0.1, 0.2, 0.4])
def test_two_who_cross_go_on_as_themselves(watching, person, hidden_s, step_s):
    """The one behind is not seen for a while; both walk half a height a second."""
    watcher = watching(step_s)
    for number in range(round(-2.5 / step_s), round(2.5 / step_s)):
        way = number * step_s * 0.1
        rows = [person(0.45 + way, 0.40, width=0.06, height=0.2)]
        if abs(number * step_s) >= hidden_s / 2:
            rows.append(person(0.45 - way, 0.38, width=0.06, height=0.2))
        watcher.see(*rows)
    assert watcher.ids() == {"t1", "t2"}
    for track_id in ("t1", "t2"):
        line = [round(p.bbox.y, 2) for p in watcher.points if p.track_id == track_id]
        assert len(set(line)) == 1, track_id


def test_who_is_hidden_behind_a_pillar_comes_out_as_the_same(watching, person):
    watcher = watching(0.2)
    for number in range(30):
        hidden = 10 <= number < 16
        watcher.see(*[] if hidden else [person(0.1 + 0.02 * number)])
    assert watcher.ids() == {"t1"}


def test_a_parked_car_stays_while_somebody_walks_past_and_it_is_missed(watching, person, car):
    watcher = watching(0.2)
    for _ in range(20):
        watcher.see(car(0.3), motion=NOTHING_MOVES)
    for number in range(40):
        x = 0.1 + 0.015 * number
        watcher.see(person(x, 0.35), motion=moving(x, 0.35, x + 0.1, 0.75))
    watcher.see(car(0.3), person(0.8), motion=NOTHING_MOVES)
    cars = [point for point in watcher.points if point.class_name == "car"]
    assert {point.track_id for point in cars} == {"t1"} and cars[-1].phase == "update"


def test_a_parked_car_outlives_the_switch_to_infra_red(watching, car):
    watcher = watching(0.2)
    for _ in range(20):
        watcher.see(car(0.3), motion=NOTHING_MOVES)
    for number in range(40):
        watcher.see(motion=NEW_SCENE if number % 3 == 0 else NOTHING_MOVES)
    (point,) = watcher.see(car(0.3), motion=NOTHING_MOVES)
    assert point.track_id == "t1" and "end" not in {p.phase for p in watcher.points}


def test_a_car_that_is_sometimes_a_truck_is_one_thing(watching, car):
    watcher = watching(0.2)
    for number in range(20):
        watcher.see(car(0.1 + 0.01 * number, label=2 if number % 3 == 2 else 1))
    assert {(p.track_id, p.class_name) for p in watcher.points} == {("t1", "car")}


def test_who_gets_out_of_a_car_is_not_the_car(watching, car):
    watcher = watching(0.2)
    for _ in range(5):
        watcher.see(car(0.3))
    for number in range(10):
        # The car is missed now and then, and the person is near enough to be taken for it.
        x = 0.45 + 0.02 * number
        watcher.see(*[car(0.3)] * (number % 2), (x, 0.45, x + 0.08, 0.7, 0.8, 0))
    assert {(p.track_id, p.class_name) for p in watcher.points} == {("t1", "car"), ("t2", "person")}


def test_a_fresh_track_may_run(watching, person):
    """Nobody knows how fast it is until the second look; after that the gate is as for all."""
    watcher = watching(0.2)
    for number in range(7):
        watcher.see(person(0.1 + 0.12 * number))
    assert watcher.ids() == {"t1"}


def test_cuts_are_of_the_model(watching, person):
    """One that calls everything certain needs other cuts than ``min_confidence`` gives."""
    watcher = watching(0.2, cuts=Cuts(strong=0.85, begin=0.95, sure=0.97))
    for score in (0.9, 0.9, 0.9):
        assert watcher.see(person(0.3, score=score)) == []
    assert not watcher.tracker.known
    watcher.see(person(0.3, score=0.98))
    assert [point.phase for point in watcher.points] == ["start"]
    watcher.tracker.min_confidence = 0.3
    assert watcher.tracker.cuts == Cuts.of(0.3)
