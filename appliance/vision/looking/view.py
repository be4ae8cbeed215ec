"""A small view of the Y plane: cells of 8x8 samples' worth, four quadrants each, in a few array operations.

Eight neighbouring bytes are one 64-bit integer. Masking every second byte leaves four sums of 16 bits
side by side, and adding rows of such integers adds four columns at once (L. Lamport, "Multiple byte
processing with full-word instructions", 1975): no cast and no strided byte is touched. Of each cell 16 or
32 samples are read, whatever the picture's size.
"""

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Grid = NDArray[np.float32]

MOST_COLUMNS = 96
NARROW = 4 * MOST_COLUMNS  # px: pictures up to here have cells of 4 px, so that things far off are seen
SAMPLED_ROWS = 4  # of a cell; two for each quadrant


class View:
    """For pictures of one size. ``look`` fills the same two arrays each time: ``cells``, means of 0..255,
    rows x columns, and ``fine``, the means of their quadrants, 2 rows x 2 columns. What is left over at the
    right and the bottom is less than a cell and is not seen; ``across`` and ``down`` are the shares of the
    picture that are."""

    def __init__(self, high: int, wide: int) -> None:
        unit = 4 if wide <= NARROW else 8
        self._each = max(1, -(-(wide // unit) // MOST_COLUMNS))  # units in a cell's width
        self.side = side = unit * self._each
        self._pad = max(0, side - high), max(0, side - wide)
        high, wide = high + self._pad[0], wide + self._pad[1]
        rows, columns = high // side, wide // side
        self._step = side // SAMPLED_ROWS
        self._rows, self._width = rows * side, columns * side
        kind = np.dtype(np.uint32 if unit == 4 else np.uint64)
        self._even = kind.type(0x00FF00FF00FF00FF & (256**unit - 1))
        self._ones = kind.type(0x0001000100010001 & (256**unit - 1))
        self._top = kind.type(8 * unit - 16)
        self._samples = np.empty((SAMPLED_ROWS * rows, columns), kind)
        self._pairs = np.empty((2 * rows, columns), kind)
        self._shifted = np.empty_like(self._pairs)
        self._halves = np.empty((2 * rows, columns), np.float32)
        self.fine: Grid = np.empty((2 * rows, 2 * columns), np.float32)
        self._wide = np.empty((rows, 2 * columns), np.float32)
        self.cells: Grid = np.empty((rows, columns), np.float32)
        self.across, self.down = min(1.0, self._width / wide), min(1.0, self._rows / high)

    def look(self, luma: Luma) -> Grid:
        """``luma``: the Y plane, rows x columns, padding cut off. Returns ``cells``."""
        if any(self._pad):
            luma = np.pad(luma, ((0, self._pad[0]), (0, self._pad[1])), mode="edge")
        picked = luma[self._step // 2 : self._rows : self._step, : self._width]
        if picked.strides[1] != 1:
            picked = np.ascontiguousarray(picked)
        units = picked.view(self._samples.dtype)
        if self._each == 1:
            self._split(units)
        else:
            left = (self._each - 1) // 4
            self._gather(units[:, left :: self._each], self.fine[:, 0::2])
            self._gather(units[:, self._each - 1 - left :: self._each], self.fine[:, 1::2])
        np.add(self.fine[0::2], self.fine[1::2], out=self._wide)
        np.add(self._wide[:, 0::2], self._wide[:, 1::2], out=self.cells)
        np.multiply(self.cells, np.float32(0.25), out=self.cells)
        return self.cells

    def _sum_rows(self, units: NDArray[np.unsignedinteger]) -> None:
        np.bitwise_and(units, self._even, out=self._samples)
        np.add(self._samples[0::2], self._samples[1::2], out=self._pairs)

    def _split(self, units: NDArray[np.unsignedinteger]) -> None:
        """One unit is a cell: the lower lanes are its left half."""
        self._sum_rows(units)
        sums = self._pairs
        lanes, samples = 1, 2
        if sums.dtype == np.uint64:
            np.right_shift(sums, np.uint64(16), out=self._shifted)
            sums = np.add(sums, self._shifted, out=self._shifted)
            lanes, samples = 2, 4
        np.multiply(sums.view(np.uint16)[:, ::lanes], np.float32(1 / samples), out=self.fine)

    def _gather(self, units: NDArray[np.unsignedinteger], half: Grid) -> None:
        """One unit stands for half a cell: all its lanes, added by a multiplication."""
        self._sum_rows(units)
        np.multiply(self._pairs, self._ones, out=self._shifted)
        np.right_shift(self._shifted, self._top, out=self._shifted)
        samples = self._pairs.dtype.itemsize  # lanes are half of the bytes, rows are two
        np.multiply(self._shifted, np.float32(1 / samples), out=self._halves, casting="unsafe")
        half[:] = self._halves


def texture(fine: Grid, cells: Grid, across: Grid, down: Grid) -> None:
    """How much each cell's right half is brighter than its left, and its lower than its upper, in sums of
    two quadrants, beyond what a slope through the cells beside it accounts for; into the two arrays given.
    A soft shadow's edge is such a slope."""
    sideways = fine[:, 1::2] - fine[:, 0::2]
    np.add(sideways[0::2], sideways[1::2], out=across)
    across[:, 1:-1] -= np.float32(0.5) * (cells[:, 2:] - cells[:, :-2])
    upright = fine[1::2] - fine[0::2]
    np.add(upright[:, 0::2], upright[:, 1::2], out=down)
    down[1:-1] -= np.float32(0.5) * (cells[2:] - cells[:-2])
