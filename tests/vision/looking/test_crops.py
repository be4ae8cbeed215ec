"""Where a closer look is worth it, and back into the whole picture."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appliance.vision.looking.crops import Region, region, whole
from appliance.vision.looking.gate import Motion


def moving(left, top, right, bottom, shape=(54, 96)):
    mask = np.zeros(shape, np.bool_)
    mask[top:bottom, left:right] = True
    return Motion(mask, mask)


sides = st.tuples(st.integers(0, 95), st.integers(0, 53), st.integers(1, 40), st.integers(1, 40))


@given(sides, st.integers(200, 2000), st.integers(150, 1200))
def test_a_region_holds_what_moves_and_lies_in_the_picture(where, half_width, half_height):
    width, height = 2 * half_width, 2 * half_height
    left, top, wide, high = where
    right, bottom = min(96, left + wide), min(54, top + high)
    found = region(moving(left, top, right, bottom), width, height, 416, 416)
    if found is None:
        return
    assert not any(side % 2 for side in (found.left, found.top, found.width, found.height))
    assert found.left >= 0 and found.left + found.width <= width
    assert found.top >= 0 and found.top + found.height <= height
    assert found.left <= left * width / 96 + 2 and found.left + found.width >= right * width / 96 - 2
    assert found.top <= top * height / 54 + 2 and found.top + found.height >= bottom * height / 54 - 2


def test_a_small_thing_in_a_large_picture_is_seen_at_its_own_size():
    assert region(moving(40, 20, 43, 26), 1920, 1080, 416, 416) == Region(622, 252, 416, 416)


def test_what_the_model_sees_well_is_not_looked_at_twice():
    assert region(moving(40, 20, 43, 26), 416, 234, 416, 416) is None  # not shrunk
    assert region(moving(10, 5, 80, 50), 1920, 1080, 416, 416) is None  # large
    still = np.zeros((54, 96), np.bool_)
    assert region(Motion(still, still), 1920, 1080, 416, 416) is None
    assert region(Motion(~still, ~still, new_scene=True), 1920, 1080, 416, 416) is None


def test_boxes_come_back_to_where_they_are_and_cut_ones_are_left_out():
    part = Region(800, 600, 400, 400)
    boxes = np.array([[0.25, 0.25, 0.5, 0.5], [0.0, 0.4, 0.2, 0.6], [0.3, 0.3, 0.6, 1.0]], np.float32)
    back, uncut = whole(boxes, part, 2000, 1000)
    assert np.allclose(back[0], [900 / 2000, 700 / 1000, 1000 / 2000, 800 / 1000])
    assert uncut.tolist() == [True, False, True]  # the last is at the picture's own lower edge
