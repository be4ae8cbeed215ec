"""A hub of the test's own, over real HTTP, and a box that it may command."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.base.clock import SECOND_NS, ManualClock, rfc3339
from appliance.base.model import Alert, Camera, Event
from appliance.store import alerts, cameras, events, hub_link, settings, targets
from appliance.store.database import Database
from appliance.store.hub_link import HubLink
from appliance.store.sealing import Sealer
from appliance.store.targets import Target
from appliance.sync.control.acknowledge_alert import AcknowledgeAlert
from appliance.sync.control.applier import Outcome
from appliance.sync.control.control import Control
from appliance.sync.control.fetch_clip import FetchClip
from appliance.sync.control.patch_settings import PatchSettings
from appliance.sync.control.ping import Ping
from appliance.sync.protocol import signing
from appliance.sync.protocol.command import Command, Signed

TOKEN = "the-box-s-own-token"
BOX_ID = "box-1"


class Hub:
    """Signs orders, and offers those that have no answer yet to whoever has the token."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.key = Ed25519PrivateKey.generate()
        self.seq = 0
        self.waiting: list[Any] = []  # what the next poll is answered with
        self.polls: list[dict[str, str]] = []
        self.is_down = False
        self.script: list[web.Response] = []
        self.url = ""

    def command(self, kind: str = "ping", body: Any = None, **fields: Any) -> Command:
        self.seq += 1
        now_ns = self.clock.now_ns()
        plain = {
            "id": f"order-{self.seq}", "box_id": BOX_ID, "seq": self.seq, "kind": kind, "by": "anna",
            "issued_at": rfc3339(now_ns), "expires_at": rfc3339(now_ns + 3600 * SECOND_NS),
        }  # fmt: skip
        return Command(**(plain | fields), body=msgspec.Raw(msgspec.json.encode(body or {})))

    def signed(self, kind: str = "ping", body: Any = None, **fields: Any) -> Signed:
        return signing.sign_command(self.key, self.command(kind, body, **fields))

    def order(self, kind: str = "ping", body: Any = None, **fields: Any) -> Signed:
        made = self.signed(kind, body, **fields)
        self.waiting.append(made)
        return made

    async def handle(self, request: web.Request) -> web.Response:
        if self.is_down:
            request.transport.abort()
            return web.Response()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        self.polls.append(dict(request.query))
        if self.script:
            return self.script.pop(0)
        offered, self.waiting = self.waiting, []
        return web.Response(body=msgspec.json.encode({"commands": offered}), content_type="application/json")


class Footage:
    of_gate_bytes = 1 << 40

    async def held_bytes(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> int | None:
        return self.of_gate_bytes if camera_id == "gate" else None


class Outside:
    """An effect that is not in the database: how often it began, and what it says of it afterwards."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.remembers: Outcome | None = None
        self.hook: Callable[[], None] = lambda: None

    async def apply(self, command: Command) -> Outcome:
        self.began.append(command.id)
        self.hook()
        return Outcome(message="installed")

    async def recall(self, command: Command) -> Outcome | None:
        return self.remembers


class Bench:
    def __init__(self, path: Path, clock: ManualClock, hub: Hub) -> None:
        self.path, self.clock, self.hub = path, clock, hub
        self.outside, self.footage = Outside(), Footage()
        self.sealer = Sealer(b"k" * 32)
        self.changed: list[str] = []
        self.rung: list[int] = []
        self.task: asyncio.Task | None = None
        self.open()

    def open(self) -> None:
        """Also as after a restart of the box."""
        self.db = Database.open(self.path, "appliance", synchronous="NORMAL")

        async def changed(noun: str) -> None:
            self.changed.append(noun)

        self.control = Control(
            self.db, self.sealer, self.clock,
            {
                "ping": Ping(),
                "fetch_clip": FetchClip(self.db, self.clock, self.footage),
                "acknowledge_alert": AcknowledgeAlert(),
                "patch_settings": PatchSettings(),
                "install_model": self.outside,
            },
            changed=changed, ring=self.rung.append, wait_s=0,
        )  # fmt: skip

    def start(self) -> None:
        self.task = asyncio.create_task(self.control.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.task = None

    async def restart(self) -> None:
        await self.stop()
        self.db.close()
        self.open()
        self.start()

    async def take(self, signed: Any) -> None:
        """An order, past the network."""
        raw = signed if isinstance(signed, bytes) else msgspec.json.encode(signed)
        await self.control.take(msgspec.Raw(raw))

    async def until(self, holds: Callable[[], Any], tick_s: float = 0.2) -> None:
        for _ in range(5_000):
            if holds():
                return
            await self.turn(tick_s)
        raise AssertionError("it never came to that")

    async def run_for(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            await self.turn(1)

    async def turn(self, tick_s: float) -> None:
        """Let time pass, and what it woke be done: on a busy machine, too, the database keeps up with it."""
        self.clock.tick(tick_s)
        for _ in range(3):
            await asyncio.sleep(0.0005)
            await self.db.read(lambda conn: None)
            await self.db.write(lambda conn: None)

    def rows(self, sql: str) -> list[tuple]:
        return self.db.read_now(lambda conn: [tuple(row) for row in conn.execute(sql)])

    def everything(self, *but: str) -> dict[str, list[tuple]]:
        """The whole database, table by table."""
        names = [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: self.rows(f"SELECT * FROM {name}") for name in names if name not in but}

    def results(self) -> list[dict]:
        """Answers in the outbox, in their order."""
        found = self.rows("SELECT body FROM outbox WHERE kind = 'command_result' ORDER BY position")
        return [json.loads(body) for (body,) in found]

    def states(self) -> list[str]:
        return [result["state"] for result in self.results()]

    def audit(self, action: str) -> list[dict]:
        found = self.rows(f"SELECT thing, detail FROM audit WHERE action = '{action}' ORDER BY id")
        return [{"thing": thing} | json.loads(detail) for thing, detail in found]

    def allow(self, *kinds: str) -> None:
        self.db.write_now(lambda conn: hub_link.allow(conn, kinds))

    def furnish(self) -> None:
        now_ns = self.clock.now_ns()
        target = Target("hub", self.hub.url, "hub")
        link = HubLink("hub", BOX_ID, signing.public_bytes(self.hub.key), now_ns)
        event = Event(
            "event-1", BOX_ID, "gate", "rule-1", "zone_enter", "warning", now_ns, None, 0.8,
            "person", "t1", None, "zone-1", now_ns,
        )  # fmt: skip

        def work(conn) -> None:
            settings.set_value(conn, settings.DEVICE_ID, BOX_ID)
            targets.put(conn, target, self.sealer.seal(TOKEN.encode(), "target/hub"))
            targets.put(conn, Target("cloud", "https://cloud.example/in"), None)
            hub_link.put(conn, link)
            cameras.insert(conn, Camera("gate", "Gate", "rtsp://10.0.0.1/s", created_ns=0), None)
            cameras.insert(conn, Camera("yard", "Yard", "rtsp://10.0.0.2/s", created_ns=0), None)
            events.insert(conn, event)
            alerts.insert(conn, Alert("alert-1", "event-1", "rule-1", "gate", "warning", "new", now_ns))

        self.db.write_now(work)


@pytest.fixture
async def hub(clock):
    made = Hub(clock)
    app = web.Application()
    app.router.add_get("/api/v1/box/commands", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def bench(tmp_path, clock, hub):
    made = Bench(tmp_path / "appliance.db", clock, hub)
    made.furnish()
    yield made
    await made.stop()
    made.db.close()


@pytest.fixture
def canonical():
    """Base64 as it is written."""
    return lambda raw: base64.b64encode(raw).decode()
