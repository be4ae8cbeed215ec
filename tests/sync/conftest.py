"""A real HTTPS target that misbehaves on demand, and the outbox that is owed to it."""

import asyncio
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.base.clock import ManualClock
from appliance.store import outbox, outbox_counts, targets
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.store.targets import Target
from appliance.sync.sync import Sync

TOKEN = "a-token-of-the-test"


class Cloud:
    """``script`` holds how to treat the next requests, first come first; then it is well-behaved.

    ``effects`` is what an honest target makes of it: each id once, in the order of first delivery.
    """

    def __init__(self) -> None:
        self.script: list[str] = []
        self.requests: list[tuple[dict[str, str], dict]] = []
        self.effects: list[str] = []
        self.bodies: dict[str, dict] = {}
        self.poison: set[str] = set()  # a batch that holds one of these is a 422
        self.arrived = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        batch = json.loads(await request.read())
        self.requests.append((dict(request.headers), batch))
        self.arrived.set()
        how, _, detail = (self.script.pop(0) if self.script else "ok").partition(":")
        ids = [row["id"] for row in batch["batch"]]
        if how == "ok" and self.poison.intersection(ids):
            how, detail = "status", "422"
        if how == "status":
            code, _, after = detail.partition(",")
            headers = {"Retry-After": after} if after else {}
            if code.startswith("3"):
                headers["Location"] = self.url + "/elsewhere"
            return web.Response(status=int(code), headers=headers, text="no")
        if how == "lost":  # arrived, but the answer does not
            self._keep(batch)
            request.transport.abort()
            return web.Response()
        if how == "slow":
            self._keep(batch)
            await asyncio.sleep(3600)
        if how == "cut":
            return await self._cut(request, batch)
        if how == "half":
            self._keep(batch, ids[::2])
            return web.json_response({"acknowledged": [*ids[::2], *ids[:1], "an id of another box"]})
        if how == "none":
            return web.json_response({"acknowledged": []})
        if how == "garbage":
            return web.Response(text=detail or "{not json")
        if how == "huge":
            return web.Response(text=" " * 1_000_001)
        self._keep(batch)
        return web.Response(status=204) if how == "empty" else web.json_response({"acknowledged": ids})

    async def _cut(self, request: web.Request, batch: dict) -> web.StreamResponse:
        self._keep(batch)
        response = web.StreamResponse(headers={"Content-Length": "500"})
        await response.prepare(request)
        await response.write(b'{"acknowledged": [')
        request.transport.abort()
        return response

    def _keep(self, batch: dict, only=None) -> None:
        for row in batch["batch"]:
            if only is None or row["id"] in only:
                if row["id"] not in self.bodies:
                    self.effects.append(row["id"])
                self.bodies.setdefault(row["id"], row)


class Bench:
    """The box's side: a database, a manual clock, and a ``Sync`` that can be killed."""

    def __init__(self, folder: Path, cloud: Cloud, ca: str) -> None:
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self.sealer = Sealer(b"k" * 32)
        self.clock = ManualClock()
        self.cloud, self.ca = cloud, ca
        self.sync = Sync(self.db, self.sealer, self.clock, "box-1", timeout_s=5)
        self.task: asyncio.Task | None = None
        self.made = 0

    def put(self, **fields) -> None:
        target = Target(**({"id": "cloud", "url": self.cloud.url, "ca": self.ca} | fields))
        sealed = self.sealer.seal(TOKEN.encode(), f"target/{target.id}")
        self.db.write_now(lambda c: targets.put(c, target, sealed))
        self.sync.reload()

    def owe(self, count: int, kind: str = "event") -> list[str]:
        ids = [f"{(self.made + n) * 7919 % 10_007:05}-{self.made + n}" for n in range(count)]
        self.made += count

        def work(conn) -> None:
            for id_ in ids:
                body = json.dumps({"n": id_}).encode()
                outbox.enqueue(conn, targets.enabled_ids(conn), id_, kind, body, self.clock.now_ns())

        self.db.write_now(work)
        self.wake()
        return ids

    def start(self, timeout_s: float = 5) -> None:
        self.sync = Sync(self.db, self.sealer, self.clock, "box-1", timeout_s=timeout_s)
        self.task = asyncio.create_task(self.sync.run())

    async def kill(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.task = None

    def wake(self) -> None:
        self.sync.wake()

    def figures(self):
        return self.db.read_now(lambda c: outbox_counts.figures(c, "cloud"))

    async def until(self, holds: Callable[[], bool], tick_s: float = 0.0) -> None:
        """Turns of the loop, letting ``tick_s`` of simulated time pass in each, until ``holds``."""
        while not holds():
            await self.turn(tick_s)

    async def turn(self, tick_s: float) -> None:
        self.clock.tick(tick_s)
        await asyncio.sleep(0.001)

    async def settled(self) -> None:
        """The target rests after a failure: nothing is in flight, and the sender says until when."""
        await self.until(lambda: any(s.next_attempt_ns for s in self.sync.states().values()))


def certificate(folder: Path) -> tuple[Path, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test target")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "target.pem"
    path.write_bytes(pem + secret)
    return path, pem.decode()


@pytest.fixture(scope="session")
def tls(tmp_path_factory) -> tuple[Path, str]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def cloud(tls):
    made = Cloud()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/in", made.handle)
    app.router.add_route("*", "/in/elsewhere", made.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls[0])
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    made.url = f"https://127.0.0.1:{runner.addresses[0][1]}/in"
    yield made
    await runner.cleanup()


@pytest.fixture
async def bench(tmp_path, cloud, tls):
    made = Bench(tmp_path, cloud, tls[1])
    made.put()
    yield made
    await made.kill()
    made.db.close()
