"""What was not looked at: worked out from what was.

A pure ledger of one box's cameras. It is told which cameras are wanted, when a worker looks and
with which model, and which stretches of video were judged; it gives back the stretches that were
not, with their cause. Judged and unjudged time tile the time for which a camera was wanted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from appliance.base.clock import SECOND_NS
from appliance.base.model import BlindCause

LEAST_NS = 1 * SECOND_NS  # of overload: shorter ones are thinning; and of what is said while it lasts
OVERLOAD_NS = 5 * SECOND_NS  # frames come and none is judged: said while it lasts


class Unseen(NamedTuple):
    """Nobody looked at [start_ns, end_ns)."""

    camera_id: str
    start_ns: int
    end_ns: int
    cause: BlindCause


@dataclass
class _Camera:
    until_ns: int  # all before it is judged, or given out as unseen
    cause: BlindCause  # what the time behind ``until_ns`` is lost to, should it be lost
    blind_ns: int  # when the blindness that ``until_ns`` ends began
    came: int = 0  # frames taken at the camera's rate, as last heard
    came_judged: int = 0  # ... when the last one was judged
    right_ns: int = -1  # the last that was judged with the right model, were it a single frame
    unseen: list[Unseen] = field(default_factory=list)


class Sight:
    """All on the loop. Times are the box clock's, of the video."""

    def __init__(self) -> None:
        self._cameras: dict[str, _Camera] = {}
        self._looking = False
        self._right = False
        self._earlier: dict[str, int] = {}

    def resume(self, judged_until: Mapping[str, int]) -> None:
        """How far a daemon before this one saw to it that its cameras were looked at."""
        self._earlier = dict(judged_until)

    def want(self, camera_ids: Iterable[str], now_ns: int) -> None:
        """These cameras are to be looked at from now on, and no others."""
        wanted = list(camera_ids)
        for camera_id in self._cameras.keys() - set(wanted):
            del self._cameras[camera_id]
        for camera_id in [camera_id for camera_id in wanted if camera_id not in self._cameras]:
            earlier_ns = self._earlier.pop(camera_id, None)
            cause: BlindCause = "worker_down" if earlier_ns is None else "restart"
            from_ns = now_ns if earlier_ns is None else min(earlier_ns, now_ns)
            self._cameras[camera_id] = _Camera(from_ns, cause, from_ns)

    def looking(self, *, right: bool) -> None:
        """A worker is ready; ``right``: with the model that is wanted, not one that stands in for it."""
        self._looking, self._right = True, right

    @property
    def is_right(self) -> bool:
        """Somebody looks, with the model that is wanted."""
        return self._looking and self._right

    def blinded(self) -> None:
        """No worker looks."""
        if self._looking:
            for camera in self._cameras.values():
                camera.cause = "worker_down"
                camera.came = camera.came_judged = 0
        self._looking = False

    def judged(self, camera_id: str, stretches: Sequence[tuple[int, int]], came: int) -> None:
        """A beat of the worker. ``came``: how many frames there were to judge since it began."""
        camera = self._cameras.get(camera_id)
        if camera is None or not self._looking:
            return
        camera.came = came
        for start_ns, end_ns in stretches:
            if end_ns <= camera.until_ns:
                continue
            if start_ns > camera.until_ns:
                self._unseen(camera_id, camera, start_ns, camera.cause)
            camera.cause, camera.came_judged = "overload", came
            if self._right:
                camera.until_ns = camera.right_ns = end_ns
            elif end_ns > camera.until_ns:
                self._unseen(camera_id, camera, end_ns, "model_missing")
            camera.blind_ns = end_ns

    def take(self, now_ns: int) -> list[Unseen]:
        """What has become known to be unseen since the last call."""
        found: list[Unseen] = []
        for camera_id, camera in self._cameras.items():
            if camera.until_ns > now_ns + OVERLOAD_NS:  # the clock was set back
                camera.until_ns = camera.blind_ns = now_ns
            if not self._looking and now_ns - camera.until_ns >= LEAST_NS:
                self._unseen(camera_id, camera, now_ns, camera.cause)  # a new worker begins behind it
            found += camera.unseen
            camera.unseen = []
        return found

    def judged_until(self) -> dict[str, int]:
        return {camera_id: camera.until_ns for camera_id, camera in self._cameras.items()}

    def blind(self, now_ns: int) -> dict[str, tuple[int, BlindCause]]:
        """Cameras that nobody looks at now: (since when, why)."""
        found: dict[str, tuple[int, BlindCause]] = {}
        for camera_id, camera in self._cameras.items():
            behind_ns = now_ns - camera.until_ns
            stuck = camera.came > camera.came_judged and behind_ns >= OVERLOAD_NS
            dark = not self._looking and now_ns - camera.blind_ns >= LEAST_NS
            if dark or (stuck and self._looking):
                found[camera_id] = camera.blind_ns, camera.cause
        return found

    def _unseen(self, camera_id: str, camera: _Camera, end_ns: int, cause: BlindCause) -> None:
        start_ns, camera.until_ns = camera.until_ns, end_ns
        last = camera.unseen[-1] if camera.unseen else None
        # Rules tell of nothing that happened while a worker was gone, however short: it is looked at again.
        goes_on = camera.blind_ns < start_ns or cause in ("model_missing", "worker_down")
        same = last is not None and (last.end_ns, last.cause) == (start_ns, cause)
        if last is not None and same and goes_on and camera.right_ns < start_ns:
            camera.unseen[-1] = last._replace(end_ns=end_ns)
        elif end_ns - start_ns >= LEAST_NS or goes_on:
            camera.unseen.append(Unseen(camera_id, start_ns, end_ns, cause))
        else:
            camera.blind_ns = end_ns
