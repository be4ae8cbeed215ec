"""The parts of a box that the browser's tests play: cameras, archive, detector, health, desk, bell."""

import io
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np

from appliance.base.clock import SECOND_NS, BoxClock
from appliance.base.errors import ApplianceError, not_found
from appliance.base.model import Alert, Box, CameraStatus, Check, User
from appliance.base.wire import alert_json
from appliance.media.fragment import StreamInit
from appliance.media.mp4 import h26x
from appliance.media.mp4.boxes import init_segment
from appliance.media.mp4.fragmenter import LEAD_IN_90K, Fragmenter, ns_from_90k
from appliance.media.record.live import LiveHub, StreamFan
from appliance.media.span import Recordings, Span
from appliance.simulator.encoder import SceneSource
from appliance.simulator.sample import Sample
from appliance.simulator.scene import Scene
from appliance.simulator.spec import CameraSpec
from appliance.store import alerts, journal
from appliance.store.database import Database


@dataclass
class Played:
    """What the box would know of its cameras."""

    clock: BoxClock
    live: LiveHub
    statuses: dict[str, CameraStatus] = field(default_factory=dict)
    stalled: set[str] = field(default_factory=set)
    fans: dict[str, StreamFan] = field(default_factory=dict)
    mime: str | None = None

    def status(self, camera_id: str) -> CameraStatus:
        return self.statuses.get(camera_id) or CameraStatus("connecting", self.clock.now_ns())

    def stream_statuses(self) -> dict[tuple[str, str], CameraStatus]:
        return {(camera, stream): s for camera, s in self.statuses.items() for stream in ("main", "sub")}

    def has_stream(self, camera_id: str, stream: str) -> bool:
        return camera_id in self.statuses

    async def film(self, spec: CameraSpec, camera_ids: list[str]) -> None:
        """One encoder, shown by many cameras: two cores are few."""
        source = SceneSource(spec, self.clock, lambda: 0)
        sets = list((await source.format()).video.parameter_sets)
        params = h26x.parse("h264" if spec.codec == "h264" else "hevc", sets)
        fragmenter = Fragmenter(params.reorder, 90_000 // int(spec.fps))
        began_ns = self.clock.now_ns()
        start_ns = began_ns - ns_from_90k(LEAD_IN_90K)
        for camera_id in camera_ids:
            fan = self.live.fan(camera_id, "main")
            self.fans[camera_id] = fan
            fan.started(
                StreamInit(
                    camera_id, "main", "run", params.codec, f'video/mp4; codecs="{params.codec_string}"',
                    init_segment(params), params.config, params.width, params.height, start_ns,
                )
            )  # fmt: skip

        def sink(sample: Sample) -> None:
            pts = LEAD_IN_90K + sample.pts_ns * 9 // 100_000
            units = [u for u in sample.units if u not in sets]
            body = b"".join(len(u).to_bytes(4, "big") + u for u in units)
            fragment = fragmenter.video(body, pts, start_ns + ns_from_90k(pts), sample.is_key)
            for camera_id in camera_ids:
                if camera_id not in self.stalled:
                    self.fans[camera_id].put(fragment)

        await source.run(sink)


class PlayedArchive:
    """Recorded since midnight but for an hour; clips come from one file made at the start."""

    def __init__(self, clip: bytes, clock: BoxClock) -> None:
        self._clip, self._clock = clip, clock

    async def recordings(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> Recordings:
        now_ns = min(end_ns, self._clock.now_ns())
        if start_ns >= now_ns:
            return Recordings((), start_ns, start_ns, 0)
        newest_ns = self._clock.now_ns()
        hole = (newest_ns - 3000 * SECOND_NS, newest_ns - 2400 * SECOND_NS)
        begin = newest_ns - 20_000 * SECOND_NS
        marks = sorted({start_ns, now_ns, *(t for t in (begin, *hole) if start_ns < t < now_ns)})
        spans = []
        for a, b in itertools.pairwise(marks):
            if a < begin:
                spans.append(Span(a, b, "gap", "disabled"))
            elif hole[0] <= a < hole[1]:
                spans.append(Span(a, b, "gap", "camera_offline"))
            else:
                spans.append(Span(a, b, "recorded", None))
        return Recordings(tuple(spans), start_ns, now_ns, 1_234_567)

    async def clip(
        self, camera_id: str, stream: str, start_ns: int, end_ns: int, *, as_of_ns: int = 0
    ) -> "PlayedClip":
        return PlayedClip(self._clip, start_ns - SECOND_NS // 2)

    async def playlist(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> str:
        raise not_found("playlist", camera_id)

    async def file(self, camera_id: str, stream: str, key: str) -> Path:
        raise not_found("file", key)

    async def lock(self, *_: Any) -> Any:
        raise ApplianceError("unavailable", "not played here")

    async def unlock(self, lock_id: str) -> Any:
        raise ApplianceError("unavailable", "not played here")

    async def frame_source(self, camera_id: str, stream: str, time_ns: int) -> Any:
        return None


class PlayedClip:
    gaps: tuple[Span, ...] = ()
    complete = True
    etag = "played"

    def __init__(self, data: bytes, start_ns: int) -> None:
        self._data = data
        self.size_bytes = len(data)
        self.start_ns = start_ns

    async def read(self, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        yield self._data[offset : None if length is None else offset + length]


class PlayedVision:
    def __init__(self, still: bytes) -> None:
        self._still = still

    async def still(self, camera_id: str, time_ns: int, box: Box | None) -> bytes:
        return self._still

    async def still_from(self, source: Any, box: Box | None) -> bytes:
        return self._still

    def state(self) -> Any:
        return PlayedState()

    def figures(self) -> dict[str, Any]:
        return {}


class PlayedState(msgspec.Struct):
    state: str = "running"
    since_ns: int = 0
    detector: str | None = "deimv2-femto"
    reason: str | None = None
    restarts: int = 0


class PlayedHealth:
    started = True

    def __init__(self, clock: BoxClock) -> None:
        self._since_ns = clock.now_ns()

    def checks(self) -> list[Check]:
        return [
            Check("recording", "ok", "all cameras reach the disk", self._since_ns),
            Check("disk", "degraded", "8 % free on the first volume", self._since_ns),
            Check("sync", "failing", "the target refuses the token (401)", self._since_ns),
        ]


class PlayedBell:
    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, on_ring: Callable[[], None]) -> Callable[[], None]:
        self._listeners.append(on_ring)
        return lambda: self._listeners.remove(on_ring)

    def ring(self) -> None:
        for listener in list(self._listeners):
            listener()


class PlayedDesk:
    def __init__(self, db: Database, clock: BoxClock, bell: PlayedBell) -> None:
        self._db, self._clock, self._bell = db, clock, bell

    async def acknowledge(self, alert_id: str, user: User, note: str | None) -> Alert:
        now_ns = self._clock.now_ns()
        return await self._change(
            alert_id, note, "acknowledged", acknowledged_by=user.id, acknowledged_ns=now_ns
        )

    async def resolve(self, alert_id: str, user: User, resolution: str, note: str | None) -> Alert:
        now_ns = self._clock.now_ns()
        return await self._change(
            alert_id, note, "resolved", resolved_by=user.id, resolved_ns=now_ns, resolution=resolution
        )

    async def _change(self, alert_id: str, note: str | None, status: str, **values: Any) -> Alert:
        def work(conn: Any) -> Alert:
            alert = alerts.get(conn, alert_id)
            if alert is None:
                raise not_found("alert", alert_id)
            if alert.status in (status, "resolved"):
                raise ApplianceError(
                    "conflict", f"this alert is already {alert.status}", "reload to see by whom"
                )
            notes = (*alert.notes, note) if note else alert.notes
            changed = msgspec.structs.replace(alert, status=status, notes=notes, **values)
            alerts.update(conn, changed)
            journal.append(conn, "alert", alert.camera_id, self._clock.now_ns(), alert_json(changed))
            return changed

        changed = await self._db.write(work)
        self._bell.ring()
        return changed


def footage(size: str) -> tuple[bytes, bytes]:
    """(an MP4 of ten seconds, a JPEG), made from the simulator's scene."""

    width, height = map(int, size.split("x"))
    scene = Scene(width, height, 3)
    file = io.BytesIO()
    with av.open(file, "w", "mp4", options={"movflags": "empty_moov+frag_keyframe"}) as out:
        stream = out.add_stream("libx264", 10, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(100):
            frame = drawn(scene, n / 10, width, height)
            frame.pts = n
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    picture = drawn(scene, 3.6, width, height)
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuvj420p"

    codec.time_base = Fraction(1, 10)
    still = b"".join(bytes(p) for p in codec.encode(picture.reformat(format="yuvj420p")))
    return file.getvalue(), still


def drawn(scene: Any, at_s: float, width: int, height: int) -> Any:

    frame = av.VideoFrame(width, height, "yuv420p")
    planes = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]
    scene.draw(*planes, at_s)
    return frame
