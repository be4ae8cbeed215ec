"""When a model is not fit to look: it is too slow for what this box sees, or blind beside the one before it.

Every ground compares with what the one before took and found of late, or with what the new one itself
did in the shadow; where there is nothing to compare with, only ``SLOWEST_MS`` holds.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.vision.detectors import Detections, Picture
from appliance.vision.worker.comparison import Comparison, sure_of

SLOWEST_MS = 2000.0  # a picture; slower than that nobody is watched any more
SLOWER = 3.0  # times what it took in the shadow, or the one before it takes, and at least ...
SLOWER_MS = 100.0  # ... so much
# Of one picture of each camera that is looked at. Beside another model, and where two threads ask, a picture
# takes up to twice its time: what takes longer than this leaves less than a look per camera and second.
CROWDED_MS = 1500.0
FEWER = 0.5  # of the sure boxes that the old model saw in the shadow
COLLAPSED = 0.1  # of what was seen before the switch: scenes change, but not so much in half a minute
ENOUGH = 30  # pictures or boxes before any of this is judged
AT_LEAST = 3  # ... for what is far too slow
MEMORY = 100  # pictures that ``Usual`` goes back, about
LOOKED_AT_S = 10.0


@dataclass(slots=True)
class Usual:
    """What the model that serves takes and finds of late, per picture."""

    pictures: int = 0
    ms: float = 0.0
    sure: float = 0.0  # boxes

    def add(self, found: Sequence[Detections], took_ms: float) -> None:
        self.pictures += len(found)
        weight = len(found) / max(len(found), min(self.pictures, MEMORY))
        self.ms += weight * (took_ms / len(found) - self.ms)
        self.sure += weight * (sure_of(found) / len(found) - self.sure)


@dataclass(slots=True)
class LookedAt:
    """How many cameras are looked at these days."""

    _last_s: dict[str, float] = field(default_factory=dict)

    def add(self, batch: Sequence[Picture]) -> None:
        now_s = time.monotonic()
        self._last_s |= {picture.camera_id: now_s for picture in batch}

    def count(self) -> int:
        now_s = time.monotonic()
        return sum(now_s - last_s <= LOOKED_AT_S for last_s in list(self._last_s.values()))


def too_slow(ms: float, usual: Usual | None, cameras: int) -> str:
    """The reason, or nothing. ``usual``: of the one before; None where that is no model to compare with."""
    if ms > SLOWEST_MS:
        return f"it takes {ms:.0f} ms per picture here"
    if usual is None or not usual.pictures or ms <= SLOWER * usual.ms or cameras * ms <= CROWDED_MS:
        return ""
    each = "the camera" if cameras == 1 else f"each of {cameras} cameras"
    return (
        f"it takes {ms:.0f} ms per picture here, and the one before it {usual.ms:.0f}: "
        f"{each} would be looked at less than once a second"
    )


def blind_in_shadow(shadow: Comparison) -> bool:
    return shadow.old_sure >= ENOUGH and shadow.new_sure < FEWER * shadow.old_sure


def lost_its_way(shadow: Comparison, trial: Comparison, usual: Usual | None) -> str:
    """Of one on trial: is it as quick and as sure as it was in the shadow, or, where there was none, as sure
    as the one before it? The reason why not, or nothing."""
    if trial.pictures < ENOUGH:
        return ""
    if shadow.pictures >= ENOUGH:
        if trial.new_ms > max(SLOWER * shadow.new_ms, SLOWER_MS):
            return f"it takes {trial.new_ms:.0f} ms per picture"
        before = shadow.new_sure / shadow.pictures
        if shadow.new_sure >= ENOUGH and trial.new_sure / trial.pictures < COLLAPSED * before:
            return "it sees next to nothing of what it saw in the shadow"
    elif usual is not None and usual.pictures >= ENOUGH:
        expected = usual.sure * trial.pictures
        if expected >= ENOUGH and trial.new_sure < COLLAPSED * expected:
            return "it sees next to nothing of what the one before it saw"
    return ""
