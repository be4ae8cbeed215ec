"""Cells and those around them: counts, sums, peaks, steps.

What lies beyond the border counts as nothing. A step is one operation on one piece of memory wherever that
can be: on a piece for each row it costs four times as much. So only whole rows are left out (``band``), and
in grids with a gap at the end of each row (``laid``) neighbours are at fixed distances.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from appliance.vision.looking.masks import Mask
from appliance.vision.looking.view import Grid

Kind = TypeVar("Kind", bound=np.generic)
Count = TypeVar("Count", np.int8, np.uint8)


def band(cells: Mask, margin: int) -> slice:
    """The rows that hold all set cells, and so many around. At least one cell is set."""
    rows, columns = cells.shape
    found = cells.tobytes()
    first, last = found.find(1) // columns, found.rfind(1) // columns
    return slice(max(0, first - margin), min(rows, last + margin + 1))


def middle(values: Grid) -> float:
    """The median, of an even number the upper one: ``np.median`` costs eight times as much."""
    flat = values.flatten()
    half = len(flat) // 2
    flat.partition(half)
    return float(flat[half])


def count_around(cells: Mask) -> NDArray[np.uint8]:
    """How many of the 3x3 cells around each are set."""
    return add_around(cells.view(np.uint8))


def add_around(cells: NDArray[Count]) -> NDArray[Count]:
    """Sums over the 3x3 cells around each."""
    rows, columns = cells.shape
    padded = np.zeros((rows + 2, columns + 2), cells.dtype)
    padded[1:-1, 1:-1] = cells
    tall = padded[:-2] + padded[1:-1]
    tall += padded[2:]
    total: NDArray[Count] = tall[:, :-2] + tall[:, 1:-1]
    total += tall[:, 2:]
    return total


def grow(seeds: Mask, inside: Mask, most: int) -> Mask:
    """What can be reached from ``seeds``, which lie inside, in so many steps to one of the eight neighbours
    without leaving ``inside``."""
    flat, here = laid(seeds, 1)
    room, there = laid(inside, 1)
    here[:], there[:] = seeds, inside
    wide = seeds.shape[1] + 1
    reached, within = flat[wide + 1 : -wide - 1], room[wide + 1 : -wide - 1]
    known = np.count_nonzero(seeds)
    for _ in range(most):
        near = flat[:-2] | flat[1:-1]
        near |= flat[2:]
        tall = near[: -2 * wide] | near[wide:-wide]
        tall |= near[2 * wide :]
        np.bitwise_and(tall, within, out=reached)
        before, known = known, np.count_nonzero(reached)
        if known == before:
            break
    return here.copy()


def sums_around(flat: Grid, wide: int) -> Grid:
    """Of grids ``laid`` with gaps of 2, one a row: sums over the 5x5 cells around each, weighed 1 2 3 2 1
    both ways. Rows of the result are ``wide`` cells, gaps included."""
    for apart in (wide, wide, 1, 1):
        total = flat[:, : -2 * apart] + flat[:, apart:-apart]
        total += flat[:, 2 * apart :]
        flat = total
    return flat


def peaks(cells: Grid) -> Grid:
    """The largest size among the 5x5 cells around each."""
    rows, columns = cells.shape
    flat, here = laid(cells, 2)
    np.abs(cells, out=here)
    wide = columns + 2
    for apart in (wide, 1):
        two = np.maximum(flat[:-apart], flat[apart:])
        four = np.maximum(two[: -2 * apart], two[2 * apart :])
        flat = np.maximum(four[:-apart], flat[4 * apart :])
    return flat.reshape(rows, wide)[:, :columns]


def steps(cells: Grid) -> Grid:
    """How much each cell differs from that of its four neighbours that differs most."""
    step = np.zeros(cells.shape, np.float32)
    upright = cells[1:] - cells[:-1]
    np.abs(upright, out=upright)
    step[1:] = upright
    np.maximum(step[:-1], upright, out=step[:-1])
    flat, step_flat = cells.reshape(-1), step.reshape(-1)
    across = flat[1:] - flat[:-1]
    across[cells.shape[1] - 1 :: cells.shape[1]] = 0.0  # from a row's end to the next row's begin
    np.abs(across, out=across)
    np.maximum(step_flat[1:], across, out=step_flat[1:])
    np.maximum(step_flat[:-1], across, out=step_flat[:-1])
    return step


def laid(like: NDArray[Kind], gap: int, *grids: int) -> tuple[NDArray[Kind], NDArray[Kind]]:
    """Zeros in which a grid like that one lies row after row, with so many cells between, before and after:
    as one piece, and as the grid in it. ``grids``: so many of them, one a row."""
    rows, columns = like.shape
    wide = columns + gap
    flat = np.zeros((*grids, (rows + 2 * gap) * wide + 2 * gap), like.dtype)
    start = gap * wide + gap
    return flat, flat[..., start : start + rows * wide].reshape(*grids, rows, wide)[..., :columns]
