"""Who is to be found: persons and cars on paths through the yard, with their truth boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drawn.backdrop import HIGH, HORIZON, MARGIN, WIDE, Canvas, Sprite, car, person

PERSON_HIGH, PERSON_WIDE = 0.55, 0.4  # of the distance to the horizon; of the height
CAR_HIGH, CAR_WIDE = 0.47, 2.6
STILL_PX_S = 2.0  # who is slower stands

Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Truth:
    """One object in one picture: corners 0..1, clipped; ``seen``, the share of it in the picture."""

    name: str
    label: str
    box: Corners
    seen: float
    moves: bool


@dataclass(frozen=True)
class Actor:
    """``path``: (seconds, x of the middle, y of the feet) in px; straight in between, not there before and
    after. ``shadow``: 0 none, else its length by the height, to the right."""

    name: str
    label: str
    sprite: Sprite
    path: Sequence[tuple[float, float, float]]
    shadow: float = 0.0

    def at(self, t: float) -> tuple[float, float] | None:
        times = [when for when, _, _ in self.path]
        if not times[0] <= t <= times[-1]:
            return None
        x = float(np.interp(t, times, [x for _, x, _ in self.path]))
        return x, float(np.interp(t, times, [y for _, _, y in self.path]))

    def size(self, y: float) -> tuple[float, float]:
        """Width and height in px at that depth."""
        high, wide = (PERSON_HIGH, PERSON_WIDE) if self.label == "person" else (CAR_HIGH, CAR_WIDE)
        return wide * high * (y - HORIZON), high * (y - HORIZON)

    def truth(self, t: float) -> Truth | None:
        place = self.at(t)
        if place is None:
            return None
        x, y = place
        wide, high = self.size(y)
        x1, y1, x2, y2 = x - wide / 2, y - high, x + wide / 2, y
        cut = max(0.0, x1), max(0.0, y1), min(float(WIDE), x2), min(float(HIGH), y2)
        seen = max(0.0, cut[2] - cut[0]) * max(0.0, cut[3] - cut[1]) / (wide * high)
        box = cut[0] / WIDE, cut[1] / HIGH, cut[2] / WIDE, cut[3] / HIGH
        return Truth(self.name, self.label, box, seen, self.moves(t)) if seen > 0.05 else None

    def moves(self, t: float) -> bool:
        before, after = self.at(max(t - 0.25, self.path[0][0])), self.at(min(t + 0.25, self.path[-1][0]))
        assert before is not None and after is not None
        return float(np.hypot(after[0] - before[0], after[1] - before[1])) > STILL_PX_S * 0.5

    def draw(self, canvas: Canvas, t: float) -> None:
        place = self.at(t)
        if place is None:
            return
        x, y = place
        wide, high = self.size(y)
        if self.shadow:
            cast_shadow(canvas, x, y, wide, high * self.shadow)
        pose = int(t * 4) % 4 if self.label == "person" and self.moves(t) else 0
        self.sprite.put(canvas, x - wide / 2, y - high, wide, high, pose)


def cast_shadow(canvas: Canvas, x: float, y: float, wide: float, long: float, depth: float = 0.45) -> None:
    """On the ground from the feet to the right, soft at its edges."""
    left, right = max(0, int(x + MARGIN)), min(canvas.shape[1], int(x + long) + MARGIN)
    top, bottom = (
        max(0, int(y - 0.5 * wide) + MARGIN - 6),
        min(canvas.shape[0], int(y + 0.2 * wide) + MARGIN + 6),
    )
    if right <= left or bottom <= top:
        return
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    off = np.abs(rows - (y + MARGIN - 0.15 * wide)) / (0.35 * wide + 4)
    fade = np.clip(1.5 - off * 1.5, 0, 1) * np.clip((x + long + MARGIN - columns) / 30, 0, 1)
    canvas[top:bottom, left:right] *= 1 - depth * fade


def standing(name: str, label: str, sprite: Sprite, x: float, y: float, start: float, end: float) -> Actor:
    return Actor(name, label, sprite, ((start, x, y), (end, x, y)))


def passers(start: float, shadow: float = 0.0) -> list[Actor]:
    """The cast that is to be found everywhere: near, far, slow, stopping, and a car."""
    s = start
    return [
        Actor("near", "person", person(1, 45), ((s, -30, 330), (s + 9, 670, 335)), shadow),
        Actor("far", "person", person(2, 190), ((s + 3, 655, 165), (s + 25, -15, 165)), shadow),
        Actor("slow", "person", person(3, 60), ((s + 11, 150, 432), (s + 13, 160, 300), (s + 27, 330, 250),
              (s + 30, 420, 155)), shadow),
        Actor("stops", "person", person(4, 210), ((s + 12, 670, 270), (s + 15, 480, 280), (s + 22, 480, 280),
              (s + 26, 670, 290)), shadow),
        Actor("passes", "car", car(5, 200), ((s + 29, -180, 230), (s + 34, 820, 230))),
    ]  # fmt: skip
