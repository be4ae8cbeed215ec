"""Family ``detr``: set prediction without NMS.

Read (DEIM and DEIMv2: S. Huang et al., 2025; D-FINE: Y. Peng et al., 2024; RT-DETR: Y. Zhao et al.,
2023): ``labels``, ``boxes`` (xyxy in the size given as ``orig_target_sizes``) and ``scores``, N x queries.
Raw (RF-DETR: ``dets`` and ``labels``; others: ``pred_boxes`` and ``logits`` or ``pred_logits``): boxes as
centre and size in 0..1, and a logit per query and class, of which the best 300 pairs count (X. Zhu et al.,
"Deformable DETR", 2020). A column more than there are labels means
"nothing": the last one, or the first where the pack's ``first_label`` is 1.
In: N x 3 x H x W, RGB, by the pack's mean and std, stretched as torchvision does in all of their trainings.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.vision.detectors import MOST_BOXES, Detections, ordered
from appliance.vision.detectors.families.answers import ByRun, Outputs, columns_fit, numbers_fit, strange
from appliance.vision.detectors.filling import Placed, normalised
from appliance.vision.packs.pack import Pack

_RAW = (("dets", "labels"), ("pred_boxes", "logits"), ("pred_boxes", "pred_logits"))  # boxes, logits
_READ = {"labels", "boxes", "scores"}
_WANTED = "labels, boxes and scores, or boxes and logits by name"


class Detr(ByRun[Detections]):
    def __init__(self, pack: Pack, lowest: float) -> None:
        self.feeding = normalised(pack, "stretch", shrinking="wide")
        self._pack, self._lowest = pack, lowest
        self._raw: tuple[str, str] | None = None

    def extras(self, names: Sequence[str], count: int) -> dict[str, NDArray[Any]]:
        """A size of 1 x 1 makes it answer in 0..1."""
        return {name: np.ones((count, 2), np.int64) for name in names if name == "orig_target_sizes"}

    def check(self, outputs: Outputs) -> None:
        raw = next((pair for pair in _RAW if set(pair) <= set(outputs)), None)
        if set(outputs) >= _READ:
            boxes, beside = outputs["boxes"], outputs["scores"]
            fits = beside.ndim == 2 and outputs["labels"].shape == beside.shape
        elif raw is not None:
            boxes, beside = outputs[raw[0]], outputs[raw[1]]
            fits = beside.ndim == 3
            self._raw = raw
        else:
            strange(self._pack, outputs, _WANTED)
        if not fits or boxes.ndim != 3 or boxes.shape[1:] != (beside.shape[1], 4):
            strange(self._pack, outputs, _WANTED)
        if self._raw and beside.shape[2] != len(self._pack.labels) + 1:
            columns_fit(self._pack, beside.shape[2])

    def read(self, outputs: Outputs, placed: Sequence[Placed]) -> list[Detections]:
        if self._raw:
            boxes, logits = (outputs[name] for name in self._raw)
            return [self._raw_one(boxes[i], logits[i]) for i in range(len(placed))]
        labels, boxes, scores = outputs["labels"], outputs["boxes"], outputs["scores"]
        return [self._one(labels[i], boxes[i], scores[i]) for i in range(len(placed))]

    def _one(self, labels: NDArray[Any], boxes: NDArray[Any], scores: NDArray[Any]) -> Detections:
        """Only the weakest are dropped, there is no NMS to do."""
        return numbers_fit(self._pack, ordered(boxes, scores, labels, self._lowest))

    def _raw_one(self, boxes: NDArray[Any], logits: NDArray[Any]) -> Detections:
        columns = len(self._pack.labels)
        first = self._pack.first_label
        flat = logits[:, first : first + columns].astype(np.float32).ravel()
        if len(flat) > MOST_BOXES:
            best = np.argpartition(-flat, MOST_BOXES)[:MOST_BOXES]
        else:
            best = np.arange(len(flat))
        scores = (1.0 / (1.0 + np.exp(-np.maximum(flat[best], -80.0)))).astype(np.float32)
        strong = (scores >= self._lowest) & np.isfinite(flat[best])  # an overflow would be sure of itself
        best, scores = best[strong], scores[strong]
        middle_size = boxes[best // columns].astype(np.float32)
        half = middle_size[:, 2:] / 2
        corners = np.concatenate([middle_size[:, :2] - half, middle_size[:, :2] + half], axis=1)
        return ordered(corners, scores, (best % columns).astype(np.int32))
