"""Does anything move? A small view of the Y plane against a background that follows slowly.

Each cell of about 96x54 is the mean of at most 4x4 strided samples of the plane; the background is
a running mean and variance per cell (C. Wren et al., "Pfinder", 1997, section 3: one Gaussian per
place). A step of the whole picture (exposure, a lamp) is subtracted first by its median; what
then still changes nearly everywhere is a new scene and no motion.
"""

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Grid = NDArray[np.float32]

COLUMNS, ROWS = 96, 54
SAMPLES = 4  # per cell and axis, at most
FOLLOW_S = 4.0  # time constant of the background
SIGMAS = 4.0
FLOOR = 5.0  # grey levels: below it a change is noise whatever the variance says
GLOBAL = 0.6  # share of changed cells that is a new scene
NEIGHBOURS = 3  # changed cells in a 3x3 block, itself included, for a cell to count


@dataclass(frozen=True, slots=True)
class Motion:
    """``mask``: cells that differ from the background. ``fresh``: of these, the ones that also
    differ from the picture before; a thing that was put down stops being fresh."""

    mask: Mask
    fresh: Mask
    new_scene: bool = False

    @property
    def any(self) -> bool:
        """Something moved, or everything did: worth a look."""
        return self.new_scene or bool(self.fresh.any())

    def share(self, x1: float, y1: float, x2: float, y2: float) -> float:
        """Share of the cells in a normalised box that changed just now, 0..1."""
        if self.new_scene:
            return 1.0
        rows, columns = self.fresh.shape
        left, right = int(max(0.0, x1) * columns), int(min(1.0, x2) * columns) + 1
        top, bottom = int(max(0.0, y1) * rows), int(min(1.0, y2) * rows) + 1
        part = self.fresh[top:bottom, left:right]
        return float(part.mean()) if part.size else 0.0


class Gate:
    """One per camera. Feed it frames in order; it starts again where the picture's size changes."""

    def __init__(self) -> None:
        self._mean: Grid | None = None
        self._variance: Grid = np.empty((0, 0), np.float32)
        self._last: Grid = np.empty((0, 0), np.float32)
        self._shape = (0, 0)
        self._time_ns = 0

    def look(self, luma: NDArray[np.uint8], time_ns: int) -> Motion:
        """``luma``: the Y plane, rows x columns, padding cut off."""
        cells = shrink(luma)
        if self._mean is None or luma.shape != self._shape:
            self._restart(cells, luma.shape, time_ns)
            return Motion(*_empty(cells), new_scene=True)
        step_s = min(2.0, max(0.0, (time_ns - self._time_ns) / 1e9))
        self._time_ns = time_ns
        threshold = np.maximum(FLOOR, SIGMAS * np.sqrt(self._variance))
        away = cells - self._mean
        away -= np.median(away)
        moved = cells - self._last
        moved -= np.median(moved)
        changed = np.abs(away) > threshold
        if changed.mean() > GLOBAL:
            self._restart(cells, luma.shape, time_ns)
            return Motion(*_empty(cells), new_scene=True)
        mask = _solid(changed)
        fresh = mask & _wide(_solid(np.abs(moved) > threshold))
        self._follow(cells, away, changed, step_s)
        return Motion(mask, fresh)

    def _restart(self, cells: Grid, shape: tuple[int, ...], time_ns: int) -> None:
        self._mean, self._last = cells, cells
        self._variance = np.full_like(cells, 1.0)
        self._shape, self._time_ns = (shape[0], shape[1]), time_ns

    def _follow(self, cells: Grid, away: Grid, changed: Mask, step_s: float) -> None:
        assert self._mean is not None
        gain = np.float32(1.0 - exp(-step_s / FOLLOW_S))
        self._mean = self._mean + gain * (cells - self._mean)
        # A changed cell is something in front of the background: it says nothing of its noise.
        quiet = np.where(changed, self._variance, away * away)
        self._variance = self._variance + gain * (quiet - self._variance)
        self._last = cells


def shrink(luma: NDArray[np.uint8]) -> Grid:
    """Cell means, at most ``ROWS`` x ``COLUMNS``; smaller pictures give fewer cells."""
    high, wide = luma.shape
    rows, columns = min(ROWS, high), min(COLUMNS, wide)
    down, across = high // rows, wide // columns
    stride_y, stride_x = max(1, down // SAMPLES), max(1, across // SAMPLES)
    part = luma[: rows * down, : columns * across].reshape(rows, down, columns, across)
    part = part[:, ::stride_y, :, ::stride_x]
    total = part.sum(axis=(1, 3), dtype=np.uint32)
    cells: Grid = (total / np.float32(part.shape[1] * part.shape[3])).astype(np.float32)
    return cells


def _block(cells: Mask) -> NDArray[np.uint8]:
    """How many of the 3x3 cells around each are set."""
    padded = np.pad(cells.astype(np.uint8), 1)
    rows: NDArray[np.uint8] = padded[:-2] + padded[1:-1] + padded[2:]
    total: NDArray[np.uint8] = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return total


def _solid(cells: Mask) -> Mask:
    """Without lonely cells, which are noise."""
    solid: Mask = cells & (_block(cells) >= NEIGHBOURS)
    return solid


def _wide(cells: Mask) -> Mask:
    """Grown by one cell: a uniform coat changes only at its edges."""
    wide: Mask = _block(cells) > 0
    return wide


def _empty(cells: Grid) -> tuple[Mask, Mask]:
    empty = np.zeros(cells.shape, np.bool_)
    return empty, empty
