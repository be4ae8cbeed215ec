"""Is this new track an object we knew under another number?

Trackers lose objects and find them again, workers are restarted, boxes are switched off. Whoever
stood in a zone all the while has not entered it again. That is all that may be concluded: which way an
object took while nobody looked is not known (``is_one_path``), nor that it was the same one for sure.
"""

import math
from collections.abc import Iterable
from typing import Protocol, TypeVar

from appliance.base.clock import SECOND_NS
from appliance.base.model import Box, TrackPoint
from appliance.rules.margin import anchor

SWITCH_NS = 2 * SECOND_NS  # one worker gave the same object a second number
SWITCH_OVERLAP = 0.3
RESTART_NS = 15 * SECOND_NS  # another worker took over (up to 10 s after it hung)
RESTART_REACH = 0.5  # of the object's height ...
RESTART_SPEED = 1.0  # ... and heights per second more: a brisk walk
RESTART_GROWTH = 2.0  # so many times as high, or as low: somebody else
PATH_NS = 3 * SECOND_NS  # no tracker remembers longer who moves
PARKED_NS = 86_400 * SECOND_NS  # what stood still stands there tomorrow
PARKED_OVERLAP = 0.5


class HasPoint(Protocol):
    @property
    def point(self) -> TrackPoint:
        """Where it was last seen."""


Known = TypeVar("Known", bound=HasPoint)


def predecessor(new: TrackPoint, candidates: Iterable[Known]) -> Known | None:
    """The likeliest earlier self of ``new`` among the candidates, None where it is somebody new."""
    best: Known | None = None
    best_rank = 0.0
    for candidate in candidates:
        rank = likeness(candidate.point, new)
        if rank > best_rank:
            best, best_rank = candidate, rank
    return best


def likeness(old: TrackPoint, new: TrackPoint) -> float:
    """0: another object; otherwise the larger, the likelier the same."""
    gap_ns = new.time_ns - old.time_ns
    if old.class_name != new.class_name or gap_ns <= 0:
        return 0.0
    shared = overlap(old.bbox, new.bbox)
    if old.stationary and gap_ns <= PARKED_NS and shared >= PARKED_OVERLAP:
        return 2 + shared
    if gap_ns <= SWITCH_NS and shared >= SWITCH_OVERLAP:
        return 1 + shared
    if worker(old.track_id) != worker(new.track_id) and gap_ns <= RESTART_NS:
        (x0, y0), (x1, y1) = anchor(old.bbox), anchor(new.bbox)
        low, high = sorted((old.bbox.height, new.bbox.height))
        if high > RESTART_GROWTH * low:
            return 0.0
        reach = high * (RESTART_REACH + RESTART_SPEED * gap_ns / SECOND_NS)
        distance = math.hypot(x1 - x0, y1 - y0)
        return max(0.0, 1 - distance / reach)
    return 0.0


def is_one_path(old: TrackPoint, new: TrackPoint) -> bool:
    """Did the object go from ``old`` to ``new`` before our eyes? Not where one worker saw the one and
    another the other, and not over a silence in which it may have gone anywhere."""
    if new.time_ns - old.time_ns <= PATH_NS:
        return worker(old.track_id) == worker(new.track_id)
    held = old.track_id == new.track_id and old.stationary
    return held and overlap(old.bbox, new.bbox) >= PARKED_OVERLAP


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, 0..1."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.width * a.height + b.width * b.height - shared)


def worker(track_id: str) -> str:
    """The part of a track id that names the worker's epoch: all before the number."""
    return track_id.rstrip("0123456789")
