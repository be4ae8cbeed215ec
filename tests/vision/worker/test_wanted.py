"""What of a look goes on to the tracker: a camera's classes, and nothing that stands in its masks."""

import numpy as np
import pytest

from appliance.vision.detectors import ordered
from appliance.vision.messages import OpenPast, Watch
from appliance.vision.worker.lane import wanted_of
from appliance.vision.worker.past import Past

LABELS = ("person", "car")
STREET = ((0.0, 0.6), (1.0, 0.6), (1.0, 1.0), (0.0, 1.0))
FLAG = ((0.4, 0.1), (0.6, 0.1), (0.6, 0.3), (0.4, 0.3))


def watch(*masks, classes=()):
    return Watch("yard", 5.0, classes, 0.4, masks=masks)


def look(*boxes, number=0):
    count = len(boxes)
    scores = np.linspace(0.9, 0.5, count, dtype=np.float32)
    return ordered(np.array(boxes, np.float32).reshape(-1, 4), scores, np.full(count, number, np.int32))


def kept(found, labels, of):
    return [tuple(round(float(side), 2) for side in box) for box in wanted_of(found, labels, of).boxes]


def test_what_stands_in_a_mask_is_dropped_and_what_stands_before_one_is_not():
    on_street, in_yard = (0.2, 0.5, 0.4, 0.8), (0.6, 0.2, 0.7, 0.5)
    found = look(on_street, in_yard)
    assert kept(found, LABELS, watch(STREET)) == [in_yard]
    assert kept(found, LABELS, watch()) == [on_street, in_yard]
    picture_on_the_flag, before_the_flag = (0.45, 0.12, 0.55, 0.28), (0.45, 0.12, 0.55, 0.5)
    found = look(picture_on_the_flag, before_the_flag)
    assert kept(found, LABELS, watch(FLAG)) == [before_the_flag]
    assert kept(found, LABELS, watch(FLAG, STREET)) == [before_the_flag]


def test_a_mask_to_the_lower_edge_covers_what_the_picture_cuts_off():
    assert kept(look((0.2, 0.5, 0.4, 1.0)), LABELS, watch(STREET)) == []


def test_classes_and_weak_boxes_as_before():
    found = look((0.1, 0.1, 0.2, 0.2), number=1)
    assert kept(found, LABELS, watch(STREET, classes=("person",))) == []
    assert kept(found, LABELS, watch(STREET, classes=("car",))) == [(0.1, 0.1, 0.2, 0.2)]
    found.scores[:] = 0.05
    assert kept(found, LABELS, watch(STREET)) == []


def test_motion_is_masked_by_its_cells_and_not_again_by_its_boxes():
    box = (0.2, 0.4, 0.4, 0.61)
    assert kept(look(box), ("object",), watch(STREET)) == [box]
    assert kept(look(box), LABELS, watch(STREET)) == []


@pytest.mark.parametrize("masked", [False, True])
def test_the_past_is_looked_at_with_the_same_masks(masked, ids):
    past = Past(OpenPast("s-1", watch(*[STREET] * masked)), None, None, ids, print)
    past._asked = picture = object()
    past.judge(picture, look((0.2, 0.5, 0.4, 0.8)), LABELS, 1.0)
    assert len(past._answer[0]) == (0 if masked else 1)
    assert past._gate.masks == past.watch.masks
