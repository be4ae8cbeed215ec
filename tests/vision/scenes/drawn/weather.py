"""What is not to be found: trees, rain, insects, shadows, lights."""

from dataclasses import dataclass, field

import numpy as np

from drawn.actors import cast_shadow
from drawn.backdrop import HIGH, MARGIN, WIDE, Canvas, blotches

ROWS, COLUMNS = HIGH + 2 * MARGIN, WIDE + 2 * MARGIN
Y, X = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)


class Weather:
    """One thing that happens. ``behind`` draws before the actors, ``before`` after them."""

    def behind(self, canvas: Canvas, t: float) -> None:
        """On the backdrop."""

    def before(self, canvas: Canvas, t: float, random: np.random.Generator) -> None:
        """On everything."""


@dataclass
class Tree(Weather):
    left: int = 430
    top: int = 60
    sway_px: float = 7.0
    wide: int = 150
    high: int = 170
    leaves: Canvas = field(init=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng(5)
        self.leaves = 70 + blotches(random, self.high, self.wide + 60, 5, 28)
        y, x = np.mgrid[: self.high, : self.wide + 60]
        round_ = (
            ((y - 60) / 62.0) ** 2
            + ((x - 105) / 72.0) ** 2
            + blotches(random, self.high, self.wide + 60, 9, 0.25)
        )
        self.solid = (round_ < 1) | ((np.abs(x - 105) < 5) & (y > 60))

    def behind(self, canvas: Canvas, t: float) -> None:
        gust = 0.6 + 0.4 * np.sin(t / 3.1) * np.sin(t / 1.7 + 1)
        rows = np.arange(self.high)
        bend = np.clip(1.2 - rows / self.high, 0, 1)
        shift = np.round(self.sway_px * gust * bend * np.sin(2.6 * t + rows / 25)).astype(int)
        columns = np.arange(30, 30 + self.wide)[None, :] - shift[:, None]
        part = canvas[self.top : self.top + self.high, self.left : self.left + self.wide]
        at = rows[:, None], columns
        part += self.solid[at] * (self.leaves[at] - part)


@dataclass
class Rain(Weather):
    streaks: int = 120
    bright: float = 25.0

    def before(self, canvas: Canvas, t: float, random: np.random.Generator) -> None:
        for x, y, long, wide in zip(
            random.integers(0, COLUMNS, self.streaks), random.integers(-20, ROWS, self.streaks),
            random.integers(10, 30, self.streaks), random.integers(1, 3, self.streaks), strict=True,
        ):  # fmt: skip
            canvas[max(0, y) : max(0, y + long), x : x + wide] += self.bright


@dataclass
class Insects(Weather):
    """Blurred bright blobs near the lens, on jerky ways, each for about a second; and a slow spider."""

    every_s: float = 2.0

    def before(self, canvas: Canvas, t: float, random: np.random.Generator) -> None:
        number = int(t / self.every_s)
        own = np.random.default_rng(number + 100)
        along = (t - number * self.every_s) / own.uniform(0.5, 1.4)
        if along > 1:
            return
        start, end = own.uniform((0, 0), (COLUMNS, ROWS)), own.uniform((0, 0), (COLUMNS, ROWS))
        x, y = start + along * (end - start) + 25 * np.sin(along * own.uniform(4, 14, 2))
        glow(canvas, x, y, own.uniform(12, 35), own.uniform(12, 30), own.uniform(40, 110))


@dataclass
class Cloud(Weather):
    start: float = 10.0
    px_s: float = 60.0
    depth: float = 0.4

    def before(self, canvas: Canvas, t: float, random: np.random.Generator) -> None:
        along = (t - self.start) * self.px_s
        column = X[0]
        inside = np.clip((along - column) / 80, 0, 1) * np.clip((column - along + 700) / 80, 0, 1)
        canvas *= 1 - self.depth * inside


@dataclass
class LongShadow(Weather):
    """Of somebody who stays outside of the picture."""

    start: float
    seconds: float = 8.0
    y: float = 320.0

    def behind(self, canvas: Canvas, t: float) -> None:
        along = (t - self.start) / self.seconds
        if 0 <= along <= 1:
            cast_shadow(canvas, -320 + 320 * np.sin(np.pi * along), self.y - 40 * along, 60, 300)


@dataclass
class Headlights(Weather):
    """Two pools of light that sweep over wall and ground in 2.5 s."""

    every_s: float = 9.0

    def before(self, canvas: Canvas, t: float, random: np.random.Generator) -> None:
        along = (t % self.every_s) / 2.5
        if along > 1:
            return
        for aside in (0, 110):
            x = -100 + 850 * along - aside
            pool = np.exp(-(((X - x) / 75) ** 2) - ((Y - 140) / 60) ** 2)
            canvas *= 1 + 2.2 * pool


@dataclass
class Sign(Weather):
    """Lit for two seconds, dark for two."""

    lit_s: float = 2.0

    def behind(self, canvas: Canvas, t: float) -> None:
        if t % (2 * self.lit_s) < self.lit_s:
            canvas[64:100, 404:524] = 230
            canvas[72:92:6, 414:514] = 120


def glow(canvas: Canvas, x: float, y: float, wide: float, high: float, bright: float) -> None:
    left, right = int(max(0, x - 3 * wide)), int(min(COLUMNS, x + 3 * wide))
    top, bottom = int(max(0, y - 3 * high)), int(min(ROWS, y + 3 * high))
    if right > left and bottom > top:
        at = slice(top, bottom), slice(left, right)
        canvas[at] += bright * np.exp(-(((X[at] - x) / wide) ** 2) - ((Y[at] - y) / high) ** 2)
