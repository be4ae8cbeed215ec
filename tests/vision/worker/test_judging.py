"""When a model is not fit to look: by what the one before took and found, for cameras that are looked at."""

import numpy as np
import pytest

from appliance.vision.detectors import Detections, Picture
from appliance.vision.looking.gate import Motion
from appliance.vision.worker import judging
from appliance.vision.worker.comparison import Comparison
from appliance.vision.worker.judging import LookedAt, Usual, lost_its_way, too_slow

EMPTY = np.zeros((2, 2), np.bool_)


def boxes(*scores: float) -> Detections:
    count = len(scores)
    return Detections(
        np.zeros((count, 4), np.float32), np.array(scores, np.float32), np.zeros(count, np.int32)
    )


@pytest.mark.parametrize(
    ("ms", "before_ms", "cameras", "slow"),
    [
        (600.0, 10.0, 3, True),
        (600.0, 300.0, 3, False),  # the one before was hardly quicker
        (400.0, 10.0, 3, False),  # each of them still gets its look
        (1400.0, 10.0, 1, False),
        (1600.0, 10.0, 1, True),
        (judging.SLOWEST_MS + 1, 0.0, 0, True),
        (600.0, 0.0, 3, False),  # nothing to compare with
    ],
)
def test_too_slow_is_less_than_a_look_per_second(ms, before_ms, cameras, slow):
    usual = Usual()
    if before_ms:
        usual.add([boxes(0.9)], before_ms)
    assert bool(too_slow(ms, usual, cameras)) is slow
    assert bool(too_slow(ms, None, cameras)) is (ms > judging.SLOWEST_MS)


def test_cameras_that_rest_do_not_count(monkeypatch):
    now_s = 1000.0
    monkeypatch.setattr(judging.time, "monotonic", lambda: now_s)
    cameras = LookedAt()
    cameras.add([Picture(name, 1, None, Motion(EMPTY, EMPTY)) for name in ("yard", "gate")])
    assert cameras.count() == 2
    now_s += judging.LOOKED_AT_S + 1
    cameras.add([Picture("yard", 1, None, Motion(EMPTY, EMPTY))])
    assert cameras.count() == 1


def test_usual_is_of_late():
    usual = Usual()
    usual.add([boxes(0.9, 0.2), boxes()], 40.0)
    assert (usual.pictures, usual.ms, usual.sure) == (2, 20.0, 0.5)
    for _ in range(10 * judging.MEMORY):
        usual.add([boxes(0.9, 0.9)], 5.0)
    assert (usual.ms, usual.sure) == (pytest.approx(5.0, abs=0.1), pytest.approx(2.0, abs=0.1))


@pytest.mark.parametrize(("seen", "usual_sure", "said"), [(0, 1.0, True), (0, 0.5, False), (10, 1.0, False)])
def test_without_a_shadow_the_one_before_is_the_measure(seen, usual_sure, said):
    """Where that had seen enough to expect something."""
    trial = Comparison(pictures=judging.ENOUGH + 1, new_sure=seen)
    usual = Usual(pictures=judging.ENOUGH, sure=usual_sure)
    assert bool(lost_its_way(Comparison(), trial, usual)) is said
    assert lost_its_way(Comparison(), trial, None) == ""
