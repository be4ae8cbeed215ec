"""Stretches of judged video: thinning is no hole, waiting in vain is."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appliance.vision.worker.judged import HOLE_NS, Judged

S = 1_000_000_000


def test_stretches_and_holes() -> None:
    judged = Judged(5.0)
    assert judged.take() == ()
    for at in np.arange(0, 3, 0.5):
        judged.note(round(at * S))
    judged.note(2 * S)  # the detector comes later than the gate of the frame behind it
    assert judged.take() == ((0, int(2.5 * S)),)
    judged.note(3 * S)
    judged.note(8 * S)
    assert judged.take() == ((int(2.5 * S), 3 * S), (8 * S, 8 * S))
    assert judged.take() == ((8 * S, 8 * S),)


def test_a_slow_camera_is_not_blind() -> None:
    judged = Judged(0.2)
    for at in (0, 5, 10):
        judged.note(at * S)
    assert judged.take() == ((0, 10 * S),)


@given(st.lists(st.integers(0, 200).map(lambda n: n * S // 4), unique=True), st.integers(1, 9))
def test_stretches_are_in_order_and_hold_every_frame(times, every) -> None:
    judged = Judged(5.0)
    taken: list[tuple[int, int]] = []
    for number, at in enumerate(sorted(times)):
        judged.note(at)
        if number % every == 0:
            taken += judged.take()
    taken += judged.take()
    for at in times:
        assert any(start <= at <= end for start, end in taken)
    for (_, end), (start, _) in itertools.pairwise(taken):
        assert start == end or start > end + HOLE_NS
