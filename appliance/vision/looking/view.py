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
Units = NDArray[np.unsignedinteger]

MOST_COLUMNS = 96
NARROW = 4 * MOST_COLUMNS  # px: pictures up to here have cells of 4 px, so that things far off are seen
SAMPLED_ROWS = 4  # of a cell; two for each quadrant


class View:
    """For pictures of one size. ``look`` fills ``cells``: means of 0..255, rows x columns; the cells of the
    look before are in ``before``. What is left over at the right and the bottom is less than a cell and is
    not seen; ``across`` and ``down`` are the shares of the picture that are."""

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
        self._lanes = lanes = unit // 2
        # Times these, a unit's uppermost lane is the sum of its lanes, or its upper half less its lower.
        self._all = kind.type(sum(1 << 16 * n for n in range(lanes)))
        self._turn = kind.type(sum((1 if 2 * n < lanes else -1) << 16 * n for n in range(lanes)) % 256**unit)
        self._half = kind.type(1 << 8 * unit - 17)  # of one in that lane: the lanes below may borrow that
        self._samples = np.empty((SAMPLED_ROWS * rows, columns), kind)
        sides = 1 if self._each == 1 else 2
        # Sums of two rows, in lanes of 16 bits: of whole cells, or of their left and their right halves.
        self._pairs = np.empty((sides, 2 * rows, columns), kind)
        self._whole, self._total = np.empty((rows, columns), kind), np.empty((rows, columns), kind)
        self._share = np.float32(2 / (SAMPLED_ROWS * sides * unit))  # one sample of a cell
        self.cells: Grid = np.zeros((rows, columns), np.float32)
        self.before: Grid = np.zeros((rows, columns), np.float32)
        self.across, self.down = min(1.0, self._width / wide), min(1.0, self._rows / high)

    def look(self, luma: Luma) -> Grid:
        """``luma``: the Y plane, rows x columns, padding cut off. Returns ``cells``."""
        if any(self._pad):
            luma = np.pad(luma, ((0, self._pad[0]), (0, self._pad[1])), mode="edge")
        picked = luma[self._step // 2 : self._rows : self._step, : self._width]
        if picked.strides[1] != 1:
            picked = np.ascontiguousarray(picked)
        units = picked.view(self._samples.dtype)
        if self._each > 1:
            left = (self._each - 1) // 4
            self._sum_rows(units[:, self._each - 1 - left :: self._each], self._pairs[-1])
            units = units[:, left :: self._each]
        pairs = self._sum_rows(units, self._pairs[0])
        whole = np.add(pairs[0::2], pairs[1::2], out=self._whole)
        if self._each > 1:
            whole += self._pairs[1, 0::2]
            whole += self._pairs[1, 1::2]
        self.cells, self.before = self.before, self.cells
        np.copyto(self.cells, self._top(np.multiply(whole, self._all, out=self._total)))
        self.cells *= self._share
        return self.cells

    def _sum_rows(self, units: Units, pairs: Units) -> Units:
        np.bitwise_and(units, self._even, out=self._samples)
        return np.add(self._samples[0::2], self._samples[1::2], out=pairs)

    def _top(self, units: Units) -> NDArray[np.int16]:
        return units.view(np.int16)[:, self._lanes - 1 :: self._lanes]

    def halves(self, rows: slice) -> Grid:
        """How much the right half of each cell in these rows is brighter than the left one, and the lower
        than the upper, in sums of two quadrants' means, at the last look; 2 x rows x columns. Made only
        where somebody asks: most pictures are not asked about."""
        pairs = self._pairs[:, 2 * rows.start : 2 * rows.stop]
        upper, lower = pairs[:, 0::2], pairs[:, 1::2]
        down = lower[0] - upper[0]
        if self._each == 1:  # a unit is a cell: the lower lanes are its left half
            across = self._whole[rows] * self._turn
        else:
            down += lower[1] - upper[1]
            across = (lower[1] - lower[0]) + (upper[1] - upper[0])
            across *= self._all
        down *= self._all
        found = np.empty((2, *down.shape), np.float32)
        np.copyto(found[0], self._top(np.add(across, self._half, out=across)))
        np.copyto(found[1], self._top(np.add(down, self._half, out=down)))
        found *= 4 * self._share
        return found


def texture(view: View, rows: slice) -> Grid:
    """The halves of the cells in these rows, beyond what a slope through the cells beside accounts for: a
    soft shadow's edge is such a slope. 2 x rows x columns."""
    cells = view.cells[rows]
    columns = cells.shape[1]
    found = view.halves(rows)
    flat = cells.reshape(-1)
    slope = flat[2:] - flat[:-2]
    slope *= np.float32(0.5)
    slope[columns - 2 :: columns] = 0.0  # at a row's end and at the next one's begin
    slope[columns - 1 :: columns] = 0.0
    found[0].reshape(-1)[1:-1] -= slope
    slope = cells[2:] - cells[:-2]
    slope *= np.float32(0.5)
    found[1, 1:-1] -= slope
    return found
