"""Cameras of which no picture comes any more: an alert, once per outage (R4), and a note when they are back.

Nothing else tells the guard: a wall that nobody looks at does not, and where no picture comes no rule sees
what happens. A minute is longer than most cameras take to start again; a box that has just started gives
them three, since the power may have been away from both.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.model import CameraStatus, Severity

PERIOD_S = 5.0
SILENT_S = 60.0
START_S = 180.0
MOST_ALERTS = 3  # of one moment: where more fall silent together, it is the network's or the power's, and one
SEEN = ("recording", "live")
OFFLINE, BACK, MANY = "camera_offline", "camera_back", "cameras_offline"

_REFUSED = "it refuses the password"
_HINTS = {
    "auth_failed": "set its user and password under Settings, Cameras",
    "": "check its power, its cable, and the switch between",
}


class Tell(Protocol):
    def __call__(
        self, type_: str, metadata: dict[str, Any], *, severity: Severity, camera_id: str
    ) -> None: ...


class Silence:
    """``run`` for ever. ``statuses``: of each camera's main stream; ``name``: what people call it."""

    def __init__(
        self,
        clock: Clock,
        statuses: Callable[[], Mapping[str, CameraStatus]],
        tell: Tell,
        name: Callable[[str], str],
    ) -> None:
        self._clock, self._statuses, self._tell, self._name = clock, statuses, tell, name
        self._began_ns = clock.monotonic_ns()
        self._since_ns: dict[str, int] = {}
        self._told: set[str] = set()

    async def run(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(PERIOD_S)

    def look(self) -> None:
        now_ns, statuses = self._clock.monotonic_ns(), self._statuses()
        silent = {key: each for key, each in statuses.items() if each.state not in (*SEEN, "disabled")}
        for camera_id in self._since_ns.keys() - silent.keys():
            self._over(camera_id, statuses.get(camera_id), now_ns)
        for camera_id in silent:
            self._since_ns.setdefault(camera_id, now_ns)
        if now_ns - self._began_ns < START_S * SECOND_NS:
            return
        due = [key for key in silent if key not in self._told and self._age_s(key, now_ns) >= SILENT_S]
        self._told.update(due)
        if len(due) > MOST_ALERTS:
            names = ", ".join(sorted(map(self._name, due)))
            detail = f"{len(due)} cameras send no picture and are not recorded: {names}"
            metadata = {"detail": detail, "hint": "check the power and the switch that they share"}
            self._tell(MANY, metadata, severity="critical", camera_id="")
            return
        for camera_id in due:
            state = silent[camera_id].state
            why = (
                _REFUSED
                if state == "auth_failed"
                else f"no picture for {self._age_s(camera_id, now_ns):.0f} s"
            )
            metadata = {"detail": f"{why}; nothing is recorded", "hint": _HINTS.get(state, _HINTS[""])}
            self._tell(OFFLINE, metadata, severity="critical", camera_id=camera_id)

    def _over(self, camera_id: str, status: CameraStatus | None, now_ns: int) -> None:
        age_s = self._age_s(camera_id, now_ns)
        del self._since_ns[camera_id]
        if camera_id in self._told:
            self._told.discard(camera_id)
            if status is not None and status.state in SEEN:
                metadata = {"detail": f"there are pictures again, after {age_s:.0f} s without"}
                self._tell(BACK, metadata, severity="info", camera_id=camera_id)

    def _age_s(self, camera_id: str, now_ns: int) -> float:
        return (now_ns - self._since_ns[camera_id]) / SECOND_NS
