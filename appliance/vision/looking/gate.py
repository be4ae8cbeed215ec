"""Does anything move? A small view of the Y plane against a background that follows slowly.

The background is a running mean and variance per cell (C. Wren et al., "Pfinder", 1997, section 3: one
Gaussian per place). Not motion is: what light or a shaking camera does to the whole picture (``light.Fit``),
what light does to a part of it (``light.Relit``), what has no edge (``light.sharp``), and lonely cells
(noise, rain). What then still changes half of the picture is a new scene, and so is less where most of the
picture changed by light: infra-red comes in several steps.
"""

from dataclasses import dataclass
from math import exp
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from appliance.vision.looking.around import band, count_around, middle, steps
from appliance.vision.looking.light import Fit, Relit, sharp
from appliance.vision.looking.masks import Mask, Polygon, open_cells
from appliance.vision.looking.view import Grid, View

Why = Literal["", "start", "size", "scene"]

FOLLOW_S = 4.0  # time constant of the background where it shows
FRONT_S = 30.0  # ... behind something that moves
PUT_DOWN_S = 3.0  # ... and where something stands that has not stirred for
STILL_S = 2.0
LIGHT_S = 2.0  # ... for light, which is no thing: a lamp that passed is not the background, a cloud will be
SIGMAS = 4.0
FLOOR = 5.0  # grey levels: below it a change is noise whatever the variance says
UNKNOWN = 4.0  # variance of a cell's mean before it is known, that of the only picture included
SCENE = 0.5  # share of changed cells that is a new scene
TURNED, UNTOLD = 0.4, 0.05  # so much changed, and so much of it not by light: a new scene as well
SUSPECT = 0.01  # share of changed cells from which on light is thought of
EXPLAINED = 0.6  # of it may be left for light to be the reason
ASK_EVERY, ASK_MORE = 4, 1.3
NOISIEST = 4.0  # how much a picture may be noisier than those before it
SMALLEST = 3  # cells of the patch that a thing makes: a person of 25 px in 360
LITTER, LITTERED = 3.0, 9  # so many lonely cells per picture mean rain: then a thing must be larger
LITTER_S = 5.0
FRINGE = 0.2
SHAKE_PX = 1.0  # steps in the background may move so far and are no motion
LEAP = np.float32(8.0)  # times the variance known so far is the most that one picture may say
NEIGHBOURS = 3  # changed cells in a 3x3 block, itself included, for a cell to count
LEARN_S = 1.0  # between looks at the slower parts of the model


@dataclass(frozen=True, slots=True)
class Motion:
    """``mask``: cells that differ from the background. ``fresh``: of these, the ones that also
    differ from the picture before; a thing that was put down stops being fresh. The cells cover
    ``across`` and ``down`` of the picture's width and height. ``why`` there is a ``new_scene``.
    ``still``: of ``mask``, what has not stirred for ``STILL_S``: put down, or the hole that something
    left. ``smallest``: patches of fewer cells mean nothing in this weather."""

    mask: Mask
    fresh: Mask
    new_scene: bool = False
    why: Why = ""
    across: float = 1.0
    down: float = 1.0
    still: Mask | None = None
    smallest: int = SMALLEST

    @property
    def any(self) -> bool:
        """Something moved, or everything did: worth a look."""
        return self.new_scene or bool(self.fresh.any())

    def share(self, x1: float, y1: float, x2: float, y2: float) -> float:
        """Share of the cells in a normalised box that changed just now, 0..1."""
        if self.new_scene:
            return 1.0
        rows, columns = self.fresh.shape
        wide, high = columns / self.across, rows / self.down
        left, right = int(max(0.0, x1) * wide), int(min(1.0, x2) * wide) + 1
        top, bottom = int(max(0.0, y1) * high), int(min(1.0, y2) * high) + 1
        part = self.fresh[top:bottom, left:right]
        return float(part.mean()) if part.size else 0.0


class Gate:
    """One per camera. Feed it frames in order; it starts again where the picture's size changes.
    ``masks``: polygons, 0..1, in which nothing counts."""

    def __init__(self, masks: tuple[Polygon, ...] = ()) -> None:
        self.masks = masks
        self._shape = (0, 0)
        self._time_ns = 0
        self._age_s = self._learn_at_s = 0.0
        self._noise, self._litter = UNKNOWN, 0.0
        self._asked = self._unlit = 0  # pictures since light was no answer, and what had changed in it
        self._count = self._lonely = 0  # changed cells of this picture; and those without neighbours
        self._view = View(1, 1)
        self._room(self._view)

    def look(self, luma: NDArray[np.uint8], time_ns: int) -> Motion:
        """``luma``: the Y plane, rows x columns, padding cut off."""
        if luma.shape != self._shape:
            why: Why = "size" if self._shape[0] else "start"
            self._shape = (luma.shape[0], luma.shape[1])
            self._view = View(*self._shape)
            self._room(self._view)
            return self._restart(self._view.look(luma), time_ns, why)
        cells = self._view.look(luma)
        step_s = min(2.0, max(0.0, (time_ns - self._time_ns) / 1e9))
        self._time_ns = time_ns
        self._age_s += step_s
        changed, light = self._compare(cells)
        mask = self._quiet
        if changed is not None:
            mask = changed & ~self._relit.places(changed)
            left = int(np.count_nonzero(mask))
            turned = self._count > TURNED * self._cells and left > UNTOLD * self._cells
            if left > SCENE * self._cells or turned:
                return self._restart(cells, time_ns, "scene")
            mask = sharp(self._away, mask)
        fresh = self._fresh(cells, mask)
        still = self._follow(mask, changed, fresh, light, step_s)
        smallest = LITTERED if self._litter > LITTER else SMALLEST
        return Motion(mask, fresh, False, "", self._view.across, self._view.down, still, smallest)

    # -- the picture against the background -------------------------------------------------

    def _compare(self, cells: Grid) -> tuple[Mask | None, Grid | np.float32]:
        """Cells that changed and are not lonely (None: nowhere), and what the light did. Leaves
        in ``_away`` what is left when that is taken away."""
        away = np.subtract(cells, self._mean, out=self._away)
        light: Grid | np.float32 = np.float32(middle(away[::2, ::2]))
        away -= light
        size = np.abs(away, out=self._size)
        np.greater(size, self._threshold, out=self._raw)
        count = int(np.count_nonzero(self._raw))
        if count > SUSPECT * self._cells:
            count, light = self._explain(cells, light, count)
        self._count = count
        self._lonely = count
        if count < NEIGHBOURS:
            return None, light
        changed = self._raw & self._open
        lonely = int(np.count_nonzero(changed))
        changed &= count_around(changed) >= NEIGHBOURS
        company = int(np.count_nonzero(changed))
        lonely -= company
        # The fringe of a large change is no rain.
        self._lonely = lonely if lonely > FRINGE * count else min(lonely, int(self._litter))
        return (changed if company else None), light

    def _explain(self, cells: Grid, light: Grid | np.float32, count: int) -> tuple[int, Grid | np.float32]:
        """Much has changed: by light, a shake of the camera, or noise? Where light was no answer a
        moment ago, it is not asked again before more has changed."""
        away, size = self._away, self._size
        self._asked += 1
        if self._asked > ASK_EVERY or count > ASK_MORE * self._unlit:
            np.subtract(cells, self._mean, out=away)
            lit = self._fit.solve(away)
            if lit:
                correction = self._fit.correction
                np.subtract(away, correction, out=away)
                np.abs(away, out=size)
                lit = int(np.count_nonzero(size > self._threshold)) < EXPLAINED * count
            if lit:
                light, self._unlit = correction, 0
            else:
                np.subtract(cells, self._mean, out=away)
                away -= light
                np.abs(away, out=size)
                self._asked, self._unlit = 0, count
        noisier = middle(size[::2, ::2]) / (0.6745 * self._noise**0.5)
        if noisier > 1.2:
            size *= 1 / min(noisier, NOISIEST)
        np.greater(size, self._threshold, out=self._raw)
        return int(np.count_nonzero(self._raw)), light

    def _fresh(self, cells: Grid, mask: Mask) -> Mask:
        """Of ``mask``, what also differs from the picture before. Leaves all that does in ``_plain``."""
        plain = np.subtract(cells, self._view.before, out=self._plain)
        plain -= np.float32(middle(plain[::2, ::2]))
        if mask is self._quiet:
            return mask
        rows = band(mask, 2) if np.count_nonzero(mask) else slice(0, 0)
        stirs = np.abs(plain[rows]) > self._threshold[rows]
        stirs &= count_around(stirs) >= NEIGHBOURS
        fresh = np.zeros(mask.shape, np.bool_)
        # A uniform coat changes only at its edges.
        np.bitwise_and(mask[rows], count_around(stirs) > 0, out=fresh[rows])
        return fresh

    # -- the background follows -------------------------------------------------------------

    def _follow(
        self, mask: Mask, changed: Mask | None, fresh: Mask, light: Grid | np.float32, step_s: float
    ) -> Mask | None:
        """Returns what of ``mask`` stands still, if there is any mask."""
        self._litter += (self._lonely - self._litter) * min(1.0, step_s / LITTER_S)
        young_s = max(step_s, min(FOLLOW_S, self._age_s))
        gain = np.float32(1.0 - exp(-step_s / young_s)) if step_s else np.float32(0.0)
        self._still_s += step_s
        follow: Grid | np.float32 = gain
        still = None
        if changed is not None:
            follow = gains = self._gain
            gains.fill(gain)
            np.copyto(gains, np.float32(1.0 - exp(-step_s / LIGHT_S)), where=changed)
            self._still_s[count_around(fresh) > 0] = 0.0
            still = self._still_s > STILL_S
            still &= mask
            np.copyto(gains, np.float32(1.0 - exp(-step_s / FRONT_S)), where=mask)
            np.copyto(gains, np.float32(1.0 - exp(-step_s / PUT_DOWN_S)), where=still)
        step = np.multiply(self._away, follow, out=self._size)
        self._mean += step
        self._mean += np.float32(1.0 - exp(-step_s / LIGHT_S)) * light
        self._measure(changed, gain)
        if self._age_s >= self._learn_at_s:
            self._learn(changed)
        return still

    def _measure(self, changed: Mask | None, gain: np.float32) -> None:
        """Noise is what differs from one picture to the next; against the mean, a cloud would be noise."""
        square = np.multiply(self._plain, self._plain, out=self._plain)
        square *= np.float32(0.5)
        np.minimum(square, np.multiply(self._variance, LEAP, out=self._size), out=square)
        square -= self._variance
        square *= gain
        if changed is not None:
            square[changed] = 0.0  # something in front of the background says nothing of its noise
        self._variance += square

    def _learn(self, changed: Mask | None) -> None:
        """What need not be known anew for every picture."""
        passed_s = LEARN_S + self._age_s - self._learn_at_s
        self._learn_at_s = self._age_s + LEARN_S
        settled = np.float32(1.0 - exp(-passed_s / max(passed_s, min(FOLLOW_S, self._age_s))))
        shows: Grid | float = float(settled)
        if changed is not None:
            shows = np.where(count_around(changed) == 0, settled, np.float32(0.0))
        self._relit.learn(shows)
        self._fit.learn(self._mean)
        self._noise = max(0.05, middle(self._variance[::2, ::2]))
        np.maximum(FLOOR, SIGMAS * np.sqrt(self._variance), out=self._threshold)
        self._threshold += np.float32(SHAKE_PX / self._view.side) * steps(self._mean)

    def _restart(self, cells: Grid, time_ns: int, why: Why) -> Motion:
        self._mean[:] = cells
        self._variance.fill(UNKNOWN)
        self._threshold.fill(SIGMAS * UNKNOWN**0.5)
        self._still_s.fill(0.0)
        self._age_s = self._learn_at_s = 0.0
        self._noise, self._litter, self._lonely = UNKNOWN, 0.0, 0
        self._asked = self._unlit = 0
        self._time_ns = time_ns
        self._relit.learn(1.0)
        self._fit.learn(self._mean)
        return Motion(self._quiet, self._quiet, True, why, self._view.across, self._view.down)

    def _room(self, view: View) -> None:
        """Arrays for pictures of one size, used again for each."""
        rows, columns = view.cells.shape

        def grid() -> Grid:
            return np.zeros((rows, columns), np.float32)

        self._mean, self._variance, self._threshold = grid(), grid(), grid()
        self._away, self._plain, self._still_s = grid(), grid(), grid()
        self._size, self._gain = grid(), grid()
        self._raw, self._quiet = (np.zeros((rows, columns), np.bool_) for _ in range(2))
        self._quiet.flags.writeable = False  # given away in every quiet Motion
        self._open = open_cells(self.masks, rows, columns, view.across, view.down)
        self._cells = max(1, int(np.count_nonzero(self._open)))
        self._fit, self._relit = Fit(rows, columns, view.side), Relit(view)
