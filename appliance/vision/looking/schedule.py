"""Which frames a detector sees, and when.

Of a camera's frames the grid picks ``fps`` a second; of these a look is worth it where something
moves, sparingly while known tracks stand still, and now and then in any case. What is picked waits
in a slot of one per camera: the newest wins, what it replaces is counted.
"""

import threading
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

from appliance.vision.looking.gate import Motion

SECOND_NS = 1_000_000_000
AFTERGLOW_NS = 1 * SECOND_NS  # keep looking after the last motion
WATCH_NS = 1 * SECOND_NS  # between looks at tracks that stand still
IDLE_NS = 5 * SECOND_NS  # between looks at nothing


class Grid:
    """Picks frames at ``fps``, evenly, and lets a camera's timing wander by a quarter of a period: a
    camera that sends exactly ``fps`` loses none."""

    def __init__(self, fps: float) -> None:
        self.fps = max(0.1, fps)
        self._period_ns = round(SECOND_NS / self.fps)
        self._due_ns: int | None = None

    def pick(self, time_ns: int) -> bool:
        """In presentation order; a clock that went back starts a new grid."""
        due_ns = self._due_ns
        if due_ns is None or abs(time_ns - due_ns) > 2 * self._period_ns:
            self._due_ns = time_ns + self._period_ns
            return True
        if self.may_skip(time_ns):
            return False
        self._due_ns = due_ns + self._period_ns
        return True

    def may_skip(self, time_ns: int) -> bool:
        """True: it will not be picked. Good for packets too, in decoding order, since what is still
        on its way only moves the next pick further off."""
        due_ns = self._due_ns
        return due_ns is not None and due_ns - 2 * self._period_ns <= time_ns < due_ns - self._period_ns // 4


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
