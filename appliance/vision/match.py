"""Boxes against boxes: overlap and assignment. Boxes are N x 4 float arrays (x1, y1, x2, y2)."""

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.float32]
Matrix = NDArray[np.float64]

FORBIDDEN = 1e6


def iou(a: Columns, b: Columns) -> Matrix:
    """Intersection over union, len(a) x len(b), 0..1."""
    overlap = _overlap(a, b)
    union = _area(a)[:, None] + _area(b)[None, :] - overlap
    result: Matrix = overlap / np.maximum(union, 1e-12)
    return result


def covered(a: Columns, b: Columns) -> Matrix:
    """Share of each ``a`` that lies in each ``b``."""
    result: Matrix = _overlap(a, b) / np.maximum(_area(a)[:, None], 1e-12)
    return result


def assign(cost: Matrix, limit: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of the cheapest one-to-one assignment in which every pair costs less than
    ``limit``; as many pairs as possible come first. Shortest augmenting paths (R. Jonker and
    A. Volgenant, 1987; the e-maxx formulation of the Hungarian algorithm), O(rows^2 x columns).
    """
    allowed = cost < limit
    rows, columns = np.flatnonzero(allowed.any(axis=1)), np.flatnonzero(allowed.any(axis=0))
    if not len(rows):
        return []
    small = np.where(allowed, cost, FORBIDDEN)[np.ix_(rows, columns)]
    turned = len(rows) > len(columns)
    pairs = _hungarian(small.T if turned else small)
    found = [(j, i) if turned else (i, j) for i, j in pairs]
    return [(int(rows[i]), int(columns[j])) for i, j in found if small[i, j] < FORBIDDEN]


def _hungarian(cost: Matrix) -> list[tuple[int, int]]:
    n, m = cost.shape  # n <= m
    row_price, column_price = np.zeros(n + 1), np.zeros(m + 1)
    owner = np.zeros(m + 1, np.intp)  # column -> row, both from 1; 0 is nobody
    before = np.zeros(m + 1, np.intp)
    for row in range(1, n + 1):
        owner[0], column = row, 0
        slack = np.full(m + 1, np.inf)
        used = np.zeros(m + 1, np.bool_)
        while owner[column]:
            used[column] = True
            here = owner[column]
            free = np.flatnonzero(~used[1:]) + 1
            reduced = cost[here - 1, free - 1] - row_price[here] - column_price[free]
            better = reduced < slack[free]
            slack[free[better]] = reduced[better]
            before[free[better]] = column
            nearest = free[np.argmin(slack[free])]
            delta = slack[nearest]
            row_price[owner[used]] += delta
            column_price[used] -= delta
            slack[free] -= delta
            column = int(nearest)
        while column:
            previous = int(before[column])
            owner[column] = owner[previous]
            column = previous
    return [(int(owner[j]) - 1, j - 1) for j in range(1, m + 1) if owner[j]]


def _overlap(a: Columns, b: Columns) -> Matrix:
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(bottom_right - top_left, 0.0, None).astype(np.float64)
    result: Matrix = sides[..., 0] * sides[..., 1]
    return result


def _area(boxes: Columns) -> Matrix:
    sides = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
    result: Matrix = sides[:, 0] * sides[:, 1]
    return result
