"""Family ``openvino-ssd``: the detectors of the Open Model Zoo, NMS in the graph.

Out, older ones: 1 x 1 x rows x 7 (picture, label, score, corners in 0..1), ended by a picture of -1;
newer ones: ``boxes`` rows x 5 (corners in input pixels, score) and ``labels``, of one picture.
In: N x 3 x H x W, BGR 0..255, stretched.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.vision.detectors import Columns, Detections, ordered
from appliance.vision.detectors.families.answers import ByRun, Outputs, no_extras, numbers_fit, strange
from appliance.vision.detectors.filling import Placed, greys
from appliance.vision.packs.pack import Pack

_WANTED = "1 x 1 x rows x 7, or boxes rows x 5 and labels"


class OpenvinoSsd(ByRun[Detections]):
    extras = staticmethod(no_extras)

    def __init__(self, pack: Pack, lowest: float) -> None:
        self.feeding = greys(pack, "stretch")
        self._pack, self._lowest = pack, lowest
        self._size = np.array([pack.input_width, pack.input_height] * 2, np.float32)

    def check(self, outputs: Outputs) -> None:
        """The shapes; whether each label is known can only be seen when it is answered."""
        if not self._two(outputs) and not (
            len(outputs) == 1
            and next(iter(outputs.values())).shape[:2] == (1, 1)
            and next(iter(outputs.values())).shape[-1] == 7
        ):
            strange(self._pack, outputs, _WANTED)

    def read(self, outputs: Outputs, placed: Sequence[Placed]) -> list[Detections]:
        if self._two(outputs):
            boxes = outputs["boxes"]
            return [self._one(placed[0].boxes(boxes[:, :4]), boxes[:, 4], outputs["labels"])]
        (rows,) = outputs.values()
        rows = rows.reshape(-1, 7)
        (ended,) = (rows[:, 0] < 0).nonzero()
        rows = rows[: ended[0]] if len(ended) else rows
        if len(placed) == 1:
            return [self._row(rows, placed[0])]
        return [self._row(rows[rows[:, 0] == number], where) for number, where in enumerate(placed)]

    def _row(self, rows: NDArray[Any], where: Placed) -> Detections:
        boxes = rows[:, 3:]
        if self.feeding.fit != "stretch":
            boxes = where.boxes(boxes * self._size)
        return self._one(boxes, rows[:, 2], rows[:, 1])

    def _one(self, boxes: Columns, scores: NDArray[Any], numbers: NDArray[Any]) -> Detections:
        return numbers_fit(self._pack, ordered(boxes, scores, numbers, self._lowest))

    @staticmethod
    def _two(outputs: Outputs) -> bool:
        if set(outputs) != {"boxes", "labels"}:
            return False
        boxes = outputs["boxes"]
        return boxes.ndim == 2 and boxes.shape[1] == 5 and outputs["labels"].shape == boxes.shape[:1]
