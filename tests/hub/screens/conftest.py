"""A real hub, a real box that obeys it, and a browser's connections from different addresses."""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from appliance.base.config import Config, Listen
from appliance.daemon.serving import serve, shown
from appliance.hub.running import Places
from appliance.store import hub_link, settings
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.sync.control.control import Control
from appliance.sync.control.open_screen import Screens
from appliance.sync.enrol import Applicant
from appliance.sync.protocol.invitation import Invitation

BIG = bytes(range(256)) * 12_000  # 3 MB


async def whence(request: web.Request) -> web.Response:
    return web.json_response({"remote": request.remote or "", "secure": request.secure})


async def big(request: web.Request) -> web.Response:
    return web.Response(body=BIG)


async def swallow(request: web.Request) -> web.Response:
    return web.Response(text=hashlib.sha256(await request.read()).hexdigest())


async def echo(request: web.Request) -> web.WebSocketResponse:
    wire = web.WebSocketResponse()
    await wire.prepare(request)
    async for message in wire:
        if message.type is WSMsgType.TEXT:
            await wire.send_str(message.data[::-1])
    return wire


class RealBox:
    """Its own web, its own control; enrolled at the hub, and allowed to lend its screen."""

    def __init__(self, folder, served) -> None:
        self.folder, self.served, self.clock = folder, served, served.clock
        self.stack = contextlib.AsyncExitStack()
        self.task: asyncio.Task | None = None
        (folder / "secrets").mkdir(parents=True)
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self.sealer = Sealer.from_dir(folder / "secrets")
        self.id = self.db.write_now(lambda conn: settings.ensure_device_id(conn, self.clock.now_ns()))

    async def start(self) -> None:
        url = str(self.served.client.make_url("")).rstrip("/")
        invitation = Invitation(url, await self.served.code())
        await Applicant(self.db, self.sealer, self.clock).enrol(invitation)
        self.allow("open_screen")
        config = Config(self.folder, (self.folder / "recordings",), self.folder, Listen("127.0.0.1", 0))
        app = web.Application(client_max_size=10_000_000)
        app.router.add_get("/whence", whence)
        app.router.add_get("/big", big)
        app.router.add_post("/swallow", swallow)
        app.router.add_get("/echo", echo)
        self.web = await serve(self.stack, app, config, self.clock)
        self.tls = shown(config, self.clock)
        self.screens = Screens(
            self.db, self.sealer, self.clock, lambda: self.web.connect(self.tls), lambda: self.tls.fingerprint
        )

        async def changed(noun: str) -> None:
            return None

        appliers = {"open_screen": self.screens}
        control = Control(self.db, self.sealer, self.clock, appliers, changed=changed, wait_s=0)
        self.task = asyncio.create_task(control.run())

    def allow(self, *kinds: str) -> None:
        self.db.write_now(lambda conn: hub_link.allow(conn, kinds))

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.screens.close()
        await self.stack.aclose()
        self.db.close()


class Browser:
    """Trusts the certificate of the fingerprint that the hub's page shows, and comes from ``address``."""

    def __init__(self, shown, address: str) -> None:
        fingerprint = bytes.fromhex(shown["fingerprint"].replace(":", ""))
        self.url = shown["url"].rstrip("/")
        connector = aiohttp.TCPConnector(
            ssl=aiohttp.Fingerprint(fingerprint), local_addr=(address, 0), force_close=False
        )
        self.session = aiohttp.ClientSession(connector=connector)

    async def text(self, path: str) -> str:
        async with self.session.get(self.url + path) as response:
            return await response.text()


class Bench:
    def __init__(self, served, box, person, port: int) -> None:
        self.served, self.box, self.person, self.port = served, box, person, port
        self.clock, self.path = served.clock, f"/boxes/{box.id}/screen"

    async def lend(self, minutes: int = 15) -> dict:
        status, said = await self.person.ask("POST", self.path, {"minutes": minutes})
        assert status == 201, said
        return said["screen"]

    async def until(self, state: str) -> dict:
        for _ in range(600):
            status, said = await self.person.ask("GET", self.path)
            assert status == 200
            screen = said["screen"]
            if ("closed" if screen is None else screen["state"]) == state:
                return screen
            self.clock.tick(0.2)
            await asyncio.sleep(0.01)
        raise AssertionError(f"it was never {state}: {said}")

    async def connects(self, address: str = "127.0.0.1") -> bool:
        """Whether somebody from there gets as far as a handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            async with asyncio.timeout(5):
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", self.port, ssl=context, local_addr=(address, 0)
                )
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True


@pytest.fixture
def places(tmp_path, a_port) -> Places:
    """Screens are not in the database: one kind of hub is enough."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "hub.toml").write_text(f'[screens]\nports = "{a_port}-{a_port}"\n')
    return Places(tmp_path / "hub")


@pytest.fixture
async def bench(served, tmp_path, a_port) -> AsyncIterator[Bench]:
    box = RealBox(tmp_path / "box", served)
    await box.start()
    yield Bench(served, box, await served.person("anna"), a_port)
    await box.stop()


@pytest.fixture
async def browse() -> AsyncIterator:
    made: list[Browser] = []

    def open_one(shown, address: str = "127.0.0.1") -> Browser:
        made.append(Browser(shown, address))
        return made[-1]

    yield open_one
    for each in made:
        await each.session.close()


@pytest.fixture
def big_body() -> bytes:
    return BIG
