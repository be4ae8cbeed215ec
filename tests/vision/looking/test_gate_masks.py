"""Masks: what moves in them is not there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.geometry import inside
from appliance.vision.looking.gate import Gate
from appliance.vision.looking.masks import open_cells

LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
coordinates = st.floats(0, 1, width=16)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8))
def test_a_cell_is_closed_where_its_middle_lies_inside(polygon):
    cells = open_cells([polygon], 9, 16, 1.0, 1.0)
    for row in range(9):
        for column in range(16):
            assert cells[row, column] == (not inside(polygon, ((column + 0.5) / 16, (row + 0.5) / 9)))


def test_two_masks_close_what_either_does():
    one = open_cells([LEFT_HALF], 4, 8, 1.0, 1.0)
    both = open_cells([LEFT_HALF, ((0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5))], 4, 8, 1.0, 1.0)
    assert one[:, 4:].all() and not one[:, :4].any()
    assert both.sum() == 8


@pytest.mark.parametrize(("left", "seen"), [(100, False), (420, True)])
def test_motion_in_a_mask_is_none(left, seen):
    random = np.random.default_rng(1)
    gate = Gate((LEFT_HALF,))
    wake = []
    for number in range(30):
        picture = random.normal(90, 4, (360, 640))
        if number >= 20:
            picture[100:200, left + 8 * (number - 20) :][:, :50] = 180
        wake.append(gate.look(picture.astype(np.uint8), number * 200_000_000).any)
    assert any(wake[20:]) == seen and not any(wake[1:20])


def test_a_picture_that_is_all_mask_never_moves():
    gate = Gate((((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),))
    random = np.random.default_rng(1)
    pictures = [random.integers(0, 256, (90, 160), np.uint8) for _ in range(10)]
    motions = [gate.look(picture, number * 10**8) for number, picture in enumerate(pictures)]
    assert motions[0].why == "start" and not any(motion.any for motion in motions[1:])
