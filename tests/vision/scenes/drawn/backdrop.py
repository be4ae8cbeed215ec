"""A yard: sky, a brick wall with windows, asphalt. And sprites to stand in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]

HIGH, WIDE = 360, 640
MARGIN = 4  # px around the picture, for a camera that shakes
HORIZON = 110.0  # px from the top


def blotches(random: np.random.Generator, high: int, wide: int, grain: int, level: float) -> Canvas:
    """Smooth noise whose blots are ``grain`` px."""
    coarse = random.normal(0, level, (high // grain + 2, wide // grain + 2))
    big = np.kron(coarse, np.ones((grain, grain)))[: high + grain, : wide + grain]
    for axis in (0, 1):  # a box filter of one grain makes it linear in between
        total = np.cumsum(big, axis=axis)
        big = (np.roll(total, -grain, axis) - total) / grain
    return big[:high, :wide].astype(np.float32)


def yard(seed: int = 1) -> Canvas:
    """With ``MARGIN`` px around it."""
    random = np.random.default_rng(seed)
    high, wide = HIGH + 2 * MARGIN, WIDE + 2 * MARGIN
    y, x = np.mgrid[:high, :wide]
    ground = 95 + 0.12 * (y - HORIZON)
    canvas = ground + sum(blotches(random, high, wide, g, level) for g, level in ((3, 7), (9, 8), (30, 10)))
    bricks = (
        125 + 25 * ((y % 12 < 2) | ((x + 14 * (y // 12 % 2)) % 28 < 2)) + blotches(random, high, wide, 6, 9)
    )
    canvas = np.where(y < HORIZON + 20, bricks, canvas)
    canvas = np.where(y < 40, 190 + blotches(random, high, wide, 40, 4), canvas)
    for left in range(60, wide - 60, 110):
        canvas[60:95, left : left + 34] = 50
        canvas[76:78, left : left + 34] = 150
    canvas[150:153, :] = 170  # a kerb, and parking lines
    for left in range(40, wide - 60, 150):
        canvas[155:350, left : left + 3] = 175
    return canvas.astype(np.float32)


@dataclass(frozen=True)
class Sprite:
    """``looks``: poses x rows x columns of luma; ``solid``: 0..1, the same shape."""

    looks: Canvas
    solid: Canvas

    def put(self, canvas: Canvas, left: float, top: float, wide: float, high: float, pose: int = 0) -> None:
        """Scaled to the nearest sample and clipped by the canvas."""
        x, y, w, h = round(left) + MARGIN, round(top) + MARGIN, max(1, round(wide)), max(1, round(high))
        x0, y0, x1, y1 = max(0, x), max(0, y), min(canvas.shape[1], x + w), min(canvas.shape[0], y + h)
        if x1 <= x0 or y1 <= y0:
            return
        _, rows, columns = self.looks.shape
        at = np.ix_((np.arange(y0, y1) - y) * rows // h, (np.arange(x0, x1) - x) * columns // w)
        part = canvas[y0:y1, x0:x1]
        part += self.solid[pose][at] * (self.looks[pose][at] - part)


def person(seed: int, coat: float) -> Sprite:
    """160x64: head, coat of luma ``coat``, legs in four poses."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :64].astype(np.float32)
    looks, solid = [], []
    for pose in range(4):
        swing = (0.0, 9.0, 0.0, -9.0)[pose]
        head = ((y - 14) / 14) ** 2 + ((x - 32) / 9) ** 2 < 1
        trunk = (y >= 26) & (y < 90) & (np.abs(x - 32) < 15 + 3 * (y < 70))
        stride = swing * (y - 88) / 72
        legs = (y >= 88) & ((np.abs(x - 26 - stride) < 7) | (np.abs(x - 38 + stride) < 7))
        look = np.where(head, 150, np.where(trunk, coat, coat * 0.6 + 12)) + blotches(random, 160, 64, 8, 6)
        looks.append(look)
        solid.append((head | trunk | legs).astype(np.float32))
    return Sprite(np.stack(looks).astype(np.float32), np.stack(solid))


def car(seed: int, paint: float) -> Sprite:
    """90x240, from the side."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:90, :240].astype(np.float32)
    body = (y >= 36) & (y < 78) & (x > 3) & (x < 237)
    cabin = (y < 40) & (x > 50 + (40 - y) * 0.6) & (x < 190 - (40 - y) * 0.5)
    glass = cabin & (y > 7) & (np.abs(x - 118) > 4)
    wheels = ((y - 74) ** 2 + (x - 52) ** 2 < 230) | ((y - 74) ** 2 + (x - 190) ** 2 < 230)
    look = np.where(wheels, 28, np.where(glass, 60, paint)) + blotches(random, 90, 240, 20, 4)
    return Sprite(look[None].astype(np.float32), (body | cabin | wheels)[None].astype(np.float32))
