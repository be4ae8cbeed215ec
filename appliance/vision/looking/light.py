"""What light and a shaking camera do to a picture, told from what things do.

``sharp``: things have edges; a lamp's pool, a cloud and whatever flies close to the lens have none.
``Fit``: the whole picture brighter, flatter or a pixel aside, as one linear model against the background,
fitted so that things in front of it do not count. ``Relit``: places whose texture is still the
background's, only darker or brighter: a shadow, a cloud, a lamp, headlights on a wall, a blurred insect
that the wall shows through.
"""

import numpy as np
from numpy.typing import NDArray

from appliance.vision.looking.view import Grid, texture

Mask = NDArray[np.bool_]

ROUNDS = 3
OUTLIER = 2.5  # of the residuals' spread
SPREAD = 1.4826  # median absolute deviation -> sigma of a Gaussian
LEAST = 2.0  # grey levels: residuals below it always count
SHIFT_MOST_PX = 3.0
GAIN_LEAST, GAIN_MOST = 0.3, 3.0

ALIKE = 0.25  # squared correlation of the texture, from which on a place is the same surface
TEXTURED = 1.0  # times the noise
EDGE = 0.5
PEAK_REACH = 2  # cells
REACH = 6  # cells that an edge speaks for
TEXTURE_NOISE = 16.0  # a difference of halves is so much noisier than a cell's mean, in variance


class Fit:
    """cells = mean + offset + gain * mean + shift along the mean's slope (B. Lucas and T. Kanade, "An
    iterative image registration technique", 1981, in cells), by reweighted least squares with a hard cut
    (P. Huber, "Robust Statistics", 1981, section 7). Shifts are in px of the analysed picture."""

    def __init__(self, rows: int, columns: int, side: int) -> None:
        self._side = side
        self._terms = np.ones((4, rows, columns), np.float32)
        self._flat = self._terms.reshape(4, -1)
        self._some = np.ones((4, len(range(0, rows, 2)) * len(range(0, columns, 2))), np.float32)
        self.correction: Grid = np.zeros((rows, columns), np.float32)

    def learn(self, mean: Grid) -> None:
        """A new background; now and then, since it changes slowly."""
        np.multiply(mean - np.float32(128), np.float32(1 / 128), out=self._terms[1])
        for term, axis in ((2, 1), (3, 0)):
            if mean.shape[axis] > 1:
                np.divide(np.gradient(mean, axis=axis), np.float32(self._side), out=self._terms[term])
        self._some[:] = self._terms[:, ::2, ::2].reshape(4, -1)

    def solve(self, away: Grid) -> bool:
        """``away``: cells less the mean. Fills ``correction``; False where no sane light explains it."""
        target = away[::2, ::2].ravel()
        residual = target - middle(target)
        found = np.zeros(4, np.float32)
        for _ in range(ROUNDS):
            size = np.abs(residual)
            cut = max(LEAST, OUTLIER * SPREAD * middle(size))
            kept = self._some * (size < cut)
            normal = kept @ self._some.T
            normal.flat[::5] += 1e-2  # a flat background says nothing of gain and shift
            found = np.linalg.solve(normal, kept @ target)
            residual = target - found @ self._some
        gain, aside = 1 + found[1] / 128, np.abs(found[2:]).max()
        if not (GAIN_LEAST < gain < GAIN_MOST and aside < SHIFT_MOST_PX):
            return False
        np.matmul(found, self._flat, out=self.correction.reshape(-1))
        return True


class Relit:
    """Remembers the background's texture: how cells' halves differ."""

    def __init__(self, rows: int, columns: int) -> None:
        shape = (rows, columns)
        self._now = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._known = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def learn(self, fine: Grid, cells: Grid, gain: Grid | float) -> None:
        """``gain`` per cell: 1 where this picture is the background, 0 where something stands before it."""
        texture(fine, cells, *self._now)
        for number, now in enumerate(self._now):
            np.add(self._known[number], gain * (now - self._known[number]), out=self._known[number])

    def places(self, fine: Grid, cells: Grid, changed: Mask, noise: float) -> Mask:
        """Which changed cells show the known texture: normalised correlation with what was there over the
        changed ones of about 5x5 cells (J. Jacques et al., "Background subtraction and shadow detection in
        grayscale video sequences", 2005, section 3.2, on differences in place of pixels: those have no mean
        to be subtracted)."""
        part = window(changed, 2)
        rows, columns = part
        quadrants = slice(2 * rows.start, 2 * rows.stop), slice(2 * columns.start, 2 * columns.stop)
        across, down = (now[part] for now in self._now)
        texture(fine[quadrants], cells[part], across, down)
        inside = changed[part].astype(np.float32)
        known_across, known_down = self._known[0][part], self._known[1][part]
        sums = np.empty((4, *inside.shape), np.float32)
        np.add(across * known_across, down * known_down, out=sums[0])
        np.add(across * across, down * down, out=sums[1])
        np.add(known_across * known_across, known_down * known_down, out=sums[2])
        sums[:3] *= inside
        sums[3] = inside
        near = block(sums)
        product, energy, known, count = block(near)  # 5x5 cells, the nearer the more
        same = (product > 0) & (product * product > ALIKE * energy * known)
        same &= (known > np.float32(TEXTURED * TEXTURE_NOISE * noise) * count) & changed[part]
        # A lone cell in a coat that looks like the wall behind is still the coat, and the other way round.
        relit = np.zeros_like(changed)
        relit[part] = changed[part] & (2 * count_around(same) > near[3])
        return relit


def window(cells: Mask, margin: int) -> tuple[slice, slice]:
    """The part of the grid that holds all set cells, and so many around."""
    (top, bottom), (left, right) = (
        (max(0, int(at[0]) - margin), min(most, int(at[-1]) + margin + 1))
        for at, most in zip(
            (np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))), cells.shape, strict=True
        )
    )
    return slice(top, bottom), slice(left, right)


def sharp(away: Grid, mask: Mask) -> Mask:
    """The parts of ``mask`` that hang together with an edge: a step between neighbouring cells of more than
    ``EDGE`` of what the place around differs by. (A Gaussian blot whose sigma is 12 px or more has steps of
    0.4 at most between cells of 8 px; of two cells that share a sharp edge at least one step has 0.5.)"""
    if not mask.any():
        return mask
    part = window(mask, 2)
    near, inside = away[part], mask[part]
    peak = np.abs(near)
    for _ in range(PEAK_REACH):
        spread(peak)
    edge = inside & (steps(near) > EDGE * peak)
    known = np.count_nonzero(edge)
    for _ in range(REACH):
        edge = inside & (count_around(edge) > 0)
        before, known = known, np.count_nonzero(edge)
        if known == before:
            break
    result = np.zeros_like(mask)
    result[part] = edge
    return result


def steps(cells: Grid) -> Grid:
    """How much each cell differs from that of its four neighbours that differs most."""
    step = np.zeros_like(cells)
    upright, across = np.abs(cells[1:] - cells[:-1]), np.abs(cells[:, 1:] - cells[:, :-1])
    np.maximum(step[1:], upright, out=step[1:])
    np.maximum(step[:-1], upright, out=step[:-1])
    np.maximum(step[:, 1:], across, out=step[:, 1:])
    np.maximum(step[:, :-1], across, out=step[:, :-1])
    return step


def spread(cells: Grid) -> None:
    """Each cell becomes the largest of the 3x3 around it."""
    tall = np.maximum(cells[1:], cells[:-1])
    np.maximum(cells[1:], tall, out=cells[1:])
    np.maximum(cells[:-1], tall, out=cells[:-1])
    wide = np.maximum(cells[:, 1:], cells[:, :-1])
    np.maximum(cells[:, 1:], wide, out=cells[:, 1:])
    np.maximum(cells[:, :-1], wide, out=cells[:, :-1])


def middle(values: Grid) -> float:
    """The median, of an even number the upper one: ``np.median`` costs eight times as much."""
    flat = values.ravel()
    half = len(flat) // 2
    return float(np.partition(flat, half)[half])


def count_around(cells: Mask) -> NDArray[np.uint8]:
    """How many of the 3x3 cells around each are set."""
    rows, columns = cells.shape
    padded = np.zeros((rows + 2, columns + 2), np.uint8)
    padded[1:-1, 1:-1] = cells
    tall = padded[:-2] + padded[1:-1]
    tall += padded[2:]
    total: NDArray[np.uint8] = tall[:, :-2] + tall[:, 1:-1]
    total += tall[:, 2:]
    return total


def block(cells: Grid) -> Grid:
    """Sums over the 3x3 cells around each; of several grids at once, along the first axis."""
    *more, rows, columns = cells.shape
    padded = np.zeros((*more, rows + 2, columns + 2), np.float32)
    padded[..., 1:-1, 1:-1] = cells
    tall = padded[..., :-2, :] + padded[..., 1:-1, :]
    tall += padded[..., 2:, :]
    total: Grid = tall[..., :-2] + tall[..., 1:-1]
    total += tall[..., 2:]
    return total
