"""Small objects: a part of the picture at its native resolution, around what moves.

A detector sees a picture scaled to its input; a person far away is then a few pixels. Where something
small moves in a larger picture, that part is looked at as well, unscaled, and the boxes are put back
into the whole.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.vision.looking.gate import Motion

WORTH = 1.3  # less magnification than this is not worth a second look
ROOM = 2.0  # a crop is so many times as wide and high as what moves in it


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a picture in pixels; all even, since chroma has half the lines."""

    left: int
    top: int
    width: int
    height: int


def region(motion: Motion, width: int, height: int, input_width: int, input_height: int) -> Region | None:
    """Where a closer look is worth it, or None: nothing moves, or too much, or the model sees the
    picture nearly as large as it is."""
    shrunk = max(width / input_width, height / input_height)
    if motion.new_scene or shrunk < WORTH:
        return None
    rows, columns = np.flatnonzero(motion.fresh.any(axis=1)), np.flatnonzero(motion.fresh.any(axis=0))
    if not len(rows):
        return None
    high_cell = height * motion.down / motion.fresh.shape[0]
    wide_cell = width * motion.across / motion.fresh.shape[1]
    left, right = columns[0] * wide_cell, (columns[-1] + 1) * wide_cell
    top, bottom = rows[0] * high_cell, (rows[-1] + 1) * high_cell
    wide = min(width, max(input_width, round(ROOM * (right - left))))
    high = min(height, max(input_height, round(ROOM * (bottom - top))))
    if shrunk < WORTH * max(wide / input_width, high / input_height):
        return None
    return Region(
        _even((left + right - wide) / 2, width - wide),
        _even((top + bottom - high) / 2, height - high),
        wide // 2 * 2,
        high // 2 * 2,
    )


def _even(value: float, most: int) -> int:
    return round(min(max(0.0, value), most)) // 2 * 2


def whole(
    boxes: NDArray[np.float32], part: Region, width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes (0..1 of the part) as 0..1 of the picture, and which of them are not cut by the part's
    border (where that is not the picture's own)."""
    scale = np.array([part.width / width, part.height / height] * 2, np.float32)
    shift = np.array([part.left / width, part.top / height] * 2, np.float32)
    margin = np.float32(0.01)
    cut = (
        ((boxes[:, 0] < margin) & (part.left > 0))
        | ((boxes[:, 1] < margin) & (part.top > 0))
        | ((boxes[:, 2] > 1 - margin) & (part.left + part.width < width))
        | ((boxes[:, 3] > 1 - margin) & (part.top + part.height < height))
    )
    return boxes * scale + shift, ~cut
