"""Non-maximum suppression: of boxes that overlap, the surest stays."""

import numpy as np
from numpy.typing import NDArray

from appliance.vision.detectors import Columns, Labels

MOST = 1000  # boxes that enter, best first: the cost grows with the square
_BETTER = np.triu(np.ones((MOST, MOST), np.bool_), 1)  # [i, j]: i comes before j
_any = np.logical_or.reduce


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
    kept: NDArray[np.bool_] = ~_any(near, axis=0)
    for _ in range(count):
        again: NDArray[np.bool_] = ~_any(near[kept], axis=0)
        if again.tobytes() == kept.tobytes():
            break
        kept = again
    return kept.nonzero()[0]


def _near(boxes: Columns, classes: Labels, most_iou: float) -> NDArray[np.bool_]:
    """[i, j]: i is better than j, of its class, and overlaps it by more than ``most_iou``. In float32
    and without divisions: it is the most expensive part of reading a crowd."""
    columns = np.ascontiguousarray(boxes.T)
    start, end = columns[:2], columns[2:]
    shared = np.minimum(end[:, :, None], end[:, None])  # of each axis
    shared -= np.maximum(start[:, :, None], start[:, None])
    np.maximum(shared, 0.0, out=shared)
    both = np.multiply(shared[0], shared[1], out=shared[0])
    side = end - start
    area = side[0] * side[1]
    # both / (a + b - both) > t   <=>   both > t / (1 + t) * (a + b)
    area *= np.float32(most_iou / (1.0 + most_iou))
    near: NDArray[np.bool_] = both > area[:, None] + area
    near &= classes[:, None] == classes
    near &= _BETTER[: len(boxes), : len(boxes)]
    return near
