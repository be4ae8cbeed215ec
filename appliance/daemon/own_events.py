"""Listening to what cameras notice themselves, where a rule waits for it: one pull point for each."""

import asyncio
import logging
from collections.abc import Iterable

from appliance.alerts.intake import Intake
from appliance.base.clock import SECOND_NS, Clock
from appliance.base.model import Camera, Rule
from appliance.base.supervision import supervise
from appliance.daemon.devices.devices import Devices
from appliance.onvif.events import CameraEvent, PullPoint
from appliance.rules.own_events import Noticed, What, listens_to

log = logging.getLogger(__name__)

_MOST_DOUBT_NS = 10 * SECOND_NS
_WHAT: dict[str, What] = {"motion": "motion", "tamper": "tamper", "digital_input": "input"}


class OwnEventsPart:
    """``apply`` begins and ends the listening; a camera that does not answer is asked again, ever more
    rarely, and what it had begun is over meanwhile."""

    def __init__(self, clock: Clock, devices: Devices, intake: Intake) -> None:
        self._clock, self._devices, self._intake = clock, devices, intake
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def heard(self) -> set[str]:
        """Cameras that are listened to, or that it is tried with."""
        return set(self._tasks)

    async def apply(self, cameras: Iterable[Camera], rules: Iterable[Rule]) -> None:
        wanted = listens_to(rules) & {camera.id for camera in cameras if camera.enabled}
        await self._end([camera_id for camera_id in self._tasks if camera_id not in wanted])
        for camera_id in wanted - set(self._tasks):
            self._tasks[camera_id] = asyncio.create_task(self._listen_on(camera_id))

    async def close(self) -> None:
        await self._end(list(self._tasks))

    async def _end(self, camera_ids: list[str]) -> None:
        tasks = [self._tasks.pop(camera_id) for camera_id in camera_ids]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen_on(self, camera_id: str) -> None:
        await supervise(f"events of {camera_id}", lambda: self._listen(camera_id), self._clock)

    async def _listen(self, camera_id: str) -> None:
        opened = await self._devices.open(camera_id)
        try:
            async with PullPoint(opened.device) as point:
                while True:
                    for event in await point.pull():
                        self._take(camera_id, event)
        finally:
            self._intake.unheard(camera_id)

    def _take(self, camera_id: str, event: CameraEvent) -> None:
        if event.kind not in _WHAT:
            return
        now_ns = self._clock.now_ns()
        # its clock is corrected by what it said of itself; where that makes no sense, now is when we heard
        is_near = abs(event.at_ns - now_ns) <= _MOST_DOUBT_NS and not event.is_initial
        what = _WHAT[event.kind]
        time_ns = event.at_ns if is_near else now_ns
        # the state as it was when we began counts as news: it may have begun while nobody listened
        self._intake.notice(Noticed(camera_id, what, event.source, event.active, time_ns))
