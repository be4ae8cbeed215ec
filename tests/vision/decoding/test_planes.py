"""The same picture in every layout that decoders give, software's and hardware's."""

import av
import numpy as np
import pytest

from appliance.base.model import Box
from appliance.vision.decoding.planes import luma, rows
from appliance.vision.looking.gate import Gate
from appliance.vision.worker.still import encode

HARDWARE = ["nv12", "p010le"]
SOFTWARE = ["yuv420p", "yuv420p10le", "yuv422p", "yuv444p", "yuv420p12le"]


@pytest.fixture
def slope():
    """Every grey level, 98 pixels wide, so that rows have padding."""
    image = np.empty((96, 98), np.uint8)
    image[:64] = np.linspace(16, 235, 98)
    image[64:] = 128
    return av.VideoFrame.from_ndarray(image, format="yuv420p")


@pytest.mark.parametrize("name", HARDWARE + SOFTWARE)
def test_brightness_is_the_same_in_each(slope, name):
    frame = slope.reformat(format=name)
    seen = luma(frame)
    assert seen.shape == (64, 98) and seen.dtype == np.uint8
    assert np.abs(seen.astype(int) - luma(slope)).max() <= 1


@pytest.mark.parametrize("name", HARDWARE)
def test_no_copy_is_made_of_what_hardware_gives(slope, name):
    frame = slope.reformat(format=name)
    seen = luma(frame)
    rows(frame, 0)[:] = 77
    assert (seen == 77).all()


@pytest.mark.parametrize("name", HARDWARE)
def test_gate_stills_and_detectors_take_it(slope, name):
    frame = slope.reformat(format=name)
    gate = Gate()
    gate.look(luma(frame), 0)
    assert not gate.look(luma(frame), 200_000_000).any
    assert encode(frame, Box(0.2, 0.2, 0.5, 0.5)).startswith(b"\xff\xd8")
    plain = slope.reformat(49, 32, "rgb24").to_ndarray().astype(int)
    assert np.abs(frame.reformat(49, 32, "rgb24").to_ndarray() - plain).mean() < 2


def test_rows_show_the_padding_that_planes_hide(slope):
    assert rows(slope, 0).shape == (64, slope.planes[0].line_size)
    assert slope.planes[0].line_size > 98
