"""Every quarter of an hour: how the box does, in figures, to every target that wants them."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from appliance.alerts.owing import owe
from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.base.ids import uuid7
from appliance.base.model import CameraStatus
from appliance.media.ring.volume import Volume
from appliance.media.ring.volumes import free_bytes
from appliance.store import alerts, outbox_counts, targets
from appliance.store.database import Database
from appliance.sync.protocol.report import AnalysisMetrics, DiskMetrics, MetricsReport, StreamMetrics
from appliance.system.figures import Gauges
from appliance.vision.state import VisionFigures


class Looked(Protocol):
    """What is asked of ``media.record.recorder.Recorder``."""

    def stream_statuses(self) -> Mapping[tuple[str, str], CameraStatus]: ...


class MetricsReports:
    """``tell`` writes one row now. ``analysis``: of each camera that is looked at."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        recorder: Looked,
        volumes: Sequence[Volume],
        analysis: Callable[[], Mapping[str, VisionFigures]],
    ) -> None:
        self._db, self._clock = db, clock
        self._recorder, self._volumes, self._analysis = recorder, volumes, analysis
        self._gauges = Gauges()
        self._began_ns = clock.monotonic_ns()

    async def tell(self) -> bool:
        """Whether anybody wants it. Raises what the database raises."""
        if not any(target.lane_of("metrics") is not None for target in await self._db.read(targets.enabled)):
            return False
        now_ns = self._clock.now_ns()
        report = await self._made(now_ns)

        def write(conn: sqlite3.Connection) -> None:
            waiting, owed_to = 0, targets.enabled(conn)
            for target in targets.list_targets(conn):
                figures = outbox_counts.figures(conn, target.id)
                waiting += figures.waiting + figures.in_flight
            whole = msgspec.structs.replace(report, alerts_active=alerts.active_count(conn), waiting=waiting)
            owe(conn, owed_to, uuid7(now_ns), "metrics", msgspec.json.encode(whole), now_ns)

        await self._db.write(write)
        return True

    async def _made(self, now_ns: int) -> MetricsReport:
        # psutil walks /proc, and a failing disk may take its time.
        process = await asyncio.to_thread(self._gauges.process)
        disks = await asyncio.to_thread(
            lambda: tuple(DiskMetrics(volume.id, free_bytes(volume.root)) for volume in self._volumes)
        )
        streams = sorted(self._recorder.stream_statuses().items())
        looks = sorted(self._analysis().items())
        return MetricsReport(
            rfc3339(now_ns),
            round((self._clock.monotonic_ns() - self._began_ns) / SECOND_NS, 1),
            cpu_percent=self._gauges.cpu_percent(),
            process_cpu_percent=round(process.cpu_percent, 1),
            process_rss_bytes=process.rss_bytes,
            memory_used_percent=self._gauges.memory().used_percent,
            disks=disks,
            streams=tuple(
                StreamMetrics(*key, status.state, round(status.fps or 0.0, 2), status.bitrate_bps or 0,
                              status.reconnects)
                for key, status in streams
            ),
            analysis=tuple(
                AnalysisMetrics(camera_id, round(each.fps_done, 2), each.fps_wanted)
                for camera_id, each in looks
            ),
        )  # fmt: skip
