"""Boxes that are one thing: models give a walking person twice, with and without a stretched leg."""

import numpy as np
from numpy.typing import NDArray

from appliance.vision.boxes import Columns, Matrix, area, overlap
from appliance.vision.detectors import Detections

DUPLICATE_IOU = 0.7
NESTED, NESTED_IOU = 0.9, 0.45  # one is most of the other and lies inside it
SAME_PLACE_IOU = 0.9  # of whatever class: one thing under two names


def shadowed(found: Detections) -> NDArray[np.bool_]:
    """Boxes that lie on a better one: the same thing under another name, or a part of it that
    the model took for a second one of its kind. Scores fall: earlier rows are better."""
    count = len(found)
    own, shares = _overlaps(found.boxes, found.boxes)
    if np.count_nonzero(own > NESTED_IOU) == count:  # each is like itself only: nearly always
        return np.zeros(count, np.bool_)
    same = found.classes[:, None] == found.classes
    twin = (own > SAME_PLACE_IOU) | (same & _alike(own, shares))
    result: NDArray[np.bool_] = np.tril(twin, k=-1).any(axis=1)
    return result


def twins(a: Columns | Matrix, b: Columns | Matrix) -> NDArray[np.bool_]:
    """Which ``a`` and ``b``, all of one class, are one thing."""
    return _alike(*_overlaps(a, b))


def _overlaps(a: Columns | Matrix, b: Columns | Matrix) -> tuple[Matrix, Matrix]:
    """IoU, and the share of the smaller box that lies in the other."""
    shared = overlap(a, b)
    one, other = area(a)[:, None], area(b)
    iou: Matrix = shared / np.maximum(one + other - shared, 1e-12)
    return iou, shared / np.maximum(np.minimum(one, other), 1e-12)


def _alike(iou: Matrix, share: Matrix) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (iou > DUPLICATE_IOU) | ((share > NESTED) & (iou > NESTED_IOU))
    return result
