"""Masks: parts of the picture that are not looked at (a street, a flag, a clock)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.base.geometry import Point

Mask = NDArray[np.bool_]
Polygon = Sequence[Point]
Coordinates = NDArray[np.floating]


def open_cells(masks: Sequence[Polygon], rows: int, columns: int, across: float, down: float) -> Mask:
    """Which cells' middles lie in none of ``masks``."""
    x = (np.arange(columns) + 0.5) * (across / columns)
    y = ((np.arange(rows) + 0.5) * (down / rows))[:, None]
    return ~covered(masks, x, y)


def covered(masks: Sequence[Polygon], x: Coordinates, y: Coordinates) -> Mask:
    """Which points lie in one of ``masks``, in the shape that ``x`` and ``y`` make together. Even-odd rule,
    as ``base.geometry.inside``."""
    found = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.bool_)
    for polygon in masks:
        inside = np.zeros(found.shape, np.bool_)
        for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if y0 != y1:
                inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        found |= inside
    return found
