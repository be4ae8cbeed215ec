"""``sim://`` cameras: one simulator child for all of them, started when a stream first asks."""

import asyncio
import logging

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.base.supervision import supervise
from appliance.simulator.child import SimulatorChild

log = logging.getLogger(__name__)


class Simulators:
    """``resolve`` is what the recorder calls for every URL; others pass through unchanged."""

    def __init__(self, clock: Clock, *, allow_files: bool) -> None:
        self._clock = clock
        self._allow_files = allow_files
        self._child: SimulatorChild | None = None
        self._task: asyncio.Task[None] | None = None

    async def resolve(self, url: str) -> str:
        """The RTSP URL behind a ``sim://`` one. A child that does not start leaves the URL as it
        is: the stream then says that the camera is offline."""
        if not url.startswith("sim://"):
            return url
        try:
            child = await self.child()
            return await child.open_url(url, allow_files=self._allow_files)
        except ApplianceError as error:
            log.error("no simulated camera: %s", error)
            return url

    async def child(self) -> SimulatorChild:
        """The one child, running. Raises ``unavailable``."""
        if self._child is None:
            child = SimulatorChild()
            await child.start()
            self._child = child
            self._task = asyncio.create_task(supervise("simulator", child.run_once, self._clock))
        return self._child

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._child is not None:
            await self._child.close()
