"""A box for the browser: the real web, stores, fragmenter and live hub; only cameras, disks and the
detector are played. A process of its own, so that neither browser nor test can slow it.

    python tests/ui/fake_box.py --cameras 9

prints one line of JSON (url, username, password), then obeys lines of JSON on stdin:
``{"do": "stall", "camera": "gate"}``, ``resume``, ``state``, ``event``, ``codec`` and answers each with one.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from argon2 import PasswordHasher

from appliance.base.clock import SECOND_NS, BoxClock
from appliance.base.errors import ApplianceError, not_found
from appliance.base.ids import slug, uuid7
from appliance.base.model import Alert, Box, Camera, CameraStatus, Check, Event, Rule, User, Zone
from appliance.base.settings import Settings, SiteSettings
from appliance.base.wire import alert_json, event_json, status_json
from appliance.media import h26x
from appliance.media.boxes import init_segment
from appliance.media.fragment import StreamInit
from appliance.media.fragmenter import LEAD_IN_90K, Fragmenter, ns_from_90k
from appliance.media.live import LiveHub, StreamFan
from appliance.media.span import Recordings, Span
from appliance.simulator.encoder import SceneSource
from appliance.simulator.sample import Sample
from appliance.simulator.spec import CameraSpec
from appliance.store import alerts, cameras, events, journal, rules, settings, users, zones
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.web.box import Box as WebBox
from appliance.web.passwords import Passwords

NAMES = (
    "Front gate", "Loading bay 2", "Yard", "Reception", "Stair A", "Server room", "Car park west", "Back door",
    "Roof", "Corridor 1", "Corridor 2", "Workshop", "Fence north", "Fence south", "Canteen", "Archive",
)  # fmt: skip
PASSWORD = "correct horse battery"


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
        hole = (now_ns - 3000 * SECOND_NS, now_ns - 2400 * SECOND_NS)
        begin = now_ns - 20_000 * SECOND_NS
        marks = sorted({start_ns, now_ns, *(t for t in (begin, *hole) if start_ns < t < now_ns)})
        spans = []
        for a, b in zip(marks, marks[1:], strict=False):
            if a < begin:
                spans.append(Span(a, b, "gap", "disabled"))
            elif hole[0] <= a < hole[1]:
                spans.append(Span(a, b, "gap", "camera_offline"))
            else:
                spans.append(Span(a, b, "recorded", None))
        return Recordings(tuple(spans), start_ns, now_ns, 1_234_567)

    async def clip(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> "PlayedClip":
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
        return await self._change(alert_id, note, "acknowledged", acknowledged_by=user.id, acknowledged_ns=now_ns)

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
                raise ApplianceError("conflict", f"this alert is already {alert.status}", "reload to see by whom")
            notes = (*alert.notes, note) if note else alert.notes
            changed = msgspec.structs.replace(alert, status=status, notes=notes, **values)
            alerts.update(conn, changed)
            journal.append(conn, "alert", alert.camera_id, self._clock.now_ns(), alert_json(changed))
            return changed

        changed = await self._db.write(work)
        self._bell.ring()
        return changed


class FakeBox:
    """Everything together; ``obey`` runs one command."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args = args
        self.clock = BoxClock()
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self.played = Played(self.clock, LiveHub(asyncio.get_running_loop()))
        self.bell = PlayedBell()
        clip, still = footage(args.size)
        hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        self.box = WebBox(
            db=self.db,
            clock=self.clock,
            sealer=Sealer.from_dir(folder / "secrets"),
            device_id=uuid7(self.clock.now_ns()),
            version="0.1.0",
            data_path=folder,
            health=PlayedHealth(self.clock),
            recorder=self.played,
            archive=PlayedArchive(clip, self.clock),
            vision=PlayedVision(still),
            desk=PlayedDesk(self.db, self.clock, self.bell),
            bell=self.bell,
            still_of_event=self._still_of_event(still),
            passwords=Passwords(hasher),
            volume_paths=(folder,),
        )

    def _still_of_event(self, still: bytes) -> Any:
        async def of_event(event_id: str, with_box: bool) -> bytes:
            return still

        return of_event

    def fill(self) -> list[str]:
        """The tables; returns the cameras' ids."""
        now_ns = self.clock.now_ns()
        hashed = self.box.passwords.hash_now(PASSWORD)
        ids = [slug(name) for name in NAMES[: self.args.cameras]]

        def work(conn: Any) -> None:
            settings.save(conn, Settings(site=SiteSettings("Harbour depot", self.args.zone)))
            for role in ("admin", "installer", "operator", "viewer"):
                users.insert(conn, User(f"u-{role}", role, role, created_ns=now_ns), hashed)
            users.insert(conn, User("u-new", "newcomer", "admin", must_change_password=True), hashed)
            for n, (id_, name) in enumerate(zip(ids, NAMES, strict=False)):
                cameras.insert(conn, Camera(id_, name, f"rtsp://10.0.0.{n + 10}/main", created_ns=now_ns + n), None)
                zones.insert(conn, Zone(f"z-{id_}", id_, "doorway", "polygon", ((0.3, 0.4), (0.7, 0.4), (0.7, 1), (0.3, 1))))
            if ids:
                rules.insert(conn, Rule("r-1", "People at the door", "zone_enter", zone_ids=(f"z-{ids[0]}",), severity="critical"))
            for n in range(self.args.events if ids else 0):
                self._happen(conn, ids[n % len(ids)], now_ns - (n + 1) * 977 * SECOND_NS, ("critical", "warning", "info", "info")[n % 4])

        self.db.write_now(work)
        for id_ in ids:
            self.played.statuses[id_] = CameraStatus("recording", now_ns, "h264", 640, 360, 15.0, 812_000, now_ns)
        for id_ in ids[len(ids) - self.args.dead :]:
            dead_ns = now_ns - 754 * SECOND_NS
            self.played.statuses[id_] = CameraStatus("offline", dead_ns, last_packet_ns=dead_ns, last_error="no route to host")
            self.played.stalled.add(id_)
        return ids

    def _happen(self, conn: Any, camera_id: str, at_ns: int, severity: Any, class_name: str = "person") -> Event:
        event = Event(
            uuid7(at_ns), self.box.device_id, camera_id, "r-1", "zone_enter", severity, at_ns, None, 0.87, class_name, "1-7",
            Box(0.4, 0.3, 0.12, 0.5), f"z-{camera_id}", at_ns + 400_000_000, has_snapshot=True, has_clip=True,
        )  # fmt: skip
        events.insert(conn, event)
        journal.append(conn, "event", camera_id, at_ns, event_json(event))
        if severity != "info":
            alert = Alert(uuid7(at_ns), event.id, "r-1", camera_id, severity, "new", event.created_ns)
            if at_ns < self.clock.now_ns() - 3000 * SECOND_NS:
                alert = msgspec.structs.replace(alert, status="acknowledged", acknowledged_by="u-operator", acknowledged_ns=at_ns + 30 * SECOND_NS)
            alerts.insert(conn, alert)
            journal.append(conn, "alert", camera_id, at_ns, alert_json(alert))
        return event

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        camera = order.get("camera", "")
        now_ns = self.clock.now_ns()
        match order["do"]:
            case "stall":
                self.played.stalled.add(camera)
            case "resume":
                self.played.stalled.discard(camera)
            case "state":
                old = self.played.status(camera)
                new = msgspec.structs.replace(old, state=order["state"], since_ns=now_ns, last_packet_ns=now_ns)
                self.played.statuses[camera] = new
                data = {"id": camera, "status": status_json(new)}
                await self.db.write(lambda conn: journal.append(conn, "camera", camera, now_ns, data))
                self.bell.ring()
            case "event":
                severity, what = order.get("severity", "critical"), order.get("class_name", "person")
                event = await self.db.write(lambda conn: self._happen(conn, camera, now_ns, severity, what))
                self.bell.ring()
                return {"id": event.id}
        return {}


def footage(size: str) -> tuple[bytes, bytes]:
    """(an MP4 of ten seconds, a JPEG), made from the simulator's scene."""
    import io

    import av

    from appliance.simulator.scene import Scene

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
    from fractions import Fraction

    codec.time_base = Fraction(1, 10)
    still = b"".join(bytes(p) for p in codec.encode(picture.reformat(format="yuvj420p")))
    return file.getvalue(), still


def drawn(scene: Any, at_s: float, width: int, height: int) -> Any:
    import av
    import numpy as np

    frame = av.VideoFrame(width, height, "yuv420p")
    planes = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]
    scene.draw(*planes, at_s)
    return frame


async def orders(box: FakeBox) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await box.obey(json.loads(line))), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--dead", type=int, default=0)
    parser.add_argument("--events", type=int, default=12)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--bframes", type=int, default=0)
    parser.add_argument("--gop", type=int, default=15)
    parser.add_argument("--zone", default="Europe/Berlin")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        box = FakeBox(args, Path(folder))
        ids = box.fill()
        width, height = map(int, args.size.split("x"))
        spec = CameraSpec(
            "played", width=width, height=height, codec=args.codec, bframes=args.bframes, gop=args.gop, seed=3
        )
        filming = asyncio.create_task(box.played.film(spec, ids))
        runner = web.AppRunner(application(box))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", args.port)
        await site.start()
        port = runner.addresses[0][1]
        print(json.dumps({"url": f"http://127.0.0.1:{port}", "password": PASSWORD, "cameras": ids}), flush=True)
        await orders(box)
        filming.cancel()
        await runner.cleanup()
        box.db.close()


def application(box: FakeBox) -> web.Application:
    from appliance.web.app import make_app

    return make_app(box.box)


if __name__ == "__main__":
    asyncio.run(main())
