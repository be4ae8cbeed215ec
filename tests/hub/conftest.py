"""Hubs on real databases and real stores of files, and boxes that speak the protocol to them."""

import asyncio
import base64
import contextlib
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.base.clock import SECOND_NS, ManualClock, rfc3339
from appliance.base.ids import uuid7
from appliance.hub.app import make_app
from appliance.hub.box_api.enrol import code_hash, new_code
from appliance.hub.hub import Hub
from appliance.hub.running import Places, open_hub, open_store
from appliance.hub.store import codes, users
from appliance.hub.store.codes import Code
from appliance.sync.protocol import PREFIX
from appliance.sync.protocol.enrolment import Enrolment
from appliance.web.people.passwords import Passwords

PASSWORD = "a horse in the rain"
START_NS = ManualClock().now_ns()
Answer = tuple[int, Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class PostgresServer:
    """A server of our own in a temporary folder; every test gets a database of its own."""

    def __init__(self, folder: Path, bin_dir: Path) -> None:
        self.folder, self.bin, self.port = folder, bin_dir, free_port()
        self._made, self._shared = 0, ""
        self.data = folder / "data"
        self.become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def run(self, *command: str) -> None:
        # Its output goes nowhere: a server that inherits our pipe would keep it open.
        subprocess.run(
            [*self.become, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        options += " -c fsync=off"  # no test here cuts the power; the bench has it on
        log = str(self.folder / "log")
        self.run(str(self.bin / "pg_ctl"), "-D", str(self.data), "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self.run(str(self.bin / "pg_ctl"), "-D", str(self.data), "-m", mode, "stop")

    def database(self) -> str:
        """A new one, without a table."""
        self._made += 1
        name = f"hub_{os.getpid()}_{self._made}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def cleared(self) -> str:
        """One with empty tables: they are made once, and emptied from test to test."""
        if not self._shared:
            self._shared = self.database()
            _in_thread(_make_tables(Places(self.folder, self._shared)))
        name = self._shared.rpartition("/")[2]
        tables = "SELECT string_agg(relname, ', ') FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        tables += " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'migrations'"
        self.sql(name, f"DO $$ BEGIN EXECUTE 'TRUNCATE ' || ({tables}) || ' RESTART IDENTITY'; END $$")
        return self._shared

    def url(self, name: str) -> str:
        return f"postgresql://hub@127.0.0.1:{self.port}/{name}"

    def sql(self, database: str, statement: str) -> None:
        psql = [str(self.bin / "psql"), "-h", str(self.folder), "-p", str(self.port), "-U", "hub", database]
        subprocess.run([*psql, "-qc", statement], check=True)


def _in_thread(work: Any) -> None:
    """A fixture may be asked for while a loop runs; another one needs a thread."""
    thread = threading.Thread(target=asyncio.run, args=(work,))
    thread.start()
    thread.join()


async def _make_tables(places: Places) -> None:
    store = await open_store(places, START_NS)
    await store.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed here")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    folder = Path(f"/tmp/hub-postgres-{os.getpid()}")
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    server = PostgresServer(folder, found[-1].parent)
    try:
        server.run(str(server.bin / "initdb"), "-D", str(server.data), "-U", "hub", "-A", "trust")
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3_service() -> Iterator[str]:
    """moto's S3 on loopback; its address. (It does not check signatures.)"""
    program = Path(sys.executable).with_name("moto_server")
    if not program.exists():
        pytest.skip("moto is not installed here")
    port = free_port()
    process = subprocess.Popen(
        [str(program), "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/moto-api/", timeout=1).close()
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def gigabyte_of_zeros() -> bytes:
    """In gzip."""
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()


@pytest.fixture
def bucket(s3_service: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """``s3://`` address of an empty bucket; the environment says the rest."""
    name = f"hub-{uuid7(time.time_ns())}"
    request = urllib.request.Request(f"{s3_service}/{name}", method="PUT", data=b"")
    urllib.request.urlopen(request, timeout=10).close()
    for key, value in (
        ("AWS_ENDPOINT_URL", s3_service),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "nothing"),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(key, value)
    return f"s3://{name}/footage"


@pytest.fixture(params=["embedded", "served"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    """SQLite and a folder; PostgreSQL and a bucket."""
    if request.param == "embedded":
        return Places(tmp_path / "hub")
    server: PostgresServer = request.getfixturevalue("postgres")
    return Places(tmp_path / "hub", server.cleared(), request.getfixturevalue("bucket"))


def tunnel_key() -> str:
    """Public, of a pair whose other half nobody needs."""
    return base64.b64encode(X25519PrivateKey.generate().public_key().public_bytes_raw()).decode()


@dataclass
class PlayedBox:
    """A box as the hub knows it: its keys, its token, and the requests of the protocol."""

    client: TestClient
    clock: ManualClock
    id: str
    code: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    tunnel_key: str = field(default_factory=tunnel_key)
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def enrolment(self, **changes: str) -> Enrolment:
        public = base64.b64encode(self.key.public_key().public_bytes_raw()).decode()
        asked = Enrolment(self.code, self.id, f"Box {self.id}", "1.0", public, self.tunnel_key, "")
        asked = msgspec.structs.replace(asked, **changes)
        proof = base64.b64encode(self.key.sign(asked.signed_text())).decode()
        return asked if asked.proof else msgspec.structs.replace(asked, proof=proof)

    async def enrol(self, **changes: str) -> Answer:
        status, said = await self.ask("POST", "/enrol", msgspec.json.encode(self.enrolment(**changes)))
        if status == 200:
            self.token = said["token"]
        return status, said

    async def ask(self, method: str, path: str, data: Any = None, **headers: str) -> Answer:
        response = await self.raw(method, path, data, **headers)
        text = await response.text()
        return response.status, json.loads(text) if text else None

    async def raw(self, method: str, path: str, data: Any = None, **headers: str) -> ClientResponse:
        if isinstance(data, dict | list):
            data = json.dumps(data).encode()
        if isinstance(data, bytes) and len(data) > 1_000_000:
            data = io.BytesIO(data)  # aiohttp warns of long bytes
        said = {key.replace("_", "-"): value for key, value in headers.items()}
        if self.token:
            said.setdefault("Authorization", f"Bearer {self.token}")
        return await self.client.request(method, PREFIX + path, data=data, headers={**self.headers, **said})

    def row(self, id_: str, kind: str = "event", body: Any = None, at_s: float = 0.0) -> dict[str, Any]:
        at = rfc3339(self.clock.now_ns() + round(at_s * SECOND_NS))
        if body is None:
            body = {"id": id_, "type": "intrusion", "severity": "critical", "start_time": at,
                    "camera_id": "gate", "end_time": None}  # fmt: skip
        return {"id": id_, "kind": kind, "created_at": at, "body": body}

    async def batch(self, *rows: Any, **headers: str) -> Answer:
        return await self.ask("POST", "/batch", {"device_id": self.id, "batch": list(rows)}, **headers)

    def manifest(self, data: bytes, kind: str = "clip", event_id: str = "e1") -> dict[str, Any]:
        at = rfc3339(self.clock.now_ns())
        return {
            "kind": kind,
            "created_at": at,
            "file": {"event_id": event_id, "camera_id": "gate", "start_time": at, "end_time": at},
            "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "mime": "video/mp4",
        }

    async def begin(self, id_: str, data: bytes, **changes: Any) -> Answer:
        return await self.ask("PUT", f"/uploads/{id_}", {**self.manifest(data), **changes})

    async def chunk(self, id_: str, offset: int, data: bytes, said: str | None = None) -> Answer:
        digest = hashlib.sha256(data).hexdigest() if said is None else said
        return await self.ask("PUT", f"/uploads/{id_}/chunks/{offset}", data, X_Chunk_SHA256=digest)

    async def beat(self, **said: Any) -> Answer:
        beat = {"box_time": rfc3339(self.clock.now_ns()), "version": "1.0", "status": "ok", **said}
        return await self.ask("POST", "/heartbeat", beat)

    async def counts(self) -> dict[tuple[str, str], tuple[int, int]]:
        _, said = await self.ask("GET", "/counts")
        return {(b["kind"], b["day"]): (b["count"], b["digest"]) for b in said["buckets"]}


@dataclass
class PlayedPerson:
    client: TestClient
    headers: dict[str, str]

    async def ask(self, method: str, path: str, data: Any = None, **headers: str) -> Answer:
        said = {**self.headers, **{key.replace("_", "-"): value for key, value in headers.items()}}
        response = await self.client.request(method, f"/api/v1{path}", json=data, headers=said)
        body = await response.read()
        is_json = response.content_type == "application/json"
        return response.status, json.loads(body) if body and is_json else body


@dataclass
class Served:
    """One instance of a hub, on a socket."""

    hub: Hub
    client: TestClient
    clock: ManualClock

    async def code(self, *, site_id: str | None = None, fingerprint: str = "", hours: float = 1.0) -> str:
        text, now_ns = new_code(), self.clock.now_ns()
        made = Code(
            uuid7(now_ns), "", site_id, fingerprint, "test", now_ns, now_ns + round(hours * 3600 * SECOND_NS)
        )
        await self.hub.store.write(lambda: codes.add(made, code_hash(text)))
        return text

    async def box(self, id_: str, *, site_id: str | None = None) -> PlayedBox:
        """Enrolled."""
        box = PlayedBox(self.client, self.clock, id_, await self.code(site_id=site_id))
        status, said = await box.enrol()
        assert status == 200, said
        return box

    async def person(self, name: str, role: str = "admin", site_ids: Any = None) -> PlayedPerson:
        """Made, and signed in with a bearer token."""
        hashed = self.hub.passwords.hash_now(PASSWORD)
        ids = None if site_ids is None else tuple(site_ids)
        made = users.Person(uuid7(self.clock.now_ns()), name, role, ids)  # type: ignore[arg-type]
        await self.hub.store.write(lambda: users.put(made, hashed))
        login = {"username": name, "password": PASSWORD}
        response = await self.client.post("/api/v1/auth/login", json=login)
        said = await response.json()
        self.client.session.cookie_jar.clear()
        return PlayedPerson(self.client, {"Authorization": f"Bearer {said['access_token']}"})


Start = Callable[..., Awaitable[Served]]


@pytest.fixture
async def start(places: Places, clock: ManualClock) -> AsyncIterator[Start]:
    """Start an instance; more of them share database, files and key."""
    async with contextlib.AsyncExitStack() as stack:

        async def one(at: Places = places) -> Served:
            hub = await stack.enter_async_context(open_hub(at, clock))
            hub.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
            server = TestServer(make_app(hub))
            await server.start_server(auto_decompress=False)
            stack.push_async_callback(server.close)
            client = await stack.enter_async_context(TestClient(server))
            return Served(hub, client, clock)

        yield one
        await asyncio.sleep(0)


@pytest.fixture
async def served(start: Start) -> Served:
    return await start()


@pytest.fixture
def embedded(tmp_path: Path, clock: ManualClock) -> Iterator[Callable[[Any], None]]:
    """Run ``play(served, box, id)`` on one embedded hub again and again, each time with a new id: for
    laws, which are tried many times in one test."""
    runner = asyncio.Runner()
    stack = contextlib.AsyncExitStack()
    number = 0

    async def begin() -> tuple[Served, PlayedBox]:
        hub = await stack.enter_async_context(open_hub(Places(tmp_path / "law"), clock))
        server = TestServer(make_app(hub))
        await server.start_server(auto_decompress=False)
        stack.push_async_callback(server.close)
        served = Served(hub, await stack.enter_async_context(TestClient(server)), clock)
        return served, await served.box("box-law")

    def again(play: Any) -> None:
        nonlocal number
        number += 1
        runner.run(play(served, box, f"law-{number}"))

    served, box = runner.run(begin())
    yield again
    runner.run(stack.aclose())
    runner.close()


@pytest.fixture
def a_port() -> int:
    return free_port()


@pytest.fixture
def free_ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture
def played_box(clock: ManualClock) -> Callable[..., PlayedBox]:
    """A box that is to enrol with a code, over a session whose base is a hub's address."""
    return lambda session, code: PlayedBox(session, clock, "box-k", code)
