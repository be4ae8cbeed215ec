"""Family ``detr``: set prediction without NMS (DEIMv2: S. Huang et al., 2025; D-FINE, RT-DETR alike).

In: ``images`` N x 3 x H x W float32, RGB, scaled by the pack's mean and std, plain resize;
``orig_target_sizes`` N x 2 int64. Out: ``labels``, ``boxes`` (xyxy in the given size), ``scores``.
"""

from collections.abc import Sequence
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from appliance.vision.decoding.planes import plane
from appliance.vision.detectors import LOWEST_SCORE, Columns, Detections, ordered
from appliance.vision.packs.pack import Pack

Outputs = NDArray[Any]  # what a session answers: float32 or int64

_PLANES = {"RGB": (2, 0, 1), "BGR": (1, 0, 2)}  # of gbrp, in the model's order


class Detr:
    def __init__(self, pack: Pack) -> None:
        self._wide, self._high = pack.input_width, pack.input_height
        self._order = _PLANES[pack.colour_order]
        self._scale = [np.float32(1.0 / (255.0 * std)) for std in pack.std]
        self._shift = [np.float32(mean / std) for mean, std in zip(pack.mean, pack.std, strict=True)]
        self._reformatter = VideoReformatter()

    def fill(self, frame: av.VideoFrame, tensor: Columns) -> float:
        """Write ``frame`` into ``tensor`` (3 x H x W). Nothing is needed to find the boxes again."""
        small = self._reformatter.reformat(
            frame, self._wide, self._high, "gbrp", interpolation=Interpolation.BILINEAR, threads=1
        )
        for channel, number in enumerate(self._order):
            np.multiply(plane(small, number), self._scale[channel], out=tensor[channel])
            if self._shift[channel]:
                tensor[channel] -= self._shift[channel]
        return 1.0

    def feeds(self, tensors: Columns) -> dict[str, Outputs]:
        """By the order of the model's inputs. A size of 1 x 1 makes it answer in 0..1."""
        return {"images": tensors, "orig_target_sizes": np.ones((len(tensors), 2), np.int64)}

    def read(
        self,
        outputs: dict[str, Outputs],
        frames: Sequence[av.VideoFrame],
        placed: Sequence[float],
    ) -> list[Detections]:
        labels, boxes, scores = outputs["labels"], outputs["boxes"], outputs["scores"]
        return [decode(labels[i], boxes[i], scores[i]) for i in range(len(frames))]


def decode(labels: Outputs, boxes: Outputs, scores: Outputs) -> Detections:
    """One picture's columns: only the weak ones are dropped, there is no NMS to do."""
    strong = scores >= LOWEST_SCORE
    return ordered(
        boxes[strong].astype(np.float32), scores[strong].astype(np.float32), labels[strong].astype(np.int32)
    )
