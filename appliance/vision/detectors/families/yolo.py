"""Family ``yolo``: what Ultralytics' exporters and their relatives write, told apart by shape.

v5, v7 (three anchors per cell): N x anchors x (5 + classes): centre, size, object, classes.
v8, v9, 11 (none): N x (4 + classes) x cells: centre, size, classes; transposed alike.
NMS in the graph, or none needed (v10): N x boxes x 6: corners, score, class; or four outputs, as
EfficientNMS names them: ``num_dets``, ``det_boxes``, ``det_scores``, ``det_classes``.
All boxes in input pixels, all scores in 0..1. In: RGB 0..1, letterboxed in the centre, padded with 114.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.vision.detectors import Columns, Detections, Labels, ordered, strongest
from appliance.vision.detectors.families.answers import (
    ByRun,
    Outputs,
    columns_fit,
    no_extras,
    numbers_fit,
    single,
    strange,
)
from appliance.vision.detectors.families.suppression import MOST, suppress
from appliance.vision.detectors.filling import Placed, normalised
from appliance.vision.packs.pack import Pack

PAD = 114.0
NMS_IOU = 0.7  # as Ultralytics validates
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_FOUR = ("num_dets", "det_boxes", "det_scores", "det_classes")
_WANTED = "N x anchors x (5 + classes), N x (4 + classes) x cells or N x boxes x 6"

Read = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # boxes in input pixels, scores, class numbers
Reader = Callable[[Outputs, int], Read]


class Yolo(ByRun[Detections]):
    extras = staticmethod(no_extras)

    def __init__(self, pack: Pack, lowest: float) -> None:
        self.feeding = normalised(pack, "centre", PAD)
        self._pack, self._lowest = pack, lowest
        self._reader: Reader = self._ready
        self._numbered = True  # the model says a class's number itself; else it is the column's

    def check(self, outputs: Outputs) -> None:
        if set(outputs) == set(_FOUR):
            self._reader = self._four
            return
        raw = single(self._pack, outputs, _WANTED)
        rows, columns = raw.shape[1:]
        cells = [_cells(self._pack, strides) for strides in _STRIDES]
        if rows in [3 * count for count in cells]:
            columns_fit(self._pack, columns - 5)
            self._reader, self._numbered = self._with_anchors, False
        elif columns in cells:
            columns_fit(self._pack, rows - 4)
            self._reader, self._numbered = self._without_anchors, False
        elif rows in cells:
            columns_fit(self._pack, columns - 4)
            self._reader, self._numbered = self._transposed, False
        elif columns == 6:
            self._reader = self._ready
        else:
            strange(self._pack, outputs, _WANTED)

    def read(self, outputs: Outputs, placed: Sequence[Placed]) -> list[Detections]:
        answers = []
        for number, where in enumerate(placed):
            boxes, scores, classes = self._reader(outputs, number)
            found = ordered(where.boxes(boxes), scores, classes, self._lowest)
            answers.append(numbers_fit(self._pack, found) if self._numbered else found)
        return answers

    def _with_anchors(self, outputs: Outputs, number: int) -> Read:
        (raw,) = outputs.values()
        rows = raw[number]
        rows = rows[rows[:, 4] >= self._lowest].astype(np.float32, copy=False)
        classes = rows[:, 5:].argmax(axis=1).astype(np.int32)
        scores = rows[:, 4] * rows[:, 5:].max(axis=1)
        return self._apart(rows[:, :4], scores, classes)

    def _without_anchors(self, outputs: Outputs, number: int) -> Read:
        (raw,) = outputs.values()
        table = raw[number]  # (4 + classes) x cells: rows are long, so the best is sought along them
        surest = table[4:].max(axis=0)
        likely = np.flatnonzero(surest >= self._lowest)
        rows = table[:, likely].astype(np.float32, copy=False)
        classes = rows[4:].argmax(axis=0).astype(np.int32)
        return self._apart(rows[:4].T, surest[likely].astype(np.float32, copy=False), classes)

    def _transposed(self, outputs: Outputs, number: int) -> Read:
        (raw,) = outputs.values()
        return self._without_anchors({"": raw[number].T[None]}, 0)

    def _ready(self, outputs: Outputs, number: int) -> Read:
        (raw,) = outputs.values()
        rows = raw[number]
        return rows[:, :4], rows[:, 4], rows[:, 5]

    def _four(self, outputs: Outputs, number: int) -> Read:
        count, boxes, scores, classes = (outputs[name][number] for name in _FOUR)
        real = int(count.ravel()[0])
        return boxes[:real], scores[:real], classes[:real]

    def _apart(self, middles: Columns, scores: Columns, classes: Labels) -> Read:
        """Centre and size -> corners, and NMS."""
        best = strongest(scores, self._lowest, MOST)
        half = middles[best, 2:] / 2
        boxes = np.concatenate([middles[best, :2] - half, middles[best, :2] + half], axis=1)
        kept = suppress(boxes, classes[best], self._pack.nms_iou or NMS_IOU)
        return boxes[kept], scores[best[kept]], classes[best[kept]]


def _cells(pack: Pack, strides: Sequence[int]) -> int:
    return sum((pack.input_width // stride) * (pack.input_height // stride) for stride in strides)
