"""A real hub on loopback that keeps the protocol to the letter and misbehaves on demand."""

import asyncio
import hashlib
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from appliance.base.clock import ManualClock
from appliance.store.outbox import OutboxRow
from appliance.store.targets import Target
from appliance.sync.protocol.batch import LONGEST_BATCH_BYTES, Batch, Row
from appliance.sync.protocol.counts import MOST_ASKED, Bucket, Missing, digest
from appliance.sync.protocol.heartbeat import Heartbeat, KindFigures
from appliance.sync.protocol.upload import LARGEST_CHUNK_BYTES, Manifest
from appliance.sync.targets.given import Given
from appliance.sync.targets.hub.target import HubTarget

TOKEN = "a-token-of-the-test"


class Upload:
    def __init__(self, manifest: Manifest) -> None:
        self.manifest, self.data, self.state = manifest, bytearray(), "partial"


class Hub:
    """``script[name]`` holds how to treat the next requests of that name (batch, announce, state, chunk,
    heartbeat, counts, missing), first come first; then it is well-behaved. ``faults``: where the box did
    not keep the protocol; a test that leaves some fails."""

    def __init__(self) -> None:
        self.script: dict[str, list[str]] = defaultdict(list)
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.beats: list[Heartbeat] = []
        self.asked: list[list[str]] = []
        self.rows: dict[str, Row] = {}
        self.uploads: dict[str, Upload] = {}
        self.refuses: dict[str, str] = {}
        self.chunks: list[int] = []  # sizes of those that were taken
        self.connections: set[object] = set()
        self.commands = 0
        self.rows_said: int | None = None
        self.faults: list[str] = []
        self.arrived = asyncio.Event()
        self.hold = asyncio.Event()
        self.names: str | None = None
        self.directories: list[bytes] = []
        self.url = ""

    def app(self) -> web.Application:
        app = web.Application(client_max_size=20_000_000)
        for method, path, name in (
            ("POST", "batch", "batch"), ("POST", "heartbeat", "heartbeat"), ("GET", "counts", "counts"),
            ("PUT", "directory", "directory"),
            ("POST", "missing", "missing"), ("PUT", "uploads/{id}", "announce"),
            ("GET", "uploads/{id}", "state"), ("PUT", "uploads/{id}/chunks/{offset}", "chunk"),
        ):  # fmt: skip
            app.router.add_route(method, f"/api/v1/box/{path}", self.treat(name, getattr(self, name)))
        return app

    def treat(self, name: str, work):
        async def handle(request: web.Request) -> web.StreamResponse:
            self.seen.append(name)
            self.headers.append(dict(request.headers))
            self.connections.add(request.transport)
            self.arrived.set()
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                return refused(401, "this box is not known")
            how, _, detail = (self.script[name].pop(0) if self.script[name] else "ok").partition(":")
            if how == "status":
                code, _, after = detail.partition(",")
                await request.read()
                return refused(int(code), "as the test wants it", after)
            if how == "cut":  # the connection dies after so many bytes of the body
                left = int(detail)
                while left > 0 and (data := await request.content.read(left)):
                    left -= len(data)
                request.transport.abort()
                return web.Response()
            body = await request.read()
            if how == "slow":
                await self.hold.wait()
            if how == "garbage":
                return web.Response(text=detail or "{not json")
            if how == "huge":
                return web.Response(text=" " * 17_000_000)
            answer = work(request, body, how, detail)
            if how == "lost":  # it arrived, and the answer does not
                request.transport.abort()
            return answer

        return handle

    # -- rows

    def batch(self, request: web.Request, body: bytes, how: str, detail: str) -> web.Response:
        # aiohttp's server unpacks gzip by itself
        batch = msgspec.json.decode(body, type=Batch)
        ids = [json.loads(bytes(row))["id"] for row in batch.batch]
        self.check(batch.schema == 2 and batch.device_id == "box-1", "not schema 2 of box-1")
        self.check(len(body) <= LONGEST_BATCH_BYTES, f"a batch of {len(body)} bytes")
        key = hashlib.sha256("\n".join(ids).encode()).hexdigest()
        self.check(request.headers.get("Idempotency-Key") == key, "not the Idempotency-Key of these ids")
        taken, refusals = [], []
        for index, raw in enumerate(batch.batch):
            row = msgspec.json.decode(raw, type=Row)
            if row.id in self.refuses:
                refusals.append({"id": row.id, "index": index, "reason": self.refuses[row.id]})
            elif how != "half" or index % 2 == 0:
                self.rows.setdefault(row.id, row)
                taken.append(row.id)
        taken += ["an-id-of-another-box"] if how == "stranger" else []
        return web.json_response({"acknowledged": taken, "refused": refusals, "later_field": 1})

    # -- files

    def announce(self, request: web.Request, body: bytes, how: str, detail: str) -> web.Response:
        manifest = msgspec.json.decode(body, type=Manifest)
        id_ = request.match_info["id"]
        known = self.uploads.get(id_)
        if known is not None and known.manifest != manifest:
            if known.state == "complete":
                bare = how == "bare"
                return refused(409, "complete, and another file", upload=None if bare else self.told(id_))
            known = None
        if known is None:
            self.uploads[id_] = Upload(manifest)
        return web.json_response(self.told(id_), status=201 if known is None else 200)

    def state(self, request: web.Request, body: bytes, how: str, detail: str) -> web.Response:
        id_ = request.match_info["id"]
        return web.json_response(self.told(id_)) if id_ in self.uploads else refused(404, "no such upload")

    def chunk(self, request: web.Request, body: bytes, how: str, detail: str) -> web.Response:
        id_, offset = request.match_info["id"], int(request.match_info["offset"])
        if how == "forget":
            self.uploads.pop(id_, None)
        if id_ not in self.uploads:
            return refused(404, "no such upload")
        upload = self.uploads[id_]
        if how == "back":
            del upload.data[int(detail) :]
        self.check(0 < len(body) <= LARGEST_CHUNK_BYTES, f"a chunk of {len(body)} bytes")
        if how == "wrong" or request.headers.get("X-Chunk-SHA256") != hashlib.sha256(body).hexdigest():
            self.check(how == "wrong", "the chunk's hash does not fit")
            return refused(422, "the chunk's hash does not fit")
        if offset != len(upload.data):
            return refused(409, "another offset", upload=self.told(id_), field="offset")
        upload.data += body
        self.chunks.append(len(body))
        if len(upload.data) >= upload.manifest.size_bytes:
            fits = hashlib.sha256(upload.data).hexdigest() == upload.manifest.sha256 and how != "broken"
            upload.state = "complete" if fits else "broken"
        told = self.told(id_)
        if upload.state == "broken":
            self.uploads.pop(id_)
        return web.json_response(told)

    def told(self, id_: str) -> dict:
        upload = self.uploads[id_]
        size = upload.manifest.size_bytes
        return {"id": id_, "state": upload.state, "received_bytes": len(upload.data), "size_bytes": size}

    # -- beside

    def heartbeat(self, request: web.Request, body: bytes, how: str, detail: str) -> web.Response:
        self.beats.append(msgspec.json.decode(body, type=Heartbeat))
        rows = len(self.rows) if self.rows_said is None else self.rows_said
        answer = {"hub_time": "2026-01-20T14:30:00.000Z", "rows": rows, "commands_waiting": self.commands}
        if self.names is not None:  # None: a hub of old
            answer["directory_wanted"] = self.beats[-1].directory not in ("", self.names)
        return web.json_response(answer)

    def directory(self, request: web.Request, body: bytes, how: str, detail: str) -> web.Response:
        self.directories.append(body)
        self.names = hashlib.sha256(body).hexdigest()[:32]
        return web.json_response({})

    def counts(self, request: web.Request, body: bytes, how: str, detail: str) -> web.Response:
        found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for row in self.rows.values():
            bucket = found[row.kind, row.created_at[:10]]
            bucket[0] += 1
            bucket[1] += digest(row.id)
        return web.json_response(
            {"buckets": [{"kind": k, "day": d, "count": c, "digest": s} for (k, d), (c, s) in found.items()]}
        )

    def missing(self, request: web.Request, body: bytes, how: str, detail: str) -> web.Response:
        ids = msgspec.json.decode(body, type=Missing).ids
        self.check(0 < len(ids) <= MOST_ASKED, f"{len(ids)} ids asked at once")
        self.asked.append(ids)
        not_had = [id_ for id_ in ids if id_ not in self.rows]
        return web.json_response({"ids": [*not_had, *(["never-asked"] if how == "stranger" else [])]})

    def check(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)


def refused(code: int, message: str, after: str = "", upload=None, field: str = "") -> web.Response:
    error = {"kind": "conflict", "message": message, "hint": ""} | ({"field": field} if field else {})
    body = {"error": error} | ({} if upload is None else {"upload": upload})
    return web.json_response(body, status=code, headers={"Retry-After": after} if after else {})


@asynccontextmanager
async def served(hub: Hub, tls: ssl.SSLContext | None = None) -> AsyncIterator[Hub]:
    runner = web.AppRunner(hub.app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    hub.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield hub
    finally:
        hub.hold.set()
        await runner.cleanup()
    assert hub.faults == []


class Held:
    """A material that is held in memory; ``stream`` as the ring's have it."""

    mime = "video/mp4"

    def __init__(self, data: bytes, stream: str = "main") -> None:
        self.data, self.stream = data, stream
        self.size_bytes, self.sha256 = len(data), hashlib.sha256(data).hexdigest()

    async def read(self, offset: int, length_bytes: int) -> AsyncIterator[bytes]:
        for at in range(offset, offset + length_bytes, 65_536):
            yield self.data[at : min(at + 65_536, offset + length_bytes)]


class NoPace:
    async def ready(self, length_bytes: int) -> None: ...


class Memory:
    """A journal in memory: what the box believes acknowledged, and what it owes again."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, str]] = {}  # id -> kind, day
        self.owed: list[str] = []
        self.page = 1_000

    def put(self, id_: str, kind: str, day: str) -> None:
        self.rows[id_] = (kind, day)

    async def acknowledged(self) -> int:
        return len(self.rows)

    async def buckets(self) -> list[Bucket]:
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for id_, where in self.rows.items():
            found[where].append(id_)
        return [Bucket(kind, day, len(ids), sum(map(digest, ids))) for (kind, day), ids in found.items()]

    async def ids(self, kind: str, day: str, after: str, limit: int) -> list[str]:
        found = sorted(id_ for id_, where in self.rows.items() if where == (kind, day) and id_ > after)
        return found[: min(limit, self.page)]

    async def owe_again(self, ids: list[str]) -> int:
        for id_ in ids:
            del self.rows[id_]
        self.owed += ids
        return len(ids)

    async def figures(self):
        return {"event": KindFigures(9, 2, 1, 3, 2, 1)}


def given(url: str, **fields) -> Given:
    context = fields.pop("tls", None) or ssl.create_default_context()
    target = Target(id="hub", url=url, kind="hub")
    fields = {"secret": TOKEN, "clock": ManualClock(), "timeout_s": 60.0} | fields
    return Given(target=target, tls=context, device_id="box-1", db=None, state_folder=Path("/"), **fields)


def make_row(id_: str, kind: str = "event", body: bytes = b'{"n":1}', **fields) -> OutboxRow:
    created_ns = fields.pop("created_ns", ManualClock().now_ns())
    return OutboxRow(id_, kind, body, created_ns, 0, fields.pop("is_tombstone", False), fields.pop("lane", 2))


def make_file_row(id_: str = "clip-1", kind: str = "clip") -> OutboxRow:
    span = {"start_time": "2026-01-20T14:30:00.000Z", "end_time": "2026-01-20T14:30:10.000Z"}
    body = {"event_id": "e-1", "camera_id": "gate", **span, "stream": "sub"}
    return make_row(id_, kind, json.dumps(body).encode())


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with served(Hub()) as made:
        yield made


@pytest.fixture
async def target(hub: Hub) -> AsyncIterator[HubTarget]:
    made = HubTarget(given(hub.url), Memory())
    yield made
    await made.close()


@pytest.fixture(name="row")
def _row() -> Callable[..., OutboxRow]:
    return make_row


@pytest.fixture(name="file_row")
def _file_row() -> Callable[..., OutboxRow]:
    return make_file_row


@pytest.fixture(name="held")
def _held() -> type[Held]:
    return Held


@pytest.fixture
def no_pace() -> NoPace:
    return NoPace()


async def hung_up(runner: web.AppRunner) -> None:
    """Ended at once: what a thin link has not taken would keep a connection open behind the loop's end."""
    assert runner.server is not None
    for connection in runner.server.connections:
        if connection.transport is not None:
            connection.transport.abort()
    await asyncio.sleep(0)
    await runner.cleanup()


class Bench:
    """For tests that make hubs and boxes of their own, many of them."""

    Hub, Memory, Held, NoPace, TOKEN = Hub, Memory, Held, NoPace, TOKEN
    served, hung_up = staticmethod(served), staticmethod(hung_up)
    row, file_row = staticmethod(make_row), staticmethod(make_file_row)

    @staticmethod
    def target(url: str, journal=None, **fields) -> HubTarget:
        return HubTarget(given(url, **fields), journal or Memory())

    @staticmethod
    def server_tls(path: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path)
        return context

    client_tls = staticmethod(lambda pem: ssl.create_default_context(cadata=pem))


@pytest.fixture(scope="session")
def bench() -> type[Bench]:
    return Bench
