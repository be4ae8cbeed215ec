"""The detector that needs no model."""

import av
import numpy as np
import pytest

from appliance.vision import detectors
from appliance.vision.decoding.planes import luma
from appliance.vision.detectors import Picture, motion
from appliance.vision.looking.gate import Gate


def test_the_motion_detector_boxes_what_moved():
    gate = Gate()
    image = np.full((540, 960, 3), 100, np.uint8)
    gate.look(luma(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")), 0)
    image[135:270, 240:480] = (250, 220, 30)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    seen = gate.look(luma(frame), 200_000_000)
    (found,) = detectors.make("motion").detect([Picture("yard", 200_000_000, frame, seen)])
    assert found.boxes[0] == pytest.approx([0.25, 0.25, 0.5, 0.5], abs=0.03)


def test_labels_are_connected_blobs():
    mask = np.zeros((12, 12), np.bool_)
    mask[1:3, 1:4] = True
    mask[3, 4] = True  # over a corner
    mask[8:11, 6:8] = True
    mask[8:11, 9:11] = True  # a U: two towers ...
    mask[10, 6:11] = True  # ... on one floor
    assert sorted(motion.label(mask)) == [(1, 1, 5, 4, 7), (6, 8, 11, 11, 13)]
    assert motion.label(np.zeros((3, 3), np.bool_)) == []
