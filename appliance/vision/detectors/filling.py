"""A frame into a tensor: resize, colours, order of channels, normalisation, padding.

libswscale does the first three in one pass, from any pixel format (yuv420p, yuvj420p, nv12, 10 bit, RGB) and
by the range and matrix that the frame names, into planes: all that is left is three multiplications.

A picture is shrunk as the model's training shrank it. Measured on 242 pictures, as AP against what the same
model says of the same picture shrunk by its training's filter in floating point: DEIM 99.9 (98.3 with the
other scaler), YOLOX 97.6 (95.5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from appliance.vision.decoding.planes import plane
from appliance.vision.detectors import Columns
from appliance.vision.packs.pack import Pack

Tensor = NDArray[Any]  # float32, or float16 where the model wants it
Fit = Literal["stretch", "corner", "centre"]
Shrinking = Literal["near", "wide"]

_PLANES = {"RGB": (2, 0, 1), "BGR": (1, 0, 2)}  # of gbrp, in the model's order
# FULL_CHR_H_INP: RGB sources keep their colours. ACCURATE_RND: without it, a picture that is not scaled takes
# a short cut that leaves up to eight columns at the right unwritten (at a width of 312, for one).
_EXACT = Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
# libswscale's bilinear scaler widens its triangle when it shrinks, as Pillow's does. Of its others, the area
# scaler is nearest to two neighbours and no more (half a grey level on footage).
_SCALERS: dict[Shrinking, Interpolation] = {
    "near": Interpolation.AREA | _EXACT,
    "wide": Interpolation.BILINEAR | _EXACT,
}


@dataclass(frozen=True, slots=True)
class Feeding:
    """How a model wants its pictures. ``fit``: ``stretch`` fills the input, ``corner`` and ``centre``
    keep the shape and pad with ``pad``. Channel = grey (0..255) x ``scale`` - ``shift``. ``shrinking``: the
    bilinear resize of its training, ``near`` from two neighbours (OpenCV's INTER_LINEAR) or ``wide`` from
    all that a pixel covers (Pillow's, torchvision's)."""

    width: int
    height: int
    colour_order: Literal["RGB", "BGR"]
    fit: Fit = "stretch"
    pad: float = 0.0
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shrinking: Shrinking = "near"


@dataclass(frozen=True)
class Placed:
    """Where the picture lies in the input, in input pixels."""

    left: int
    top: int
    width: int
    height: int

    @cached_property
    def _corner_and_size(self) -> tuple[Columns, Columns]:
        corner, size = [self.left, self.top] * 2, [self.width, self.height] * 2
        return np.array(corner, np.float32), np.array(size, np.float32)

    def boxes(self, boxes: Columns) -> Columns:
        """Boxes in input pixels -> 0..1 of the picture."""
        corner, size = self._corner_and_size
        result: Columns = np.divide(boxes - corner, size, dtype=np.float32)
        return result


@lru_cache(maxsize=64)  # a box's cameras have few sizes
def place(feeding: Feeding, width: int, height: int) -> Placed:
    """For a picture of that size. The corner's size is rounded down as YOLOX does, the centre's to the
    nearest as Ultralytics does."""
    if feeding.fit == "stretch":
        return Placed(0, 0, feeding.width, feeding.height)
    scale = min(feeding.width / width, feeding.height / height)
    if feeding.fit == "corner":
        return Placed(0, 0, max(1, int(width * scale + 1e-6)), max(1, int(height * scale + 1e-6)))
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (feeding.width - wide) / 2, (feeding.height - high) / 2
    return Placed(round(left - 0.1), round(top - 0.1), wide, high)


def boxes_in(places: Sequence[Placed], pictures: NDArray[np.intp], boxes: Columns) -> Columns:
    """``Placed.boxes`` of several pictures at once; ``pictures``: for each box its picture's index."""
    if all(place is places[0] for place in places):
        return places[0].boxes(boxes)
    corners, sizes = map(np.array, zip(*(place._corner_and_size for place in places), strict=True))
    result: Columns = np.divide(boxes - corners.take(pictures, axis=0), sizes.take(pictures, axis=0))
    return result


class Filler:
    """One thread's: it keeps a scaler, and knows what its tensor is padded for."""

    def __init__(self, feeding: Feeding) -> None:
        self._feeding = feeding
        self._scaler = _SCALERS[feeding.shrinking]
        self._order = _PLANES[feeding.colour_order]
        self._scale = [np.float32(value) for value in feeding.scale]
        self._shift = [np.float32(value) for value in feeding.shift]
        self._reformatter = VideoReformatter()
        self._padded: dict[int, Placed] = {}

    def fill(self, frame: av.VideoFrame, tensor: Tensor, number: int) -> Placed:
        """Write ``frame`` into ``tensor[number]`` (3 x height x width)."""
        placed = place(self._feeding, frame.width, frame.height)
        target = tensor[number]
        if self._padded.get(number) != placed:
            self._pad(target)
            self._padded[number] = placed
        small = self._reformatter.reformat(
            frame,
            placed.width,
            placed.height,
            "gbrp",
            interpolation=self._scaler,
            threads=1,
        )
        rows, columns = (
            slice(placed.top, placed.top + placed.height),
            slice(placed.left, placed.left + placed.width),
        )
        for channel, source in enumerate(self._order):
            window = target[channel, rows, columns]
            if self._scale[channel] == 1.0:
                np.copyto(window, plane(small, source), casting="same_kind")
            else:
                np.multiply(plane(small, source), self._scale[channel], out=window, casting="same_kind")
            if self._shift[channel]:
                window -= self._shift[channel]
        return placed

    def _pad(self, target: Tensor) -> None:
        for channel in range(len(target)):
            target[channel] = self._feeding.pad * self._scale[channel] - self._shift[channel]


def greys(pack: Pack, fit: Fit, pad: float = 0.0) -> Feeding:
    """For models that take 0..255 as it is."""
    return Feeding(pack.input_width, pack.input_height, pack.colour_order, pack.fit or fit, pad)


def normalised(pack: Pack, fit: Fit, pad: float = 0.0, shrinking: Shrinking = "near") -> Feeding:
    """For models that take 0..1, or that less the pack's mean over its std."""
    red, green, blue = pack.std
    scale = (1.0 / (255.0 * red), 1.0 / (255.0 * green), 1.0 / (255.0 * blue))
    shift = (pack.mean[0] / red, pack.mean[1] / green, pack.mean[2] / blue)
    fitted = pack.fit or fit
    size = pack.input_width, pack.input_height
    return Feeding(*size, pack.colour_order, fitted, pad, scale, shift, shrinking)
