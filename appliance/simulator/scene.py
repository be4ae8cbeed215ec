"""A drawn scene, straight into the planes of a 4:2:0 picture: a yard with walls, a door, people and a car.

What is seen is a function of (seed, size, time) and nothing else. The first person crosses the middle
of the picture 3.3-3.6 s after the scene began and every 11 s from then on, so that a rule on the
middle fires soon. Everything that can be is drawn once: a picture costs three copies and some blits.
"""

import math
import random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

GAITS = 8  # drawings of one stride
_STRIDE_S = 1.1
_LIGHT_STEP_S = 2.0  # how often the daylight is drawn anew
_LIGHT_PERIOD_S = 120.0


class Sprite(NamedTuple):
    """A figure: luma and its mask, chroma and its mask at half the size."""

    y: Plane
    mask: Mask
    u: Plane
    v: Plane
    half_mask: Mask


class Walk(NamedTuple):
    """Something that crosses the picture: visible for ``travel_s`` of every ``period_s``."""

    sprites: list[Sprite]
    foot: float  # where it touches the ground, 0..1 of the height
    period_s: float
    travel_s: float
    phase_s: float
    leftward: bool


class Scene:
    """``draw`` fills the planes as they are at ``time_s`` after the scene began."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._width, self._height = width, height
        dice = random.Random(seed)
        self._yard_y, self._u, self._v = _yard(width, height, dice)
        self._ramp = np.linspace(1.0, 0.3, height, dtype=np.float32)[:, None]
        self._light_step = -1
        self._y = np.empty((height, width), np.uint8)
        self._walks = _walks(height, dice)

    def draw(self, y: Plane, u: Plane, v: Plane, time_s: float) -> None:
        self._daylight(int(time_s / _LIGHT_STEP_S))
        y[:] = self._y
        u[:] = self._u
        v[:] = self._v
        for walk in self._walks:
            self._draw_walk(walk, y, u, v, time_s)

    def _daylight(self, step: int) -> None:
        if step == self._light_step:
            return
        self._light_step = step
        light = 12.0 * math.sin(2 * math.pi * step * _LIGHT_STEP_S / _LIGHT_PERIOD_S)
        np.clip(self._yard_y + light * self._ramp, 16, 235, out=self._y, casting="unsafe")

    def _draw_walk(self, walk: Walk, y: Plane, u: Plane, v: Plane, time_s: float) -> None:
        progress = (time_s + walk.phase_s) % walk.period_s / walk.travel_s
        if progress >= 1.0:
            return
        sprite = walk.sprites[int(time_s / _STRIDE_S * len(walk.sprites)) % len(walk.sprites)]
        high, wide = sprite.y.shape
        middle = -0.08 + 1.16 * (1.0 - progress if walk.leftward else progress)
        left = int(middle * self._width - wide / 2) // 2 * 2  # even: chroma has half the pixels
        top = int(walk.foot * self._height - high) // 2 * 2
        _blit(y, sprite.y, sprite.mask, left, top)
        _blit(u, sprite.u, sprite.half_mask, left // 2, top // 2)
        _blit(v, sprite.v, sprite.half_mask, left // 2, top // 2)


def _blit(onto: Plane, what: Plane, mask: Mask, left: int, top: int) -> None:
    height, width = onto.shape
    x0, x1 = max(0, left), min(width, left + what.shape[1])
    y0, y1 = max(0, top), min(height, top + what.shape[0])
    if x0 < x1 and y0 < y1:
        part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        np.copyto(onto[y0:y1, x0:x1], what[part], where=mask[part])


def _walks(height: int, dice: random.Random) -> list[Walk]:
    near, far, car = (max(16, int(height * part) // 2 * 2) for part in (0.42, 0.26, 0.17))
    return [  # from far to near: the nearer covers
        Walk([_car(car, dice)], 0.53, 23.0, 5.0, dice.uniform(0, 12), dice.random() < 0.5),
        Walk(_person(far, dice), 0.66, 17.0, 10.5, dice.uniform(0, 6), True),
        Walk(_person(near, dice), 0.86 + dice.uniform(0, 0.06), 11.0, 7.2, dice.uniform(0, 0.3), False),
    ]


def _yard(width: int, height: int, dice: random.Random) -> tuple[NDArray[np.float32], Plane, Plane]:
    y = np.empty((height, width), np.float32)
    u = np.full((height // 2, width // 2), 128, np.uint8)
    v = np.full((height // 2, width // 2), 128, np.uint8)
    horizon = int(height * dice.uniform(0.40, 0.44))
    y[:horizon] = np.linspace(170, 140, horizon)[:, None]  # the far wall in the light
    y[horizon:] = np.linspace(96, 124, height - horizon)[:, None]  # the floor
    y += np.linspace(-8, 8, width, dtype=np.float32)[None, :]
    u[: horizon // 2], v[: horizon // 2] = dice.randint(120, 136), dice.randint(122, 134)

    def box(x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        rows = slice(int(y0 * height) // 2 * 2, int(y1 * height) // 2 * 2)
        columns = slice(int(x0 * width) // 2 * 2, int(x1 * width) // 2 * 2)
        half = (slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2))
        y[rows, columns], u[half], v[half] = colour

    ground = horizon / height
    for _ in range(dice.randint(2, 3)):  # walls that stand out of the far one
        left = dice.uniform(0.0, 0.8)
        tone = dice.randint(110, 160)
        box(left, 0.12, left + dice.uniform(0.08, 0.16), ground, (tone, dice.randint(116, 132), 134))
    door = dice.uniform(0.1, 0.8)
    box(door, ground - 0.26, door + 0.07, ground, (62, dice.randint(110, 124), dice.randint(136, 150)))
    box(door + 0.055, ground - 0.13, door + 0.062, ground - 0.11, (200, 128, 128))
    box(0.0, ground + 0.06, 1.0, ground + 0.12, (78, 128, 128))  # the drive
    noise = np.random.default_rng(dice.randrange(2**32)).normal(0, 1.5, (height, width))
    y += noise.astype(np.float32)  # still, so that it costs the encoder nothing after a key frame
    return y, u, v


def _sprite(y: NDArray[np.float32], u: NDArray[np.float32], v: NDArray[np.float32]) -> Sprite:
    mask = y > 0
    return Sprite(
        y.astype(np.uint8),
        mask,
        u[::2, ::2].astype(np.uint8),
        v[::2, ::2].astype(np.uint8),
        np.ascontiguousarray(mask[::2, ::2]),
    )


def _person(high: int, dice: random.Random) -> list[Sprite]:
    """``GAITS`` drawings of a stride; limbs are thick lines, in units of the height."""
    wide = int(high * 0.5) // 2 * 2
    rows, columns = np.mgrid[0:high, 0:wide].astype(np.float32) / high
    centre = wide / high / 2
    skin = dice.randint(90, 190), dice.randint(108, 116), dice.randint(142, 152)
    coat, legs = _colour(dice, 40, 90), _colour(dice, 24, 60)
    sprites = []
    for gait in range(GAITS):
        swing = math.sin(2 * math.pi * gait / GAITS)
        planes = [np.zeros((high, wide), np.float32) for _ in range(3)]

        def limb(
            x0: float,
            y0: float,
            x1: float,
            y1: float,
            thick: float,
            colour: Colour,
            planes: list[NDArray[np.float32]] = planes,
        ) -> None:
            along = ((columns - x0) * (x1 - x0) + (rows - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
            along = np.clip(along, 0, 1)
            near = np.hypot(columns - x0 - along * (x1 - x0), rows - y0 - along * (y1 - y0)) < thick
            for plane, value in zip(planes, colour, strict=True):
                plane[near] = value

        limb(centre, 0.50, centre - 0.15 * swing, 0.95, 0.045, legs)
        limb(centre, 0.50, centre + 0.15 * swing, 0.95, 0.045, legs)
        limb(centre, 0.24, centre + 0.14 * swing, 0.48, 0.030, coat)
        limb(centre, 0.24, centre - 0.14 * swing, 0.48, 0.030, coat)
        limb(centre, 0.25, centre, 0.48, 0.085, coat)
        limb(centre, 0.08, centre, 0.10, 0.065, skin)
        sprites.append(_sprite(*planes))
    return sprites


def _car(high: int, dice: random.Random) -> Sprite:
    wide = int(high * 2.4) // 2 * 2
    rows, columns = np.mgrid[0:high, 0:wide].astype(np.float32) / high
    planes = [np.zeros((high, wide), np.float32) for _ in range(3)]
    paint = _colour(dice, 60, 180)
    body = (rows > 0.42) & (rows < 0.85) & (columns > 0.05) & (columns < 2.35)
    cabin = (rows > 0.08) & (rows <= 0.42) & (np.abs(columns - 1.2) < 0.35 + rows * 0.7)
    glass = (rows > 0.15) & (rows <= 0.40) & (np.abs(columns - 1.2) < 0.28 + rows * 0.7)
    wheels = np.minimum(np.hypot(columns - 0.5, rows - 0.83), np.hypot(columns - 1.9, rows - 0.83)) < 0.17
    parts: list[tuple[Mask, Colour]] = [
        (body | cabin, paint),
        (glass, (40, 132, 126)),
        (wheels, (22, 128, 128)),
    ]
    for mask, colour in parts:
        for plane, value in zip(planes, colour, strict=True):
            plane[mask] = value
    return _sprite(*planes)


def _colour(dice: random.Random, darkest: int, lightest: int) -> Colour:
    return dice.randint(darkest, lightest), dice.randint(96, 160), dice.randint(96, 160)
