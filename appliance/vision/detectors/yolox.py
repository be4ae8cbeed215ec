"""Family ``yolox``: anchor-free grid (Z. Ge et al., "YOLOX", 2021, section 2.1), decode and NMS here.

In: N x 3 x H x W float32, BGR 0..255, letterboxed at the top left, padded with 114.
Out: N x cells x (4 + 1 + classes) raw; cells of strides 8, 16, 32, row by row.
"""

from collections.abc import Sequence
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from appliance.vision.boxes import iou
from appliance.vision.decoding.planes import plane
from appliance.vision.detectors import LOWEST_SCORE, Columns, Detections, Labels, ordered
from appliance.vision.packs.pack import Pack

STRIDES = (8, 16, 32)
PAD = 114.0
NMS_IOU = 0.65
MOST = 300  # boxes that enter NMS
_PLANES = {"RGB": (2, 0, 1), "BGR": (1, 0, 2)}


class Yolox:
    def __init__(self, pack: Pack) -> None:
        self._wide, self._high = pack.input_width, pack.input_height
        self._order = _PLANES[pack.colour_order]
        self._centres, self._strides = grid(self._wide, self._high)
        self._reformatter = VideoReformatter()

    def fill(self, frame: av.VideoFrame, tensor: Columns) -> float:
        """Write ``frame`` into ``tensor``; the answer is the scale of the letterbox."""
        scale = min(self._wide / frame.width, self._high / frame.height)
        wide, high = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        small = self._reformatter.reformat(
            frame, wide, high, "gbrp", interpolation=Interpolation.BILINEAR, threads=1
        )
        tensor.fill(PAD)
        for channel, number in enumerate(self._order):
            tensor[channel, :high, :wide] = plane(small, number)
        return scale

    def feeds(self, tensors: Columns) -> dict[str, NDArray[Any]]:
        return {"images": tensors}

    def read(
        self,
        outputs: dict[str, NDArray[Any]],
        frames: Sequence[av.VideoFrame],
        placed: Sequence[float],
    ) -> list[Detections]:
        (raw,) = outputs.values()
        answers = []
        for i, frame in enumerate(frames):
            boxes, scores, classes = decode(raw[i].astype(np.float32), self._centres, self._strides)
            size = np.array([frame.width, frame.height] * 2, np.float32) * np.float32(placed[i])
            answers.append(ordered(boxes / size, scores, classes))
        return answers


def grid(wide: int, high: int) -> tuple[Columns, Columns]:
    """Cell corners (N x 2, in cells) and strides (N x 1), in the order of the model's output."""
    corners, strides = [], []
    for stride in STRIDES:
        ys, xs = np.mgrid[: high // stride, : wide // stride]
        corners.append(np.stack([xs.ravel(), ys.ravel()], axis=1))
        strides.append(np.full((xs.size, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(strides).astype(np.float32)


def decode(raw: Columns, centres: Columns, strides: Columns) -> tuple[Columns, Columns, Labels]:
    """Raw cells of one picture -> boxes (xyxy, in input pixels), scores, classes, after NMS."""
    classes = raw[:, 5:].argmax(axis=1)
    scores = raw[:, 4] * raw[np.arange(len(raw)), 5 + classes]
    strong = np.flatnonzero(scores >= LOWEST_SCORE)
    if len(strong) > MOST:
        strong = strong[np.argpartition(-scores[strong], MOST)[:MOST]]
    raw, classes, scores = raw[strong], classes[strong], scores[strong]
    middle = (raw[:, :2] + centres[strong]) * strides[strong]
    half = np.exp(np.minimum(raw[:, 2:4], 20.0)) * strides[strong] / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    kept = suppress(boxes, scores, classes)
    return boxes[kept], scores[kept], classes[kept].astype(np.int32)


def suppress(boxes: Columns, scores: Columns, classes: NDArray[np.integer]) -> NDArray[np.intp]:
    """Greedy NMS within each class: indices kept, best first."""
    order = np.argsort(-scores, kind="stable")
    near = (iou(boxes, boxes) > NMS_IOU) & (classes[:, None] == classes[None, :])
    alive = np.ones(len(boxes), np.bool_)
    kept: list[int] = []
    for number in order.tolist():
        if alive[number]:
            kept.append(number)
            alive &= ~near[number]
    return np.array(kept, np.intp)
