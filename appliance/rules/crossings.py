"""One track and one line: who went over it, in which direction, once.

The path of the anchor point is the polyline through its observations. Each time it passes the
infinite line between the two ends of ours is a transit; the transits are summed up until the object
is farther than the margin from the line. Only then it has settled, and has crossed if it settled on
the other side than before and went there through our line and not around its end.
"""

import math
from dataclasses import dataclass
from typing import Literal

from appliance.base.geometry import Point, side
from appliance.base.model import TrackPoint
from appliance.rules.margin import anchor, margin

Direction = Literal["forward", "backward"]
Crossing = tuple[Direction, int, TrackPoint]  # when it happened, ns; the observation after it


@dataclass
class LineState:
    """Sides are -1 (left of first -> second point, as seen on the screen), +1 (right) or 0 (not
    known yet). ``through`` is how often, forward minus backward, the path went through our line
    since it settled."""

    last: TrackPoint | None = None
    side: int = 0
    settled: int = 0
    through: int = 0
    transit: tuple[int, TrackPoint] | None = None

    def observe(self, a: Point, b: Point, point: TrackPoint) -> Crossing | None:
        """Take the next observation; the crossing that it made certain."""
        place = anchor(point.bbox)
        length = math.hypot(b[0] - a[0], b[1] - a[1])
        distance = side(a, b, place) / length
        now = (distance > 0) - (distance < 0)
        if self.side and now == -self.side and self.last is not None:
            self._pass(a, b, self.last, point, now)
        self.last = point
        self.side = now or self.side
        self.settled = self.settled or now
        if abs(distance) > margin(point.bbox):
            return self._settle(now)
        return None

    def end(self) -> Crossing | None:
        """The track is over: where it last was is where it settled."""
        return self._settle(self.side) if self.side else None

    def break_off(self) -> Crossing | None:
        """Its way from here on is not known: as ``end``, and what is observed next begins another path."""
        crossing = self.end()
        self.last, self.side, self.settled = None, 0, 0
        return crossing

    def _pass(self, a: Point, b: Point, before: TrackPoint, after: TrackPoint, now: int) -> None:
        p, q = anchor(before.bbox), anchor(after.bbox)
        from_p, from_q = side(a, b, p), side(a, b, q)
        part = from_p / (from_p - from_q)  # of the way from p to q
        x, y = p[0] + part * (q[0] - p[0]), p[1] + part * (q[1] - p[1])
        along = (x - a[0]) * (b[0] - a[0]) + (y - a[1]) * (b[1] - a[1])
        if 0 <= along <= (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2:
            self.through += now
            self.transit = (before.time_ns + round(part * (after.time_ns - before.time_ns)), after)

    def _settle(self, now: int) -> Crossing | None:
        crossed = now == -self.settled and self.through * now > 0
        transit = self.transit
        self.settled, self.through, self.transit = now, 0, None
        if not crossed or transit is None:
            return None
        return ("forward" if now > 0 else "backward"), *transit
