"""One track and one polygon: in or out, with hysteresis.

In: seen inside deeper than the margin after having been outside, or twice running inside at any
depth. Out: outside farther than the margin. A box that jitters on the border so enters once and
does not leave; a single stray observation does nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from appliance.base.geometry import Point, inside
from appliance.base.model import Rule, TrackPoint
from appliance.rules.margin import anchor, border_distance, margin


@dataclass
class Visit:
    """A stay of one object in one zone. ``pending`` rules have not said so yet (the track was not
    sure enough, or of another class); ``told`` ones have, and are owed an end."""

    track_id: str
    entry: TrackPoint
    pending: list[str] = field(default_factory=list)
    told: list[Rule] = field(default_factory=list)


@dataclass
class ZoneState:
    """``visit`` is there while the object is inside. ``first_in``/``first_out`` is the first
    observation of a change that is not certain yet."""

    was_outside: bool = False
    visit: Visit | None = None
    first_in: TrackPoint | None = None
    first_out: TrackPoint | None = None

    @classmethod
    def standing(cls, polygon: Sequence[Point], point: TrackPoint) -> "ZoneState":
        """Of an object that was there before we looked: inside or not, it does not enter."""
        if inside(polygon, anchor(point.bbox)):
            return cls(visit=Visit(point.track_id, point))
        return cls(was_outside=True)

    def observe(
        self, polygon: Sequence[Point], point: TrackPoint
    ) -> tuple[Literal["entered", "left"], TrackPoint] | None:
        """Take the next observation; what it made certain, and the observation it was seen in.

        On ``left``, ``visit`` is still there: the caller closes it with ``close``.
        """
        place = anchor(point.bbox)
        is_in = inside(polygon, place)
        if self.visit is not None:
            if is_in:
                self.first_out = None
                return None
            self.first_out = self.first_out or point
            if border_distance(polygon, place) <= margin(point.bbox):
                return None
            return "left", self.first_out
        if not is_in:
            self.was_outside = True
            self.first_in = None
            return None
        if point.phase == "end":
            return None  # the last point may repeat the one before: it confirms nothing
        certain = self.first_in is not None or (
            self.was_outside and border_distance(polygon, place) > margin(point.bbox)
        )
        self.first_in = self.first_in or point
        if not certain:
            return None
        self.visit = Visit(point.track_id, self.first_in)
        entry, self.first_in = self.first_in, None
        return "entered", entry

    def is_gone(self, polygon: Sequence[Point], point: TrackPoint) -> bool:
        """It was inside when it was last looked at, and is outside farther than the margin now."""
        if self.visit is None or self.first_out is not None:
            return False
        place = anchor(point.bbox)
        return not inside(polygon, place) and border_distance(polygon, place) > margin(point.bbox)

    def close(self) -> Visit | None:
        """Outside again; the visit that is over."""
        visit, self.visit, self.first_out = self.visit, None, None
        self.was_outside = True
        return visit
