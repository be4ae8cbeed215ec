"""What the camera makes of it: noise, gain, infra-red, a mast in the wind."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drawn.backdrop import HIGH, MARGIN, WIDE, Canvas, blotches
from drawn.weather import COLUMNS, ROWS, X, Y

Light = Callable[[float], tuple[float, float]]  # seconds -> gain, offset


def day(t: float) -> tuple[float, float]:
    return 1.0, 0.0


def night(t: float) -> tuple[float, float]:
    return 0.38, 14.0


@dataclass
class Camera:
    """``infra_red``: (from, to) in seconds; the switch takes 1.6 s and several steps."""

    light: Light = day
    noise: float = 2.5
    shake_px: int = 0
    infra_red: tuple[float, float] | None = None
    _noises: Canvas = field(init=False)
    _lit: Canvas = field(init=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng(9)
        # Half of it blotchy, as compression leaves it.
        self._noises = random.normal(0, 0.8 * self.noise, (HIGH + 200, WIDE + 200)).astype(np.float32)
        self._noises += blotches(random, HIGH + 200, WIDE + 200, 4, 0.6 * self.noise)
        lamp = np.exp(-(((X - 320) / 260) ** 2) - ((Y - 220) / 150) ** 2)
        self._lit = (0.35 + 0.9 * lamp).astype(np.float32)
        self._leaves = blotches(random, ROWS, COLUMNS, 12, 22)

    def shoot(self, canvas: Canvas, t: float, random: np.random.Generator) -> NDArray[np.uint8]:
        gain, offset = self.light(t)
        noise = 1.0
        if self.infra_red is not None:
            noise = self._turn(canvas, t, *self.infra_red)
        dx, dy = random.integers(-self.shake_px, self.shake_px + 1, 2) if self.shake_px else (0, 0)
        part = canvas[MARGIN + dy : MARGIN + dy + HIGH, MARGIN + dx : MARGIN + dx + WIDE]
        y, x = random.integers(0, 200, 2)
        shot = part * np.float32(gain) + np.float32(offset)
        shot += np.float32(noise) * self._noises[y : y + HIGH, x : x + WIDE]
        return np.clip(shot, 0, 255, out=shot).astype(np.uint8)

    def _turn(self, canvas: Canvas, t: float, start: float, end: float) -> float:
        """Dusk, the filter's click, lamp on and too bright, settled; the same way back."""
        for begin, there in ((start, False), (end, True)):
            since = t - begin
            if 0 <= since < 1.6:
                step = 3 - int(since / 0.4) if there else int(since / 0.4)
                if step >= 2:
                    self._grey(canvas)
                canvas *= (0.75, 0.35, 1.35, 1.1)[step]
                return 1.5
        if start <= t < end:
            self._grey(canvas)
            return 2.0
        return 1.0

    def _grey(self, canvas: Canvas) -> None:
        """Plants shine, paint loses its tone, the lamp lights the middle."""
        canvas *= 0.65
        canvas += 45 + self._leaves
        canvas *= self._lit
