"""All streams of all cameras: starts, changes and stops their threads, and knows their state."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError, not_found
from appliance.base.model import Camera, CameraStatus, Credentials, Gap
from appliance.media.camera.certificate import Pinned
from appliance.media.fragment import Tap
from appliance.media.record.live import LiveHub
from appliance.media.record.recording import Recording
from appliance.media.record.rest import Turns
from appliance.media.record.runs import RunOrder
from appliance.media.record.stream import StreamSpec, StreamThread
from appliance.media.ring import recovery
from appliance.media.ring.index import Index
from appliance.media.ring.ledger import StreamLedger
from appliance.media.ring.volumes import Volumes
from appliance.media.work import Work
from appliance.store import segments
from appliance.store.database import Database

log = logging.getLogger(__name__)

STAGGER_S = 0.1
JOIN_S = 6.0  # a little more than a read timeout
Key = tuple[str, str]
StatusListener = Callable[[str, str, CameraStatus], None]


@dataclass(frozen=True)
class RecorderPorts:
    """What the recorder needs of the box. ``resolve`` turns ``sim://`` URLs into real ones;
    ``credentials`` opens a camera's sealed password; ``pin`` and ``keep_pin`` know and
    store the certificate that an ``rtsps`` camera showed first."""

    clock: Clock
    boot_id: str
    db: Database
    archive_db: Database
    volumes: Volumes
    index: Index
    live: LiveHub
    segment_s: float
    credentials: Callable[[str], Credentials | None]
    resolve: Callable[[str], Awaitable[str]]
    pin: Callable[[str], str | None] = lambda camera_id: None  # called in the stream's thread
    keep_pin: Callable[[str, str], None] = lambda camera_id, pin: None  # the same; must not wait
    durability_s: float = 1.0


class Recorder:
    """Lives in the loop; its threads call back through ``loop.call_soon_threadsafe``."""

    def __init__(self, ports: RecorderPorts) -> None:
        self._ports = ports
        self.live = ports.live
        self._threads: dict[Key, StreamThread] = {}
        self._ledgers: dict[Key, StreamLedger] = {}
        self._taps: dict[Key, tuple[Tap, ...]] = {}
        self._cameras: dict[str, Camera] = {}
        self._listeners: list[StatusListener] = []
        self._disabled_since: dict[str, int] = {}
        self._turns = Turns(ports.durability_s)
        self._orders: dict[Key, RunOrder] = {}
        self._lock = asyncio.Lock()

    def on_change(self, listener: StatusListener) -> None:
        """``listener(camera_id, stream, status)`` is called in the loop after each change."""
        self._listeners.append(listener)

    async def apply(self, cameras: list[Camera]) -> None:
        """Make the running threads match ``cameras``; unchanged streams are not touched."""
        async with self._lock:
            wanted: dict[Key, StreamSpec] = {}
            for camera in cameras:
                wanted |= await self._specs(camera)
            changed = [k for k, thread in self._threads.items() if wanted.get(k) != thread.spec]
            for key in changed:
                self._threads[key].stop("no_video" if key in wanted else "disabled")
            await self._join(changed)
            self._cameras = {camera.id: camera for camera in cameras}
            now_ns = self._ports.clock.now_ns()
            for camera in cameras:
                if not camera.enabled:
                    self._disabled_since.setdefault(camera.id, now_ns)
                else:
                    self._disabled_since.pop(camera.id, None)
            new = [key for key in wanted if key not in self._threads]
            for number, key in enumerate(new):
                await self._start_stream(wanted[key], number * STAGGER_S)
            for key in set(changed) - set(wanted):
                self._ledgers[key].lost(*key, now_ns, "disabled")  # also where it was offline
                if key[0] not in self._cameras:
                    self.live.remove(*key)
            await self._note_disabled(cameras)

    async def _specs(self, camera: Camera) -> dict[Key, StreamSpec]:
        if not camera.enabled:
            return {}
        urls = {"main": camera.rtsp_url}
        if camera.sub_url:
            urls["sub"] = camera.sub_url
        credentials = await asyncio.to_thread(self._ports.credentials, camera.id)
        record = camera.record.mode != "off"
        return {
            (camera.id, stream): StreamSpec(
                camera.id, stream, await self._ports.resolve(url), credentials, record
            )
            for stream, url in urls.items()
        }

    async def _start_stream(self, spec: StreamSpec, delay_s: float) -> None:
        key = (spec.camera_id, spec.stream)
        ledger = await self._ledger(key, disabled=not spec.record)
        ports = self._ports
        recording = Recording(
            spec.camera_id, spec.stream, ports.boot_id, ports.clock, ports.volumes.pick, ports.index,
            ledger, ports.segment_s,
        )  # fmt: skip
        if ledger.gap is not None and spec.record:
            recording.end_ns = ledger.gap.start_ns if ledger.gap.cause != "clock_jump" else 0
        thread = StreamThread(
            spec, ports.clock, recording, ports.live.fan(*key), lambda: self._taps.get(key, ()),
            self._thread_changed, delay_s, self._pinned(spec), self._turns.give(), await self._order(key),
        )  # fmt: skip
        self._threads[key] = thread
        thread.start()

    async def _order(self, key: Key) -> RunOrder:
        if key not in self._orders:
            newest = await self._ports.archive_db.read(lambda conn: segments.newest_run(conn, *key))
            self._orders[key] = RunOrder(newest)
        return self._orders[key]

    def _pinned(self, spec: StreamSpec) -> Pinned | None:
        """One pin per camera: a sub stream on another host than main's is not held to it."""
        camera = self._cameras.get(spec.camera_id)
        if camera is None or urlsplit(camera.rtsp_url).hostname != urlsplit(spec.url).hostname:
            return None
        pin, keep, camera_id = self._ports.pin, self._ports.keep_pin, spec.camera_id
        return Pinned(lambda: pin(camera_id), lambda shown: keep(camera_id, shown))

    async def _ledger(self, key: Key, *, disabled: bool) -> StreamLedger:
        if key not in self._ledgers:
            gap = await asyncio.to_thread(
                recovery.resume, self._ports.db, self._ports.archive_db, *key,
                self._ports.boot_id, self._ports.clock.now_ns(), disabled=disabled,
            )  # fmt: skip
            self._ledgers[key] = StreamLedger(self._ports.db.offer, self._ports.boot_id, gap)
        ledger = self._ledgers[key]
        now_ns = self._ports.clock.now_ns()
        if disabled:
            ledger.lost(*key, now_ns, "disabled")
        elif ledger.gap is not None and ledger.gap.cause == "disabled":
            ledger.refine("no_video", now_ns)
        return ledger

    async def _note_disabled(self, cameras: list[Camera]) -> None:
        for camera in cameras:
            if not camera.enabled:
                for stream in ("main", "sub") if camera.sub_url else ("main",):
                    await self._ledger((camera.id, stream), disabled=True)

    async def _join(self, keys: list[Key]) -> None:
        for key in keys:
            thread = self._threads.pop(key)
            if not await asyncio.to_thread(thread.join, JOIN_S):
                log.warning("a stream hangs in its connection", extra={"camera": key[0]})

    def _thread_changed(self, camera_id: str, stream: str, status: CameraStatus) -> None:
        loop = self.live.loop
        try:
            loop.call_soon_threadsafe(self._tell, camera_id, stream, status)
        except RuntimeError:
            pass  # the loop is closing

    def _tell(self, camera_id: str, stream: str, status: CameraStatus) -> None:
        for listener in self._listeners:
            listener(camera_id, stream, status)

    def add_tap(self, camera_id: str, stream: str, tap: Tap) -> None:
        """It gets the current GOP first. Without a sub stream, ``sub`` is served by main."""
        key = self.real_key(camera_id, stream)
        self._taps[key] = (*self._taps.get(key, ()), tap)

    def has_tap(self, camera_id: str, stream: str, tap: Tap) -> bool:
        """False also where the stream it was added to is not the one it would get now."""
        return tap in self._taps.get(self.real_key(camera_id, stream), ())

    def remove_tap(self, camera_id: str, tap: Tap) -> None:
        for key, taps in self._taps.items():
            if key[0] == camera_id:
                self._taps[key] = tuple(other for other in taps if other is not tap)

    def real_key(self, camera_id: str, stream: str) -> Key:
        camera = self._cameras.get(camera_id)
        has_sub = camera is not None and camera.sub_url is not None
        return (camera_id, "sub" if stream == "sub" and has_sub else "main")

    def has_stream(self, camera_id: str, stream: str) -> bool:
        return self.real_key(camera_id, stream) == (camera_id, stream) and camera_id in self._cameras

    def status(self, camera_id: str) -> CameraStatus:
        """Of the main stream. Raises ``not_found``."""
        camera = self._cameras.get(camera_id)
        if camera is None:
            raise not_found("camera", camera_id)
        if not camera.enabled:
            return CameraStatus("disabled", self._disabled_since.get(camera_id, 0))
        thread = self._threads.get((camera_id, "main"))
        return thread.shown() if thread else CameraStatus("connecting", self._ports.clock.now_ns())

    def statuses(self) -> dict[str, CameraStatus]:
        return {camera_id: self.status(camera_id) for camera_id in self._cameras}

    def stream_statuses(self) -> dict[Key, CameraStatus]:
        return {key: thread.shown() for key, thread in self._threads.items()}

    def works(self) -> list[Work]:
        return [work for thread in self._threads.values() if (work := thread.work())]

    def clock_stepped(self, step_ns: int) -> None:
        """``step_ns`` is what ``BoxClock.poll`` returned."""
        for thread in self._threads.values():
            thread.clock_stepped(step_ns)

    def unsaved_gaps(self, camera_id: str, stream: str) -> list[Gap]:
        """What of the ledger is still on its way to the database."""
        ledger = self._ledgers.get((camera_id, stream))
        return ledger.unsaved() if ledger else []

    def gap(self, camera_id: str, stream: str) -> Gap | None:
        ledger = self._ledgers.get((camera_id, stream))
        return ledger.gap if ledger else None

    async def close(self) -> None:
        """Stop all streams, write their last fragments, then sync the volumes."""
        for thread in self._threads.values():
            thread.stop("restart")
        await self._join(list(self._threads))
        await asyncio.to_thread(self._ports.volumes.stop)
        for ledger in self._ledgers.values():
            ledger.flush()

        def alive(conn: sqlite3.Connection) -> None:
            recovery.note_alive(conn, self._ports.clock.now_ns(), self._ports.boot_id)

        try:
            await self._ports.db.write(alive)
        except ApplianceError as error:  # a full disk, say: the end is less exact, and still a clean one
            log.warning("the end of the recording is not noted: %s", error)
