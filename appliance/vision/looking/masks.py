"""Masks: parts of the picture whose motion means nothing (a street, a flag, a clock)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.base.geometry import Point

Mask = NDArray[np.bool_]
Polygon = Sequence[Point]


def open_cells(masks: Sequence[Polygon], rows: int, columns: int, across: float, down: float) -> Mask:
    """Which cells' middles lie in none of ``masks``. Even-odd rule, as ``base.geometry.inside``."""
    x = (np.arange(columns) + 0.5) * (across / columns)
    y = ((np.arange(rows) + 0.5) * (down / rows))[:, None]
    closed = np.zeros((rows, columns), np.bool_)
    for polygon in masks:
        inside = np.zeros((rows, columns), np.bool_)
        for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if y0 != y1:
                inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        closed |= inside
    return ~closed
