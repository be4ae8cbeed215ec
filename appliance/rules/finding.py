"""What the rules say, and what they say it from."""

from typing import Literal

import msgspec

from appliance.base.model import Box, Rule, RuleKind, TrackPoint


class Change(msgspec.Struct, frozen=True):
    """What one track did to one zone. ``point`` is the observation it was seen in (its picture
    shows it), ``time_ns`` when it happened: for a crossing that lies between two observations."""

    kind: Literal["entered", "left", "crossed"]
    zone_id: str
    time_ns: int
    point: TrackPoint
    direction: Literal["forward", "backward"] | None = None


class Finding(msgspec.Struct, frozen=True):
    """A rule came true. ``phase`` ``ended`` closes the earlier finding of the same rule, zone, track
    and ``began_ns`` (its ``time_ns`` is then the end). ``seen_ns`` is the observation that ``bbox``
    is from: ask for the still of that moment. ``confidence`` is the track's best so far, 0..1.
    Of what a camera noticed itself there is no track (``track_id`` is empty) and no ``bbox``.
    ``previous_centre``: of its box in the observation before that one, 0..1; None: unknown, or its first."""

    rule: Rule
    camera_id: str
    track_id: str
    type: RuleKind
    time_ns: int
    seen_ns: int
    class_name: str
    confidence: float
    bbox: Box | None
    zone_id: str | None
    began_ns: int
    direction: str | None = None
    count: int | None = None
    previous_centre: tuple[float, float] | None = None
    phase: Literal["began", "ended"] = "began"

    @property
    def key(self) -> tuple[str, str | None, str, int]:
        """The same for what began and what ended it, and for nothing else."""
        return self.rule.id, self.zone_id, self.track_id, self.began_ns
