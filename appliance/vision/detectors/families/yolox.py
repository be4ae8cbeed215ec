"""Family ``yolox``: anchor-free grid (Z. Ge et al., "YOLOX", 2021, section 2.1), decode and NMS here.

In: N x 3 x H x W, BGR 0..255, letterboxed at the top left, padded with 114.
Out: N x cells x (4 + 1 + classes) raw; cells of strides 8, 16, 32 (and 64), row by row.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.vision.detectors import Columns, Detections, clipped, strongest
from appliance.vision.detectors.families.answers import (
    Outputs,
    Run,
    apart,
    columns_fit,
    no_extras,
    single,
    strange,
)
from appliance.vision.detectors.families.suppression import MOST, suppress
from appliance.vision.detectors.filling import Placed, boxes_in, greys
from appliance.vision.packs.pack import Pack

STRIDES = ((8, 16, 32), (8, 16, 32, 64))
PAD = 114.0
NMS_IOU = 0.65
FEW = 90  # of all pictures, in one pass: of more, the square (``suppression``) outweighs the steps saved
LARGEST = 20.0  # logarithm of a box's half side, in half strides: what is more would overflow


class Yolox:
    extras = staticmethod(no_extras)

    def __init__(self, pack: Pack, lowest: float) -> None:
        self.feeding = greys(pack, "corner", PAD)
        self._pack, self._lowest = pack, lowest
        self._cells = grid(pack.input_width, pack.input_height, STRIDES[0])

    def check(self, outputs: Outputs) -> None:
        wanted = "N x cells x (5 + classes)"
        raw = single(self._pack, outputs, wanted)
        for strides in STRIDES:
            cells = grid(self._pack.input_width, self._pack.input_height, strides)
            if len(cells) == raw.shape[1]:
                self._cells = cells
                columns_fit(self._pack, raw.shape[2] - 5)
                return
        strange(self._pack, outputs, wanted)

    def read_all(self, runs: Sequence[Run]) -> list[list[Detections]]:
        """All pictures in one pass: after a model's run each step is cold, and costs the same for the boxes
        of one picture and of three."""
        raws = [raw for outputs, placed in runs for raw in next(iter(outputs.values()))[: len(placed)]]
        places = [where for _, placed in runs for where in placed]
        # A class is at most as sure as the object: few cells are worth the look at all classes.
        likely = [(raw[:, 4] >= self._lowest).nonzero()[0] for raw in raws]
        if sum(map(len, likely)) <= FEW:
            found = self._read(raws, likely, places)
        else:
            found = [
                self._read([r], [cells], [p])[0] for r, cells, p in zip(raws, likely, places, strict=True)
            ]
        pictures = iter(found)
        return [[next(pictures) for _ in placed] for _, placed in runs]

    def _read(
        self, raws: Sequence[NDArray[Any]], likely: Sequence[NDArray[np.intp]], places: Sequence[Placed]
    ) -> list[Detections]:
        """Each picture's classes have numbers of their own here: no other picture's box is in the way."""
        cells = np.concatenate(likely)
        rows = np.concatenate([raw.take(few, axis=0) for raw, few in zip(raws, likely, strict=True)])
        rows = rows.astype(np.float32, copy=False)
        classes = rows[:, 5:].argmax(axis=1)
        if len(raws) > 1:
            each = rows.shape[1] - 5
            classes += np.repeat(np.arange(0, len(raws) * each, each), [len(few) for few in likely])
        scores: Columns = rows[:, 4] * np.maximum.reduce(rows[:, 5:], axis=1)
        best = strongest(scores, self._lowest, MOST)
        boxes = self._boxes(rows.take(best, axis=0), cells.take(best))
        classes = classes.take(best)
        kept = suppress(boxes, classes, self._pack.nms_iou or NMS_IOU)
        best, boxes, classes = best.take(kept), boxes.take(kept, axis=0), classes.take(kept)
        if len(raws) == 1:
            return [clipped(places[0].boxes(boxes), scores.take(best), classes)]
        boxes = boxes_in(places, classes // each, boxes)
        return apart(clipped(boxes, scores.take(best), classes, FEW), each, len(raws))

    def _boxes(self, raw: Columns, cells: NDArray[np.intp]) -> Columns:
        placed = self._cells.take(cells, axis=0)
        middle = raw[:, :2] * placed[:, 2:4]
        middle += placed[:, :2]
        half = np.exp(np.minimum(raw[:, 2:4], LARGEST))
        half *= placed[:, 4:]
        boxes: Columns = np.empty((len(raw), 4), np.float32)
        np.subtract(middle, half, out=boxes[:, :2])
        np.add(middle, half, out=boxes[:, 2:])
        return boxes


def grid(wide: int, high: int, strides: Sequence[int]) -> Columns:
    """Of each cell, in the order of the model's output: its corner, in pixels, its stride and half of that,
    twice each (x, y). Cells that reach over the edge count."""
    cells = []
    for stride in strides:
        ys, xs = np.mgrid[: -(-high // stride), : -(-wide // stride)]
        corners = np.stack([xs.ravel(), ys.ravel()], axis=1) * stride
        each = np.full((xs.size, 2), stride)
        cells.append(np.concatenate([corners, each, each / 2], axis=1))
    return np.concatenate(cells).astype(np.float32)
