"""Boxes against boxes: overlap. Boxes are N x 4 float arrays (x1, y1, x2, y2)."""

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.float32]
Matrix = NDArray[np.float64]


def iou(a: Columns | Matrix, b: Columns | Matrix) -> Matrix:
    """Intersection over union, len(a) x len(b), 0..1."""
    shared = overlap(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    result: Matrix = shared / np.maximum(union, 1e-12)
    return result


def overlap(a: Columns | Matrix, b: Columns | Matrix) -> Matrix:
    """Area that each ``a`` shares with each ``b``."""
    sides = np.minimum(a[:, None, 2:], b[:, 2:]) - np.maximum(a[:, None, :2], b[:, :2])
    np.maximum(sides, 0.0, out=sides)
    result: Matrix = (sides[..., 0] * sides[..., 1]).astype(np.float64)
    return result


def area(boxes: Columns | Matrix) -> Matrix:
    sides = boxes[:, 2:] - boxes[:, :2]
    result: Matrix = (sides[:, 0] * sides[:, 1]).astype(np.float64)
    return result
