"""What the box says of itself every 30 s to a target that wants to hear it (``sync.protocol.heartbeat``)."""

import asyncio
from collections.abc import Awaitable, Callable

from appliance import __version__
from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.daemon.health import Health
from appliance.media.record.recorder import Recorder
from appliance.media.ring.volumes import Volumes, free_bytes
from appliance.sync.protocol.heartbeat import Heartbeat
from appliance.web.health import worst

LONGEST_DETAIL = 500


class Pulse:
    """``Given.heartbeat``. ``delivery`` is left to the target, which knows its own figures.
    ``settings_version``: what a settings patch is based on."""

    def __init__(
        self,
        health: Health,
        recorder: Recorder,
        volumes: Volumes,
        clock: Clock,
        boot_id: str,
        settings_version: Callable[[], Awaitable[int]],
    ) -> None:
        self._health, self._recorder, self._volumes = health, recorder, volumes
        self._clock, self._boot_id, self._settings_version = clock, boot_id, settings_version
        self._began_ns = clock.monotonic_ns()

    async def __call__(self) -> Heartbeat:
        """Raises what the database raises."""
        checks = self._health.checks()
        status = worst(checks)
        why = "; ".join(f"{each.name}: {each.detail}" for each in checks if each.status == status != "ok")
        wanted = [each for each in self._recorder.statuses().values() if each.state != "disabled"]
        roots = [volume.root for volume in self._volumes.all]
        return Heartbeat(
            box_time=rfc3339(self._clock.now_ns()),
            version=__version__,
            status=status,
            detail=why[:LONGEST_DETAIL],
            boot_id=self._boot_id,
            uptime_s=(self._clock.monotonic_ns() - self._began_ns) / SECOND_NS,
            cameras_recording=sum(each.state == "recording" for each in wanted),
            cameras_total=len(wanted),
            # Asked in a thread: a network or failing disk may take its time.
            disk_free_bytes=await asyncio.to_thread(lambda: sum(map(free_bytes, roots))),
            settings_version=await self._settings_version(),
        )
