"""Suppression by whole columns against the loop it stands for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.vision.boxes import iou
from appliance.vision.detectors import strongest
from appliance.vision.detectors.families import suppression
from appliance.vision.detectors.families.suppression import suppress


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 60), st.integers(1, 3), st.sampled_from([0.3, 0.5, 0.65]), st.integers(0, 2**32 - 1))
def test_it_is_the_greedy_loop(count, classes, limit, seed):
    random = np.random.default_rng(seed)
    corner = random.random((count, 2)) * 30
    boxes = np.concatenate([corner, corner + 1 + random.random((count, 2)) * 40], axis=1).astype(np.float32)
    numbers = random.integers(0, classes, count).astype(np.int32)
    shared = iou(boxes, boxes)
    if count and np.any(abs(shared - limit) < 1e-5):
        return  # rounding decides
    kept = []
    for i in range(count):
        if not any(numbers[i] == numbers[j] and shared[i, j] > limit for j in kept):
            kept.append(i)
    assert suppress(boxes, numbers, limit).tolist() == kept


def test_a_long_chain_is_settled_link_by_link():
    left = np.arange(40, dtype=np.float32) * 3  # each overlaps its neighbours alone by more than half
    boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], axis=1)
    assert suppress(boxes, np.zeros(40, np.int32), 0.5).tolist() == list(range(0, 40, 2))


def test_only_the_strongest_enter():
    scores = np.random.default_rng(1).random(3 * suppression.MOST).astype(np.float32)
    best = strongest(scores, 0.2, suppression.MOST)
    assert len(best) == suppression.MOST and np.all(np.diff(scores[best]) <= 0)
    assert scores[best].min() >= np.sort(scores)[-suppression.MOST]
    assert len(strongest(scores, 2.0, suppression.MOST)) == 0
