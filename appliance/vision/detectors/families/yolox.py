"""Family ``yolox``: anchor-free grid (Z. Ge et al., "YOLOX", 2021, section 2.1), decode and NMS here.

In: N x 3 x H x W, BGR 0..255, letterboxed at the top left, padded with 114.
Out: N x cells x (4 + 1 + classes) raw; cells of strides 8, 16, 32 (and 64), row by row.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.vision.detectors import Columns, Detections, ordered
from appliance.vision.detectors.families.answers import Outputs, columns_fit, no_extras, single, strange
from appliance.vision.detectors.families.suppression import strongest, suppress
from appliance.vision.detectors.filling import Placed, greys
from appliance.vision.packs.pack import Pack

STRIDES = ((8, 16, 32), (8, 16, 32, 64))
PAD = 114.0
NMS_IOU = 0.65


class Yolox:
    extras = staticmethod(no_extras)

    def __init__(self, pack: Pack, lowest: float) -> None:
        self.feeding = greys(pack, "corner", PAD)
        self._pack, self._lowest = pack, lowest
        self._corners, self._strides = grid(pack.input_width, pack.input_height, STRIDES[0])

    def check(self, outputs: Outputs) -> None:
        wanted = "N x cells x (5 + classes)"
        raw = single(self._pack, outputs, wanted)
        for strides in STRIDES:
            corners, each = grid(self._pack.input_width, self._pack.input_height, strides)
            if len(corners) == raw.shape[1]:
                self._corners, self._strides = corners, each
                columns_fit(self._pack, raw.shape[2] - 5)
                return
        strange(self._pack, outputs, wanted)

    def read(self, outputs: Outputs, placed: Sequence[Placed]) -> list[Detections]:
        (raw,) = outputs.values()
        return [self._one(raw[i], where) for i, where in enumerate(placed)]

    def _one(self, raw: NDArray[Any], where: Placed) -> Detections:
        # A class is at most as sure as the object: few cells are worth the look at all classes.
        likely = np.flatnonzero(raw[:, 4] >= self._lowest)
        rows = raw[likely].astype(np.float32, copy=False)
        classes = rows[:, 5:].argmax(axis=1).astype(np.int32)
        scores: Columns = rows[:, 4] * rows[:, 5:].max(axis=1)
        best = strongest(scores, self._lowest)
        boxes = self._boxes(rows[best, :4], likely[best])
        kept = suppress(boxes, classes[best], self._pack.nms_iou or NMS_IOU)
        best = best[kept]
        return ordered(where.boxes(boxes[kept]), scores[best], classes[best])

    def _boxes(self, raw: Columns, cells: NDArray[np.intp]) -> Columns:
        strides = self._strides[cells]
        middle = (raw[:, :2] + self._corners[cells]) * strides
        half = np.exp(np.minimum(raw[:, 2:4], 20.0)) * strides / 2
        boxes: Columns = np.concatenate([middle - half, middle + half], axis=1)
        return boxes


def grid(wide: int, high: int, strides: Sequence[int]) -> tuple[Columns, Columns]:
    """Cell corners (N x 2, in cells) and strides (N x 1), in the order of the model's output. Cells that
    reach over the edge count."""
    corners, each = [], []
    for stride in strides:
        ys, xs = np.mgrid[: -(-high // stride), : -(-wide // stride)]
        corners.append(np.stack([xs.ravel(), ys.ravel()], axis=1))
        each.append(np.full((xs.size, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(each).astype(np.float32)
