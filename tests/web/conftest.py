"""A whole web on a real database and a real socket; only the rooms below are played."""

import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import msgspec
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher

from appliance.base.clock import SECOND_NS, ManualClock
from appliance.base.errors import ApplianceError, not_found
from appliance.base.ids import uuid7
from appliance.base.model import Alert, Camera, CameraStatus, Check, Event, Lock, Rule, User, Zone
from appliance.base.wire import alert_json
from appliance.media.fragment import Fragment, StreamInit
from appliance.media.record.live import LiveHub
from appliance.media.span import Recordings, Span
from appliance.store import alerts, cameras, events, journal, locks, rules, users, zones
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.system.update.inbox import Inbox
from appliance.system.update.rauc import Rauc
from appliance.system.update.record import Places
from appliance.system.update.release import Release
from appliance.vision.state import VisionFigures, VisionState
from appliance.web.app import make_app
from appliance.web.box import Box
from appliance.web.care_port import CareState
from appliance.web.people.passwords import Passwords

sys.path.insert(0, str(Path(__file__).parent / "played"))

from web_models import PlayedModels

PASSWORD = "a horse in the rain"
ROLES = ("viewer", "operator", "installer", "admin")
CLIP = bytes(range(256)) * 40


@dataclass
class PlayedClip:
    data: bytes = CLIP
    start_ns: int = 0
    gaps: tuple[Span, ...] = ()
    complete: bool = True
    etag: str = "abc"

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    async def read(self, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        end = len(self.data) if length is None else offset + length
        for begin in range(offset, end, 1000):
            yield self.data[begin : min(end, begin + 1000)]


@dataclass
class PlayedArchive:
    db: Database
    clock: ManualClock
    folder: Path
    made: PlayedClip = field(default_factory=PlayedClip)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def recordings(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> Recordings:
        self._known(camera_id, stream)
        middle_ns = (start_ns + end_ns) // 2
        spans = (
            Span(start_ns, middle_ns, "gap", "restart"),
            Span(middle_ns, end_ns, "recorded", None, locked=True),
        )
        return Recordings(spans, start_ns, end_ns, 12345)

    async def clip(
        self, camera_id: str, stream: str, start_ns: int, end_ns: int, *, as_of_ns: int = 0
    ) -> PlayedClip:
        self._known(camera_id, stream)
        self.asked.append((camera_id, stream, start_ns, end_ns))
        return self.made

    async def playlist(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> str:
        self._known(camera_id, stream)
        return "#EXTM3U\n"

    async def file(self, camera_id: str, stream: str, key: str) -> Path:
        path = self.folder / f"{key}.mp4"
        if not path.exists():
            raise not_found("segment", key)
        return path

    async def lock(
        self, camera_id: str, start_ns: int, end_ns: int, reason: str, owner: str, owner_id: str
    ) -> tuple[Lock, float]:
        now_ns = self.clock.now_ns()
        made = Lock(uuid7(now_ns), camera_id, start_ns, end_ns, reason, owner, owner_id, now_ns)  # type: ignore[arg-type]
        await self.db.write(lambda conn: locks.insert(conn, made))
        return made, 12.5

    async def unlock(self, lock_id: str) -> None:
        await self.db.write(lambda conn: locks.delete(conn, lock_id))

    async def frame_source(self, camera_id: str, stream: str, time_ns: int) -> Any:
        self._known(camera_id, stream)
        return (camera_id, stream, time_ns)

    def _known(self, camera_id: str, stream: str) -> None:
        if stream == "sub":
            raise not_found("stream", stream)


class PlayedRecorder:
    def __init__(self, live: LiveHub, clock: ManualClock) -> None:
        self.live = live
        self._clock = clock

    def status(self, camera_id: str) -> CameraStatus:
        return CameraStatus("recording", self._clock.now_ns(), codec="h264", width=640, height=360, fps=15.0)

    def stream_statuses(self) -> dict[tuple[str, str], CameraStatus]:
        return {("gate", "main"): self.status("gate"), ("yard", "main"): self.status("yard")}

    def has_stream(self, camera_id: str, stream: str) -> bool:
        return stream == "main"


class PlayedVision:
    def __init__(self) -> None:
        self.drawn: list[Any] = []

    async def still(self, camera_id: str, time_ns: int, box: Any) -> bytes:
        raise not_found("picture", camera_id)

    async def still_from(self, source: Any, box: Any) -> bytes:
        self.drawn.append(box)
        return b"\xff\xd8 a still"

    def state(self) -> VisionState:
        return VisionState("running", 0, "motion", "", 0)

    def figures(self) -> dict[str, VisionFigures]:
        return {"gate": VisionFigures(5.0, 5.0, queue_depth=1, skipped=3, decoder="software", decode_ms=0.4)}


class PlayedDevices:
    """A network in which nobody is: every question has an empty answer."""

    def __getattr__(self, name: str) -> Any:
        async def nothing(*words: Any) -> tuple[Any, ...]:
            return ()

        return nothing


class PlayedDesk:
    """As the real one: a status change and its journal row in one transaction."""

    def __init__(self, db: Database, clock: ManualClock, bell: "PlayedBell") -> None:
        self._db, self._clock, self._bell = db, clock, bell

    async def acknowledge(self, alert_id: str, user: User, note: str | None) -> Alert:
        return await self._change(alert_id, "acknowledged", acknowledged_by=user.username)

    async def resolve(self, alert_id: str, user: User, resolution: Any, note: str | None) -> Alert:
        return await self._change(alert_id, "resolved", resolved_by=user.username, resolution=resolution)

    async def _change(self, alert_id: str, status: Any, **values: Any) -> Alert:
        def work(conn: Any) -> Alert:
            before = alerts.get(conn, alert_id)
            assert before is not None
            if before.status in (status, "resolved"):
                raise ApplianceError("conflict", f"it is {before.status}", "nothing is to be done")
            now_ns = self._clock.now_ns()
            stamp = {f"{status}_ns": now_ns}
            after = msgspec.structs.replace(before, status=status, **stamp, **values)
            alerts.update(conn, after)
            journal.append(conn, "alert", after.camera_id, now_ns, alert_json(after))
            return after

        changed = await self._db.write(work)
        self._bell.ring()
        return changed


class PlayedBell:
    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, on_ring: Callable[[], None]) -> Callable[[], None]:
        self._listeners.append(on_ring)
        return lambda: self._listeners.remove(on_ring)

    def ring(self) -> None:
        for listener in self._listeners:
            listener()


@dataclass
class PlayedHealth:
    started: bool = True
    found: list[Check] = field(default_factory=lambda: [Check("disk", "ok", "fine", 0)])

    def checks(self) -> list[Check]:
        return self.found


@dataclass
class Site:
    """The web under test, and what a test wants to say to it."""

    client: TestClient[Any, Any]
    box: Box
    db: Database
    clock: ManualClock
    bell: PlayedBell
    archive: PlayedArchive
    live: LiveHub
    vision: PlayedVision
    models: PlayedModels
    health: PlayedHealth
    changed: list[str]
    probed: list[Any]
    tokens: dict[str, str] = field(default_factory=dict)

    async def login(self, username: str, password: str = PASSWORD) -> ClientResponse:
        body = {"username": username, "password": password}
        return await self.client.post("/api/v1/auth/login", json=body)

    async def bearer(self, username: str) -> dict[str, str]:
        if username not in self.tokens:
            response = await self.login(username)
            assert response.status == 200, await response.text()
            self.tokens[username] = (await response.json())["access_token"]
            self.client.session.cookie_jar.clear()
        return {"Authorization": f"Bearer {self.tokens[username]}"}

    async def ask(self, method: str, path: str, who: str | None = "admin", **more: Any) -> ClientResponse:
        headers = {**(await self.bearer(who) if who else {}), **more.pop("headers", {})}
        path = path if path.startswith(("/ws", "/health", "/metrics")) else f"/api/v1{path}"
        return await self.client.request(method, path, headers=headers, **more)

    async def note(self, camera_id: str | None, number: int) -> int:
        """A row in the journal, and the bell."""
        now_ns = self.clock.now_ns()
        data = {"number": number}
        position = await self.db.write(lambda c: journal.append(c, "camera", camera_id, now_ns, data))
        self.bell.ring()
        return position


@pytest.fixture
async def site(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Site]:
    import asyncio

    db = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    passwords, bell, changed, probed = Passwords(hasher), PlayedBell(), [], []
    live = LiveHub(asyncio.get_running_loop())
    models = PlayedModels(clock)
    archive, vision, health = PlayedArchive(db, clock, tmp_path), PlayedVision(), PlayedHealth()

    async def note_change(noun: str) -> None:
        changed.append(noun)

    async def probe(url: str, credentials: Any) -> Any:
        probed.append((url, credentials))
        return {"codec": "h264", "width": 640, "height": 360, "hints": []}

    async def support() -> bytes:
        return b"a bundle"

    parts = {"updates": Inbox(Places(tmp_path), Rauc(), Release(), clock, watched=()), "support": support}
    parts["care"] = AsyncMock()  # one that has nothing to do; tests/web/test_care.py plays a better one
    parts["care"].state.return_value = CareState(None, None, None, [])
    parts["care"].bundle = Mock(side_effect=not_found("bundle", "of support"))
    box = Box(
        db=db, clock=clock, sealer=Sealer(bytes(32)), device_id="box-1", version="0.1", data_path=tmp_path,
        health=health, recorder=PlayedRecorder(live, clock), archive=archive, vision=vision, models=models,
        devices=PlayedDevices(), desk=PlayedDesk(db, clock, bell), bell=bell, probe=probe,
        changed=note_change, passwords=passwords, **parts,
    )  # fmt: skip
    await db.write(lambda conn: _furnish(conn, clock.now_ns(), hasher.hash(PASSWORD)))
    server = TestServer(make_app(box), host="127.0.0.1")
    async with TestClient(server) as client:
        yield Site(client, box, db, clock, bell, archive, live, vision, models, health, changed, probed)
    db.close()


def _furnish(conn: Any, now_ns: int, hashed: str) -> None:
    for name in ROLES:
        users.insert(conn, User(id=f"u-{name}", username=name, role=name, created_ns=now_ns), hashed)  # type: ignore[arg-type]
    limited = User(id="u-limited", username="limited", role="installer", camera_ids=("gate",))
    users.insert(conn, limited, hashed)
    new = User(id="u-new", username="new", role="admin", must_change_password=True)
    users.insert(conn, new, hashed)
    corners = ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))
    for number, name in enumerate(("gate", "yard")):
        camera = Camera(
            id=name, name=name.title(), rtsp_url=f"rtsp://10.0.0.{number + 1}/s", created_ns=number
        )
        cameras.insert(conn, camera, None)
        zones.insert(conn, Zone(f"zone-{name}", name, f"{name} zone", "polygon", corners))
        rule = Rule(id=f"rule-{name}", name=f"{name} rule", kind="zone_enter", zone_ids=(f"zone-{name}",))
        rules.insert(conn, rule)
        events.insert(conn, event_of(f"event-{name}", name, now_ns - number * SECOND_NS))
        alert = Alert(f"alert-{name}", f"event-{name}", f"rule-{name}", name, "warning", "new", now_ns)
        alerts.insert(conn, alert)
        locks.insert(conn, Lock(f"lock-{name}", name, 0, now_ns, "kept", "person", "u-admin", now_ns))


def event_of(id_: str, camera_id: str, start_ns: int) -> Event:
    return Event(
        id_, "box-1", camera_id, f"rule-{camera_id}", "zone_enter", "warning", start_ns, None, 0.8,
        "person", "t1", None, f"zone-{camera_id}", start_ns, has_snapshot=True, has_clip=True,
    )  # fmt: skip


def stream_init(camera_id: str, run: str = "run-1") -> StreamInit:
    mime = 'video/mp4; codecs="avc1.640028"'
    return StreamInit(
        camera_id, "main", run, "h264", mime, b"init " + run.encode(), b"avcC", 640, 360, 10**18
    )


def fragment(number: int, *, key: bool = False, size: int = 10) -> Fragment:
    body = number.to_bytes(8, "big") + bytes(max(0, size - 8))
    return Fragment(1, b"moof", body, number * 66_000_000, number * 6000, key)


@pytest.fixture
def make_init() -> Callable[..., StreamInit]:
    return stream_init


@pytest.fixture
def make_fragment() -> Callable[..., Fragment]:
    return fragment


@pytest.fixture
def make_event() -> Callable[..., Event]:
    return event_of
