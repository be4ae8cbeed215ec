"""Non-maximum suppression: of boxes that overlap, the surest stays."""

import numpy as np
from numpy.typing import NDArray

from appliance.vision.detectors import Columns, Labels

MOST = 1000  # boxes that enter, best first: the cost grows with the square


def strongest(scores: Columns, lowest: float) -> NDArray[np.intp]:
    """Indices of at most ``MOST`` scores of at least ``lowest``, best first."""
    strong = np.flatnonzero(scores >= lowest)
    if len(strong) > MOST:
        strong = strong[np.argpartition(-scores[strong], MOST)[:MOST]]
    return strong[np.argsort(-scores[strong], kind="stable")]


def suppress(boxes: Columns, classes: Labels, most_iou: float) -> NDArray[np.intp]:
    """Greedy, within each class, of boxes sorted best first: indices kept, in order.

    Who stays is the one set in which each box stays unless a better one that stays is too near. It is
    found by repetition (a round settles one more link of every chain, and chains are short), whole
    columns at a time, and equals the loop over the boxes exactly.
    """
    count = len(boxes)
    if count < 2:
        return np.arange(count)
    near = _near(boxes, classes, most_iou)
    kept: NDArray[np.bool_] = np.ones(count, np.bool_)
    for _ in range(count):
        again: NDArray[np.bool_] = np.logical_not(near[kept].any(axis=0))
        if (again == kept).all():
            break
        kept = again
    return np.flatnonzero(kept)


def _near(boxes: Columns, classes: Labels, most_iou: float) -> NDArray[np.bool_]:
    """[i, j]: i is better than j, of its class, and overlaps it by more than ``most_iou``. In float32
    and without divisions: it is the most expensive part of reading a crowd."""
    left, top, right, bottom = (np.ascontiguousarray(column) for column in boxes.T)
    shared = np.minimum(right[:, None], right)
    shared -= np.maximum(left[:, None], left)
    np.maximum(shared, 0.0, out=shared)
    high = np.minimum(bottom[:, None], bottom)
    high -= np.maximum(top[:, None], top)
    np.maximum(high, 0.0, out=high)
    shared *= high
    area = (right - left) * (bottom - top)
    # shared / (a + b - shared) > t   <=>   shared * (1 + t) > t * (a + b)
    shared *= np.float32(1.0 + most_iou)
    near: NDArray[np.bool_] = shared > np.float32(most_iou) * np.add.outer(area, area)
    near &= classes[:, None] == classes
    return np.triu(near, 1)
