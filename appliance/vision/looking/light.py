"""What light and a shaking camera do to a picture, told from what things do.

``sharp``: things have edges; a lamp's pool, a cloud and whatever flies close to the lens have none.
``Fit``: the whole picture brighter, flatter or a pixel aside, as one linear model against the background,
fitted so that things in front of it do not count. ``Relit``: places whose texture is still the
background's, only darker or brighter: a shadow, a cloud, a lamp, headlights on a wall, a blurred insect
that the wall shows through.
"""

import numpy as np

from appliance.vision.looking.around import add_around, band, grow, laid, middle, peaks, steps, sums_around
from appliance.vision.looking.masks import Mask
from appliance.vision.looking.view import Grid, View, texture

ROUNDS = 2
OUTLIER = 2.5  # of the residuals' spread
SPREAD = 1.4826  # median absolute deviation -> sigma of a Gaussian
LEAST = 2.0  # grey levels: residuals below it always count
SHIFT_MOST_PX = 3.0
GAIN_LEAST, GAIN_MOST = 0.3, 3.0

ALIKE = 0.25  # squared correlation of the texture, from which on a place is the same surface
EDGE = 0.5
REACH = 6  # cells that an edge speaks for


class Fit:
    """cells = mean + offset + gain * mean + shift along the mean's slope (B. Lucas and T. Kanade, "An
    iterative image registration technique", 1981, in cells), by reweighted least squares with a hard cut
    (P. Huber, "Robust Statistics", 1981, section 7). Shifts are in px of the analysed picture."""

    def __init__(self, rows: int, columns: int, side: int) -> None:
        self._side = side
        self._terms = np.ones((4, rows, columns), np.float32)
        self._flat = self._terms.reshape(4, -1)
        self._some = np.ones((5, len(range(0, rows, 2)) * len(range(0, columns, 2))), np.float32)
        self.correction: Grid = np.zeros((rows, columns), np.float32)

    def learn(self, mean: Grid) -> None:
        """A new background; now and then, since it changes slowly."""
        np.multiply(mean - np.float32(128), np.float32(1 / 128), out=self._terms[1])
        slope(mean, self._terms[2], self._side)
        slope(mean.T, self._terms[3].T, self._side)
        self._some[:4] = self._terms[:, ::2, ::2].reshape(4, -1)

    def solve(self, away: Grid) -> bool:
        """``away``: cells less the mean. Fills ``correction``; False where no sane light explains it."""
        known, some, target = self._some, self._some[:4], self._some[4]
        target[:] = away[::2, ::2].flat
        residual = target - middle(target)
        found = np.zeros(4, np.float32)
        for _ in range(ROUNDS):
            size = np.abs(residual)
            cut = max(LEAST, OUTLIER * SPREAD * middle(size))
            kept = some * (size < cut).astype(np.float32)
            sums = kept @ known.T
            sums[:, :4].flat[::5] += 1e-2  # a flat background says nothing of gain and shift
            found = np.linalg.solve(sums[:, :4], sums[:, 4])
            residual = target - found @ some
        gain, aside = 1 + found[1] / 128, np.abs(found[2:]).max()
        if not (GAIN_LEAST < gain < GAIN_MOST and aside < SHIFT_MOST_PX):
            return False
        np.matmul(found, self._flat, out=self.correction.reshape(-1))
        return True


def slope(cells: Grid, term: Grid, side: int) -> None:
    """Along the rows, per px, into ``term``: ``np.gradient`` costs three times as much."""
    if cells.shape[1] > 1:
        np.subtract(cells[:, 2:], cells[:, :-2], out=term[:, 1:-1])
        term *= np.float32(0.5 / side)
        term[:, 0] = (cells[:, 1] - cells[:, 0]) * np.float32(1 / side)
        term[:, -1] = (cells[:, -1] - cells[:, -2]) * np.float32(1 / side)


class Relit:
    """Remembers the background's texture: how cells' halves differ."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: Grid = np.zeros((2, *view.cells.shape), np.float32)
        self._energy: Grid = np.zeros(view.cells.shape, np.float32)

    def learn(self, gain: Grid | float) -> None:
        """From the last look. ``gain`` per cell: 1 where that is the background, 0 where something stands
        before it."""
        now = texture(self._view, slice(0, len(self._energy)))
        self._known += gain * (now - self._known)
        across, down = self._known * self._known
        np.add(across, down, out=self._energy)

    def places(self, changed: Mask) -> Mask:
        """Which changed cells show the known texture: normalised correlation with what was there over the
        changed ones of about 5x5 cells (J. Jacques et al., "Background subtraction and shadow detection in
        grayscale video sequences", 2005, section 3.2, on differences in place of pixels: those have no mean
        to be subtracted)."""
        rows = band(changed, 2)
        inside = changed[rows]
        counted = inside.astype(np.float32)
        now = texture(self._view, rows) * counted
        flat, sums = laid(counted, 2, 3)
        for number, (across, down) in enumerate((now * self._known[:, rows], now * now)):
            np.add(across, down, out=sums[number])
        np.multiply(self._energy[rows], counted, out=sums[2])
        wide = inside.shape[1] + 2
        product, energy, known = sums_around(flat, wide)
        same = product > 0
        energy *= known
        energy *= np.float32(ALIKE)
        product *= product
        same &= product > energy
        relit = np.zeros(changed.shape, np.bool_)
        if np.count_nonzero(same):
            # A lone cell in a coat that looks like the wall behind is still the coat, and the reverse.
            votes = (same.reshape(-1, wide)[:, :-2] & inside).view(np.int8)
            votes += votes
            votes -= inside.view(np.int8)
            np.bitwise_and(add_around(votes) > 0, inside, out=relit[rows])
        return relit


def sharp(away: Grid, mask: Mask) -> Mask:
    """The parts of ``mask`` that hang together with an edge: a step between neighbouring cells of more than
    ``EDGE`` of what the place around differs by. (A Gaussian blot whose sigma is 12 px or more has steps of
    0.4 at most between cells of 8 px; of two cells that share a sharp edge at least one step has 0.5.)"""
    if not np.count_nonzero(mask):
        return mask
    rows = band(mask, 2)
    near, inside = away[rows], mask[rows]
    result = np.zeros(mask.shape, np.bool_)
    result[rows] = grow(inside & (steps(near) > EDGE * peaks(near)), inside, REACH)
    return result
