"""Which frames a detector sees, and when.

Of a camera's frames the grid picks ``fps`` a second; of these a look is worth it where something
moves, sparingly while known tracks stand still, and now and then in any case. What is picked waits
in a slot of one per camera: the newest wins, what it replaces is counted.
"""

import threading
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

from appliance.vision.gate import Motion

SECOND_NS = 1_000_000_000
AFTERGLOW_NS = 1 * SECOND_NS  # keep looking after the last motion
WATCH_NS = 1 * SECOND_NS  # between looks at tracks that stand still
IDLE_NS = 5 * SECOND_NS  # between looks at nothing


class Grid:
    """Picks frames at ``fps``: the first one in each slot of 1/fps seconds of the box clock."""

    def __init__(self, fps: float) -> None:
        self.fps = max(0.1, fps)
        self._slot = -1
        self._last_ns = 0
        self._between_ns = 0

    def pick(self, time_ns: int) -> bool:
        """In presentation order; a clock that went back starts a new grid."""
        slot = self._number(time_ns)
        if time_ns < self._last_ns:
            self._slot = slot - 1
        picked = slot > self._slot
        if picked:
            self._slot = slot
        self._last_ns = time_ns
        return picked

    def may_skip(self, time_ns: int) -> bool:
        """For packets, in decoding order: certainly not the first of its slot, even if the camera's
        timing wanders by half a frame. Only good for packets that no other refers to."""
        return self._between_ns > 0 and self._number(time_ns) == self._number(
            time_ns - self._between_ns * 3 // 2
        )

    def interval(self, between_ns: int) -> None:
        """Tell the grid the camera's own frame interval."""
        self._between_ns = between_ns

    def _number(self, time_ns: int) -> int:
        return int(time_ns * self.fps) // SECOND_NS


class Looks:
    """Whether a picked frame goes to the detector."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._hot_until_ns = 0

    def wants(self, time_ns: int, motion: Motion, *, known: bool, unsure: bool) -> bool:
        """``known``: there are tracks; ``unsure``: some of them wait to be confirmed."""
        if motion.any:
            self._hot_until_ns = time_ns + AFTERGLOW_NS
        since_ns = IDLE_NS if self._last_ns is None else time_ns - self._last_ns
        due_ns = WATCH_NS if known else IDLE_NS
        wants = unsure or time_ns < self._hot_until_ns or since_ns >= due_ns or since_ns < 0
        if wants:
            self._last_ns = time_ns
        return wants


class _Named(Protocol):
    @property
    def camera_id(self) -> str: ...


P = TypeVar("P", bound=_Named)


class Slots(Generic[P]):
    """decoder -> detector: one place per camera, served in turn."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._waiting: OrderedDict[str, P] = OrderedDict()
        self._closed = False

    def put(self, picture: P) -> bool:
        """True where an older one was replaced; the camera keeps its turn."""
        with self._ready:
            replaced = picture.camera_id in self._waiting
            self._waiting[picture.camera_id] = picture
            self._ready.notify()
        return replaced

    def take(self, timeout_s: float) -> P | None:
        """The picture of the camera that has waited longest; None after the timeout or ``close``."""
        with self._ready:
            if not self._waiting and not self._closed:
                self._ready.wait(timeout_s)
            return self._waiting.popitem(last=False)[1] if self._waiting else None

    def waiting(self, camera_id: str) -> int:
        with self._ready:
            return int(camera_id in self._waiting)

    def forget(self, camera_id: str) -> None:
        with self._ready:
            self._waiting.pop(camera_id, None)

    def close(self) -> None:
        with self._ready:
            self._closed = True
            self._waiting.clear()
            self._ready.notify_all()
