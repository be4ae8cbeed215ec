"""Tracks against truth."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from appliance.base.model import Box
from drawn.actors import Corners, Truth
from drawn.play import Played

ALIKE = 0.3  # IoU; or the track's middle lies in the truth box
PROMPT_S = 1.0
ENTERED = 0.5  # of an object is in the picture: now it is to be found


@dataclass(frozen=True)
class Score:
    tracks: int
    right: int  # tracks that are a true object for at least half of their life
    objects: int
    found: int
    prompt: int  # found within a second of entering
    ids: int  # right tracks of all objects; ``found`` of them are needed
    strange: list[str]  # ids of tracks that are nothing
    missed: list[str]
    late: list[str]

    @property
    def precision(self) -> float:
        return self.right / self.tracks if self.tracks else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.objects if self.objects else 1.0


def like(box: Box, truth: Corners) -> bool:
    x1, y1, x2, y2 = truth
    right, bottom = box.x + box.width, box.y + box.height
    x, y = box.x + box.width / 2, box.y + box.height / 2
    if x1 <= x <= x2 and y1 <= y <= y2:
        return True
    across, down = min(right, x2) - max(box.x, x1), min(bottom, y2) - max(box.y, y1)
    if across <= 0 or down <= 0:
        return False
    shared = across * down
    return shared / (box.width * box.height + (x2 - x1) * (y2 - y1) - shared) >= ALIKE


def score(played: Played, *, moving_only: bool) -> Score:
    """``moving_only``: what never moves need not be found (the motion detector cannot)."""
    life: Counter[str] = Counter()
    hits: dict[str, Counter[str]] = defaultdict(Counter)
    first_s: dict[str, float] = {}
    for said_s, points in played.said:
        for point in points:
            if point.phase == "end":
                continue
            life[point.track_id] += 1
            for thing in played.truth.get(point.time_ns, []):
                if like(point.bbox, thing.box):
                    hits[point.track_id][thing.name] += 1
                    first_s.setdefault(thing.name, said_s)
    owner = {
        track: thing
        for track, counted in hits.items()
        for thing, number in counted.most_common(1)
        if 2 * sum(counted.values()) >= life[track] and 2 * number >= min(life[track], sum(counted.values()))
    }
    wanted = _entered(played, moving_only)
    found = set(owner.values()) & set(wanted)
    late = [name for name in wanted if first_s.get(name, 1e9) > wanted[name] + PROMPT_S + 1e-6]
    return Score(
        len(life), len(owner), len(wanted), len(found), len(wanted) - len(late),
        sum(thing in found for thing in owner.values()),
        sorted(set(life) - set(owner)), sorted(set(wanted) - found), late,
    )  # fmt: skip


def _entered(played: Played, moving_only: bool) -> dict[str, float]:
    """Object -> second from which on it is to be found."""
    begin_ns = min(played.truth)
    result: dict[str, float] = {}
    for time_ns, things in played.truth.items():
        for thing in things:
            if _to_be_found(thing, moving_only):
                result.setdefault(thing.name, (time_ns - begin_ns) / 1e9)
    return result


def _to_be_found(thing: Truth, moving_only: bool) -> bool:
    return thing.seen >= ENTERED and (thing.moves or not moving_only)
