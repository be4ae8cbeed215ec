"""What one instance of the hub takes in: rows per second and per core of its own, beside the bare database.

The hub is a process of its own, the boxes are tasks of this one. Both databases sync every commit to disk;
the bare figure is the same rows, 1 000 to a transaction, without HTTP, check, journal or sums: COPY in
PostgreSQL, executemany in SQLite.
"""

import asyncio
import contextlib
import gzip
import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import asyncpg
import psutil
from database import postgres

from appliance.base.clock import BoxClock, rfc3339
from appliance.base.ids import uuid7
from appliance.hub.running import Places, open_store
from appliance.hub.store import boxes, fleet, sites, users
from appliance.hub.store.sites import Site
from appliance.hub.store.users import Person

ROWS, PER_BATCH, SENDERS = 60_000, 1_000, 4
BOXES, EVERY_S, ROWS_EACH, SECONDS = 300, 3.0, 20, 12.0
FLEET = 10_000
NOW_NS = BoxClock().now_ns()


def tell(
    name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None
) -> None:
    line = {"name": name, "value": round(value, 1), "unit": unit}
    if peer is not None and peer_value is not None:
        line |= {"peer": peer, "peer_value": round(peer_value, 1)}
    print(json.dumps(line), flush=True)


def event(box_id: str) -> dict[str, object]:
    """As a box tells of it: some 700 bytes."""
    id_, at = uuid7(NOW_NS), rfc3339(NOW_NS)
    body = {
        "id": id_, "version": 1, "device_id": box_id, "camera_id": "gate", "rule_id": uuid7(NOW_NS),
        "type": "intrusion", "severity": "warning", "start_time": at, "end_time": at, "confidence": 0.93,
        "class_name": "person", "track_id": 17, "bbox": {"x": 0.1, "y": 0.2, "width": 0.1, "height": 0.3},
        "zone_id": uuid7(NOW_NS), "direction": None, "count": None, "snapshot_url": f"/api/v1/events/{id_}/s",
        "clip_url": f"/api/v1/events/{id_}/clip.mp4", "found_late": False, "created_at": at,
        "metadata": {"rule_name": "Yard at night"},
    }  # fmt: skip
    return {"id": id_, "kind": "event", "created_at": at, "body": body}


def packed(box_id: str, rows: int) -> bytes:
    batch = {"device_id": box_id, "batch": [event(box_id) for _ in range(rows)]}
    return gzip.compress(json.dumps(batch).encode(), 1)


async def enrolled(places: Places, count: int) -> dict[str, str]:
    """Box -> token."""
    store = await open_store(places, NOW_NS)
    tokens = {f"box-{number}": f"box-{number}.secret" for number in range(count)}

    def work():
        for id_, token in tokens.items():
            hashed = hashlib.sha256(token.encode()).digest()
            yield from boxes.enrol(id_, id_, None, "1", hashed, f"key of {id_}", "", NOW_NS)

    await store.write(work)
    await store.close()
    return tokens


@contextlib.contextmanager
def hub(places: Places) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "appliance", "hub", "--data", str(places.data_dir), "--json"]
    command += ["--listen", "127.0.0.1:0", *(["--database", places.database] if places.database else [])]
    command += ["--files", places.files] if places.files else []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"], psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def cpu_s(*processes: psutil.Process) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def ingest(places: Places, name: str, bare_rows_s: float, peer: str) -> None:
    """Full batches from a few boxes, as fast as they are taken."""
    tokens = await enrolled(places, SENDERS)
    bodies = {id_: [packed(id_, PER_BATCH) for _ in range(ROWS // PER_BATCH // SENDERS)] for id_ in tokens}
    with hub(places) as (url, process):
        async with aiohttp.ClientSession(url) as session:
            began_s, cpu = time.perf_counter(), cpu_s(process)

            async def send(id_: str) -> None:
                for body in bodies[id_]:
                    await post(session, tokens[id_], body)

            await asyncio.gather(*(send(id_) for id_ in tokens))
            elapsed_s, used_s = time.perf_counter() - began_s, cpu_s(process) - cpu
    tell(f"hub ingest, {name}", ROWS / elapsed_s, "rows/s", peer, bare_rows_s)
    tell(f"hub ingest per core of the hub, {name}", ROWS / used_s, "rows/s")


async def post(session: aiohttp.ClientSession, token: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}
    async with session.post("/api/v1/box/batch", data=body, headers=headers) as response:
        said = json.loads(await response.read())
        assert response.status == 200 and said["refused"] == [], said


async def many(places: Places, name: str) -> None:
    """Many boxes, each with a small batch every few seconds: how long one of them waits."""
    tokens = await enrolled(places, BOXES)
    took_ms: list[float] = []
    rounds = int(SECONDS / EVERY_S)
    bodies = {id_: [packed(id_, ROWS_EACH) for _ in range(rounds)] for id_ in tokens}
    with hub(places) as (url, process):
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(url, connector=connector) as session:
            cpu, began_s = cpu_s(process), time.perf_counter()

            async def live(number: int, id_: str) -> None:
                for turn, body in enumerate(bodies[id_]):
                    due_s = began_s + EVERY_S * (turn + number / BOXES)
                    await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                    await post(session, tokens[id_], body)
                    took_ms.append((time.perf_counter() - due_s) * 1000)  # from when it was due

            await asyncio.gather(*(live(number, id_) for number, id_ in enumerate(tokens)))
            used = (cpu_s(process) - cpu) / (time.perf_counter() - began_s)
    took_ms.sort()
    what = f"{BOXES} boxes, {ROWS_EACH} rows each {EVERY_S:g} s, {name}"
    tell(f"hub ingest p50, {what}", took_ms[len(took_ms) // 2], "ms")
    tell(f"hub ingest p99, {what}", took_ms[len(took_ms) * 99 // 100], "ms")
    tell(f"hub's share of a core, {what}", 100 * used, "%")


async def fleet_of(places: Places, name: str) -> None:
    """The list of a big fleet as its page asks for it: the worst hundred, and how many of each."""
    store = await open_store(places, NOW_NS)

    def work():
        for number in range(FLEET):
            id_ = f"box-{number}"
            yield from sites.put(Site(f"site-{number}", f"Site {number}"))
            yield from boxes.enrol(id_, id_, f"site-{number}", "1", id_.encode(), "key", "", NOW_NS)
        yield from users.put(Person("ann", "ann", "admin"), "nothing")

    def look():
        found = yield from fleet.page("ann", 100)
        return found, (yield from fleet.tally("ann"))

    await store.write(work)
    took_ms = []
    for _ in range(20):
        began_s = time.perf_counter()
        await store.read(look)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    await store.close()
    tell(f"worst 100 of {FLEET} boxes and sites, p95, {name}", sorted(took_ms)[18], "ms")


def records() -> list[tuple[str, str, str, int, str]]:
    rows = (event(f"box-{number % SENDERS}") for number in range(ROWS))
    return [("box", str(row["id"]), "event", NOW_NS, json.dumps(row["body"])) for row in rows]


def bare_sqlite(folder: Path) -> float:
    rows = records()
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE bare (box_id, id, kind, created_ns, body, PRIMARY KEY (box_id, id))")
    began_s = time.perf_counter()
    for first in range(0, ROWS, PER_BATCH):
        connection.execute("BEGIN IMMEDIATE")
        part = rows[first : first + PER_BATCH]
        connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?, ?)", part)
        connection.execute("COMMIT")
    elapsed_s = time.perf_counter() - began_s
    connection.close()
    return ROWS / elapsed_s


async def bare_postgres(url: str) -> float:
    rows = records()
    connection = await asyncpg.connect(f"{url}/bare")
    await connection.execute(
        "CREATE TABLE bare (box_id TEXT, id TEXT, kind TEXT, created_ns BIGINT, body TEXT,"
        " PRIMARY KEY (box_id, id))"
    )
    began_s = time.perf_counter()
    for first in range(0, ROWS, PER_BATCH):
        await connection.copy_records_to_table("bare", records=rows[first : first + PER_BATCH])
    elapsed_s = time.perf_counter() - began_s
    await connection.close()
    return ROWS / elapsed_s


async def create(url: str, *names: str) -> None:
    connection = await asyncpg.connect(f"{url}/postgres")
    for name in names:
        await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


async def main() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        for part in ("one", "two", "three", "four", "five"):
            (folder / part).mkdir()
        peer = "executemany, SQLite alone"
        await ingest(Places(folder / "one"), "SQLite", bare_sqlite(folder), peer)
        await many(Places(folder / "two"), "SQLite")
        await fleet_of(Places(folder / "five"), "SQLite")
        with postgres() as found:
            if found is None:
                print("PostgreSQL is not installed here", file=sys.stderr)
                return
            url = found
            await create(url, "bare", "one", "two", "three")
            bare = await bare_postgres(url)
            await ingest(Places(folder / "three", f"{url}/one"), "PostgreSQL", bare, "COPY, PostgreSQL alone")
            await many(Places(folder / "four", f"{url}/two"), "PostgreSQL")
            await fleet_of(Places(folder / "five", f"{url}/three"), "PostgreSQL")


if __name__ == "__main__":
    asyncio.run(main())
