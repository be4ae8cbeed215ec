"""How far a box may jitter at a border without having moved."""

import math
from collections.abc import Sequence

from appliance.base.geometry import Point
from appliance.base.model import Box

LEAST = 0.005  # of the picture: half a percent is a pixel or three of the analysed stream
MOST = 0.03
OF_HEIGHT = 0.04  # detectors place the lower edge of a box to a few percent of its height


def margin(box: Box) -> float:
    """In picture units, 0..1: the hysteresis for an object of this size."""
    return min(MOST, max(LEAST, OF_HEIGHT * box.height))


def anchor(box: Box) -> Point:
    """The anchor point, just inside the picture: a person cut off by the lower edge of the picture
    stands on it, and a zone drawn down to that edge means that person too."""
    x, y = box.anchor
    return min(1 - 1e-6, max(1e-6, x)), min(1 - 1e-6, max(1e-6, y))


def border_distance(polygon: Sequence[Point], p: Point) -> float:
    """From ``p`` to the nearest edge."""
    return min(_edge_distance(polygon[i - 1], polygon[i], p) for i in range(len(polygon)))


def _edge_distance(a: Point, b: Point, p: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    t = 0.0 if length2 == 0 else max(0.0, min(1.0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length2))
    return math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy)
