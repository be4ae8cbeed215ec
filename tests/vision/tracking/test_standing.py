"""What moves and stirs nothing is light, for a while."""

from itertools import count

import numpy as np
import pytest

from appliance.vision.detectors import ordered
from appliance.vision.looking.gate import Motion
from appliance.vision.tracking.standing import CONFIRM_HITS, CONFIRM_UNSTIRRED_HITS
from appliance.vision.tracking.tracker import Tracker

STEP_NS = 200_000_000
WEAK = 0.5  # strong enough to begin a track, not to be believed at once


def looks_until_told(wide: float, stirs: bool | None) -> int:
    """How many looks at a weak box that crosses the picture it takes; ``stirs`` None: no gate."""
    numbers = count(1)
    tracker = Tracker("yard", lambda: f"t{next(numbers)}", 0.4)
    for number in range(1, 10):
        left = 0.05 + 0.3 * wide * number
        box = np.array([[left, 0.4, left + wide, 0.4 + wide]], np.float32)
        cells = np.zeros((45, 80), np.bool_)
        if stirs:
            cells[int(0.4 * 45) : int((0.4 + wide) * 45), int(left * 80) : int((left + wide) * 80)] = True
        found = ordered(box, np.array([WEAK], np.float32), np.zeros(1, np.int32))
        motion = None if stirs is None else Motion(cells, cells)
        if tracker.update(number * STEP_NS, found, ("car",), motion):
            return number
    return 99


@pytest.mark.parametrize("stirs", [True, None])
def test_what_moves_and_stirs_is_told_at_the_second_look(stirs):
    assert looks_until_told(0.2, stirs) == CONFIRM_HITS


def test_what_moves_and_stirs_nothing_is_told_after_a_second():
    assert looks_until_told(0.2, False) == CONFIRM_UNSTIRRED_HITS


def test_the_small_may_move_unnoticed():
    assert looks_until_told(0.08, False) == CONFIRM_HITS
