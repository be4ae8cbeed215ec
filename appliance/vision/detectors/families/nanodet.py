"""Families ``nanodet`` and ``picodet``: sides of a box as distributions.

Each side's distance from the cell's centre, in strides, is the mean of a softmax over ``reg_max`` + 1 bins
(X. Li et al., "Generalized Focal Loss", 2020). Scores are in 0..1, NMS is done here.
NanoDet: one output N x cells x (classes + 4 x bins). NanoDet-Plus has a fourth stride (64), and its cells
are named by their corner, not their middle. PicoDet (G. Yu et al., "PP-PicoDet", 2021) without its
post-processing: per stride (8, 16, 32, 64) N x cells x classes and N x cells x 4 bins.
In: stretched, by the pack's mean and std, in its order (NanoDet: BGR).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.vision.detectors import Columns, Detections, clipped, strongest
from appliance.vision.detectors.families.answers import (
    ByRun,
    Outputs,
    columns_fit,
    no_extras,
    single,
    strange,
)
from appliance.vision.detectors.families.suppression import MOST, suppress
from appliance.vision.detectors.families.yolox import grid
from appliance.vision.detectors.filling import Placed, normalised
from appliance.vision.packs.pack import Pack

NMS_IOU = 0.6
_BINS = (8, 17, 33)  # reg_max + 1: 7 everywhere but in variants
_SHAPES = (((8, 16, 32), 0.5), ((8, 16, 32, 64), 0.0))  # strides, where in its cell a point lies
_PICO = (8, 16, 32, 64)


class _Distributions(ByRun[Detections]):
    """``_points``: N x 2, in input pixels; ``_strides``: N x 1."""

    extras = staticmethod(no_extras)

    def __init__(self, pack: Pack, lowest: float) -> None:
        self.feeding = normalised(pack, "stretch")
        self._pack, self._lowest = pack, lowest
        self._set(_PICO, 0.5)

    def _set(self, strides: Sequence[int], offset: float) -> int:
        cells = grid(self._pack.input_width, self._pack.input_height, strides)
        self._strides = cells[:, 2:3]
        self._points = cells[:, :2] + np.float32(offset) * self._strides
        return len(cells)

    def _one(self, table: NDArray[Any], sides: NDArray[Any], where: Placed) -> Detections:
        """``table``: cells x classes; ``sides``: cells x 4 bins. Only cells that survive are decoded."""
        surest: Columns = table.max(axis=1).astype(np.float32, copy=False)
        best = strongest(surest, self._lowest, MOST)
        classes = table[best].argmax(axis=1).astype(np.int32)
        reach = _means(sides[best].astype(np.float32)) * self._strides[best]
        points = self._points[best]
        boxes = np.concatenate([points - reach[:, :2], points + reach[:, 2:]], axis=1)
        limits = np.array([self._pack.input_width, self._pack.input_height] * 2, np.float32)
        boxes = np.clip(boxes, 0.0, limits)
        kept = suppress(boxes, classes, self._pack.nms_iou or NMS_IOU)
        return clipped(where.boxes(boxes[kept]), surest[best[kept]], classes[kept])


class Nanodet(_Distributions):
    def check(self, outputs: Outputs) -> None:
        wanted = "N x cells x (classes + 4 x bins)"
        raw = single(self._pack, outputs, wanted)
        if not any(self._set(*shape) == raw.shape[1] for shape in _SHAPES):
            strange(self._pack, outputs, wanted)
        sides = raw.shape[2] - len(self._pack.labels)
        if sides not in [4 * bins for bins in _BINS]:
            columns_fit(self._pack, raw.shape[2] - 4 * _BINS[0])

    def read(self, outputs: Outputs, placed: Sequence[Placed]) -> list[Detections]:
        (raw,) = outputs.values()
        columns = len(self._pack.labels)
        return [self._one(raw[i, :, :columns], raw[i, :, columns:], where) for i, where in enumerate(placed)]


class Picodet(_Distributions):
    def __init__(self, pack: Pack, lowest: float) -> None:
        super().__init__(pack, lowest)
        self._tables: list[str] = []  # output names, by stride
        self._sides: list[str] = []

    def check(self, outputs: Outputs) -> None:
        """Scores and sides are told apart by order where their widths do not: scores are first."""
        names, strides = list(outputs), len(_PICO)
        if len(names) != 2 * strides or any(outputs[name].ndim != 3 for name in names):
            strange(self._pack, outputs, f"{strides} x scores and {strides} x sides, N x cells x columns")
        first = outputs[names[0]].shape[2]
        columns_fit(self._pack, first)
        paired = outputs[names[1]].shape[1] != outputs[names[0]].shape[1]  # all scores, then all sides
        self._tables = names[:strides] if paired else names[::2]
        self._sides = names[strides:] if paired else names[1::2]
        cells = sum(outputs[name].shape[1] for name in self._tables)
        bins = {outputs[name].shape[2] for name in self._sides}
        if cells != self._set(_PICO, 0.5) or len(bins) != 1 or bins.pop() % 4:
            strange(self._pack, outputs, f"{len(self._points)} cells of strides 8, 16, 32 and 64")

    def read(self, outputs: Outputs, placed: Sequence[Placed]) -> list[Detections]:
        tables = np.concatenate([outputs[name] for name in self._tables], axis=1)
        sides = np.concatenate([outputs[name] for name in self._sides], axis=1)
        return [self._one(tables[i], sides[i], where) for i, where in enumerate(placed)]


def _means(sides: Columns) -> Columns:
    """N x 4 bins of logits -> N x 4 mean bins."""
    bins = sides.reshape(len(sides), 4, -1)
    weights = np.exp(bins - bins.max(axis=2, keepdims=True))
    means: Columns = (weights @ np.arange(bins.shape[2], dtype=np.float32)) / weights.sum(axis=2)
    return means
