"""A second, closer look at small things, while there is time for it."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import av
import numpy as np

from appliance.vision.boxes import area, overlap
from appliance.vision.decoding.planes import rows
from appliance.vision.detectors import Detections, Picture, ordered
from appliance.vision.looking.crops import Region, region, whole
from appliance.vision.worker.loading import Loaded

SPARE_BELOW = 0.4  # busy share of the lookers up to which closer looks are taken
OVER_S = 2.0  # what the busy share is averaged over
SAME = 0.6  # a close box that shares so much with one of the same class, of the smaller, is that one
FORMATS = ("yuv420p", "yuvj420p", "nv12")  # whose parts are cut out plane by plane


class Closer:
    """Shared by the lookers' threads. ``worked`` keeps count of how busy they are."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._busy, self._at_s = 0.0, time.monotonic()

    def worked(self, seconds: float) -> None:
        """One of them was busy for so long, until now."""
        with self._lock:
            now_s = time.monotonic()
            self._busy = self._busy * math.exp(-(now_s - self._at_s) / OVER_S) + seconds / OVER_S
            self._at_s = now_s

    @property
    def spare(self) -> bool:
        faded = self._busy * math.exp(-(time.monotonic() - self._at_s) / OVER_S)
        return faded / self._threads < SPARE_BELOW

    def detect(self, loaded: Loaded, batch: Sequence[Picture]) -> list[Detections]:
        """As the detector's ``detect``, with what the closer looks add."""
        parts = self._parts(loaded, batch) if self.spare else {}
        close = [_cut(batch[number], part) for number, part in parts.items()]
        found = loaded.detector.detect([*batch, *close])
        whole_found, close_found = found[: len(batch)], found[len(batch) :]
        for (number, part), seen in zip(parts.items(), close_found, strict=True):
            frame = batch[number].frame
            boxes, uncut = whole(seen.boxes, part, frame.width, frame.height)
            near = Detections(boxes, seen.scores, seen.classes).only(uncut)
            whole_found[number] = joined(whole_found[number], near)
        return whole_found

    def _parts(self, loaded: Loaded, batch: Sequence[Picture]) -> dict[int, Region]:
        pack = loaded.pack
        if pack is None:
            return {}
        found: dict[int, Region] = {}
        for number, picture in enumerate(batch):
            frame = picture.frame
            if frame.format.name in FORMATS:
                part = region(picture.motion, frame.width, frame.height, pack.input_width, pack.input_height)
                if part is not None:
                    found[number] = part
        return found


def _cut(picture: Picture, part: Region) -> Picture:
    """The part as a picture of its own: rows are copied, nothing is scaled."""
    frame = picture.frame
    cut = av.VideoFrame(part.width, part.height, frame.format.name)
    cut.colorspace, cut.color_range = frame.colorspace, frame.color_range
    for number in range(len(frame.planes)):
        across = 1 if number == 0 or frame.format.name == "nv12" else 2  # nv12: U and V beside each other
        down = 1 if number == 0 else 2
        left, top = part.left // across, part.top // down
        wide, high = part.width // across, part.height // down
        rows(cut, number)[:high, :wide] = rows(frame, number)[top : top + high, left : left + wide]
    return replace(picture, frame=cut)


def joined(far: Detections, near: Detections) -> Detections:
    """Both looks at one picture: what both saw is there once, as the surer of them saw it."""
    if not len(near):
        return far
    if not len(far):
        return ordered(near.boxes, near.scores, near.classes)
    least = np.minimum(area(far.boxes)[:, None], area(near.boxes)[None, :])
    same = overlap(far.boxes, near.boxes) / np.maximum(least, 1e-12) > SAME
    same &= far.classes[:, None] == near.classes[None, :]
    far_is_surer = far.scores[:, None] >= near.scores[None, :]
    a = far.only(~np.any(same & ~far_is_surer, axis=1, keepdims=False))
    b = near.only(~np.any(same & far_is_surer, axis=0, keepdims=False))
    return ordered(
        np.concatenate([a.boxes, b.boxes]),
        np.concatenate([a.scores, b.scores]),
        np.concatenate([a.classes, b.classes]),
    )
