"""How far two models agree: of class and place."""

import numpy as np

from appliance.vision.detectors import NOTHING, ordered
from appliance.vision.worker.comparison import Comparison, matches

LABELS = ("person", "car")


def detections(*boxes, class_=0):
    scores, classes = [0.9] * len(boxes), [class_] * len(boxes)
    return ordered(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(classes, np.int32))


PERSON = detections((0.1, 0.1, 0.2, 0.4))


def test_agreement_is_of_class_and_place():
    comparison = Comparison()
    two = detections((0.1, 0.1, 0.2, 0.4), (0.5, 0.5, 0.7, 0.9))
    comparison.add([two], LABELS, [PERSON], LABELS)
    assert (comparison.both, comparison.either, comparison.agreement) == (1, 2, 0.5)
    assert matches(PERSON, LABELS, detections((0.1, 0.1, 0.2, 0.4), class_=1), LABELS) == 0
    assert matches(PERSON, LABELS, detections((0.1, 0.1, 0.2, 0.4), class_=1), ("cat", "person")) == 1
    assert matches(detections((0.1, 0.1, 0.2, 0.4), (0.1, 0.1, 0.2, 0.4)), LABELS, PERSON, LABELS) == 1


def test_where_nothing_was_compared_there_is_no_agreement():
    comparison = Comparison()
    assert comparison.agreement == 0.0
    comparison.add([NOTHING], LABELS, [NOTHING], LABELS)
    assert comparison.agreement == 1.0
