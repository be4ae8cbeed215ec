"""What store and forward costs: a drain over loopback HTTP, the next batch out of five million, and the
sender's share of a core while it keeps up with sixteen busy cameras.

Beside the drain stands its peer: the same bytes, posted by the same client to the same endpoint in the same
run, without an outbox. A busy camera here: two events a second, each with an update, every fifth with an
alert: 16 x 4.4 rows a second. ``quick`` as an argument makes everything ten times smaller.
"""

import asyncio
import contextlib
import json
import multiprocessing
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
from aiohttp import web

from appliance.base.clock import BoxClock
from appliance.base.ids import uuid7
from appliance.store import outbox, outbox_counts, targets
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.store.targets import Target
from appliance.sync import batch_size
from appliance.sync.sync import Sync

QUICK = "quick" in sys.argv[1:]
ROWS = 10_000 if QUICK else 100_000
QUEUE = 500_000 if QUICK else 5_000_000
BUSY_S = 5.0 if QUICK else 30.0
CAMERAS, EVENTS_PER_S = 16, 2
LIMIT_PER_S, LIMIT_MS, LIMIT_PERCENT = 10_000, 2.0, 3.0
BODY = json.dumps(
    {
        "id": "01900000-0000-7000-8000-000000000000", "version": 1, "device_id": "box", "camera_id": "gate",
        "rule_id": "enter", "type": "zone_enter", "severity": "info",
        "start_time": "2026-01-20T14:30:00.000Z",
        "end_time": None, "confidence": 0.9123, "class_name": "person", "track_id": "w1-17",
        "bbox": {"x": 0.4123, "y": 0.3001, "width": 0.1, "height": 0.3}, "zone_id": "room",
        "snapshot_url": None, "clip_url": "/api/v1/events/x/clip.mp4", "found_late": False,
        "created_at": "2026-01-20T14:30:00.120Z", "metadata": {"rule_name": "Enter"},
    }
).encode()  # fmt: skip


def say(name: str, value: float, unit: str, **more: object) -> None:
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit} | more), flush=True)


async def endpoint(pipe: Connection) -> None:
    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=204)  # an empty 2xx acknowledges all of it

    app = web.Application(client_max_size=64_000_000)
    app.router.add_post("/in", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def serve(pipe: Connection) -> None:
    asyncio.run(endpoint(pipe))


@contextlib.contextmanager
def peer() -> Iterator[str]:
    """The address of a trivial endpoint in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    child.start()
    yield f"http://127.0.0.1:{ours.recv()}/in"
    child.kill()
    child.join()


def fill(conn: sqlite3.Connection, rows: int, now_ns: int) -> None:
    conn.executemany(
        "INSERT INTO outbox (id, target_id, kind, lane, is_file, state, created_ns, size_bytes, body)"
        " VALUES (?, 'cloud', 'event', 2, 0, 0, ?, ?, ?)",
        ((uuid7(now_ns + n * 1_000_000), now_ns + n, len(BODY), BODY) for n in range(rows)),
    )
    conn.execute(
        "INSERT INTO outbox_counts (target_id, lane, kind, owed, waiting, bytes)"
        " VALUES ('cloud', 2, 'event', ?, ?, ?)",
        (rows, rows, rows * len(BODY)),
    )


async def drain(folder: Path, url: str) -> float:
    """Rows per second, from the first batch to the last acknowledgement on disk."""
    db, clock = Database.open(folder / "drain.db", "appliance", synchronous="FULL"), BoxClock()
    db.write_now(lambda conn: targets.put(conn, Target("cloud", url), None))
    db.write_now(lambda conn: fill(conn, ROWS, clock.now_ns()))
    began_s = time.perf_counter()
    task = asyncio.create_task(Sync(db, Sealer(b"k" * 32), clock, "box").run())
    while (await db.read(lambda conn: outbox_counts.figures(conn, "cloud"))).acknowledged < ROWS:
        await asyncio.sleep(0.01)
    took_s = time.perf_counter() - began_s
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    db.close()
    return ROWS / took_s


async def bare(url: str) -> float:
    """The same bytes without an outbox: a thousand rows in a request."""
    row = b'{"id":"%s","kind":"event","created_at":"2026-01-20T14:30:00.000Z","body":%s}'
    body = b",".join([row % (b"0" * 36, BODY)] * 1_000)
    async with aiohttp.ClientSession() as session:
        began_s = time.perf_counter()
        for _ in range(ROWS // 1_000):
            async with session.post(url, data=body) as response:
                await response.read()
        return ROWS / (time.perf_counter() - began_s)


def bare_read(conn: sqlite3.Connection, position: int, limit: int) -> int:
    """What SQLite takes for it where nothing is picked: what the cache decides of a pick."""
    cursor = conn.execute(
        "SELECT id, body FROM outbox WHERE position >= ? ORDER BY position LIMIT ?", (position, limit)
    )
    return sum(len(row[1]) for row in cursor)


def next_batches(folder: Path) -> None:
    """How long the writer is held to pick the next batch, and what a figure costs beside it."""
    db = Database.open(folder / "queue.db", "appliance", synchronous="FULL")
    now_ns = BoxClock().now_ns()
    db.write_now(lambda conn: fill(conn, QUEUE, now_ns))
    for limit in (batch_size.FIRST_ROWS, batch_size.MOST_ROWS):
        spent_ms: list[float] = []

        def pick(conn: sqlite3.Connection, limit: int = limit, to: list[float] = spent_ms) -> list[str]:
            began_s = time.perf_counter()
            rows = outbox.take(conn, "cloud", limit, now_ns + 10**15)
            to.append(1_000 * (time.perf_counter() - began_s))
            return [row.id for row in rows]

        read_ms = []
        for turn in range(300):
            began_s = time.perf_counter()
            db.write_now(lambda conn, n=turn, limit=limit: bare_read(conn, QUEUE // 2 + n * limit, limit))
            read_ms.append(1_000 * (time.perf_counter() - began_s))
            ids = db.write_now(pick)
            db.write_now(lambda conn, ids=ids: outbox.acknowledge(conn, "cloud", ids, now_ns))
        cut = statistics.quantiles(spent_ms, n=100)
        millions = f"{QUEUE / 1e6:g} million rows, next {limit}"
        say(f"outbox of {millions}, p50", cut[49], "ms", peer="limit", peer_value=LIMIT_MS)
        say(f"outbox of {millions}, p99", cut[98], "ms", peer="limit", peer_value=LIMIT_MS)
        bare = statistics.quantiles(read_ms, n=100)
        say(f"{limit} rows of it merely read, p50", bare[49], "ms", p99=round(bare[98], 3))
    began_s = time.perf_counter()
    db.read_now(lambda conn: outbox_counts.lanes(conn, "cloud"))
    say("figures of that outbox", 1_000 * (time.perf_counter() - began_s), "ms")
    db.close()


async def busy(folder: Path, url: str, *, sends: bool) -> float:
    """CPU seconds per second of this process while rows are owed as they happen, with a sender or without."""
    db, clock = Database.open(folder / f"busy-{sends}.db", "appliance", synchronous="FULL"), BoxClock()
    db.write_now(lambda conn: targets.put(conn, Target("cloud", url), None))
    sync = Sync(db, Sealer(b"k" * 32), clock, "box")
    task = asyncio.create_task(sync.run()) if sends else None
    await asyncio.sleep(1.0)
    began_s, before = time.perf_counter(), _cpu_s()
    turns = round(BUSY_S * CAMERAS * EVENTS_PER_S)
    for turn in range(turns):
        now_ns = clock.now_ns()

        def owe(conn: sqlite3.Connection, turn: int = turn, now_ns: int = now_ns) -> None:
            outbox.enqueue(conn, ["cloud"], uuid7(now_ns), "event", BODY, now_ns)
            outbox.enqueue(conn, ["cloud"], uuid7(now_ns), "event_update", BODY, now_ns)
            if turn % 5 == 0:
                outbox.enqueue(conn, ["cloud"], uuid7(now_ns), "alert", BODY, now_ns, lane=1)

        await db.write(owe)
        sync.wake()
        await asyncio.sleep(max(0.0, began_s + (turn + 1) / (CAMERAS * EVENTS_PER_S) - time.perf_counter()))
    if sends:
        while (await db.read(lambda conn: outbox_counts.figures(conn, "cloud"))).waiting:
            await asyncio.sleep(0.1)
    share = (_cpu_s() - before) / (time.perf_counter() - began_s)
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    db.close()
    return share


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as name, peer() as url:
        folder = Path(name)
        theirs = asyncio.run(bare(url))
        ours = asyncio.run(drain(folder, url))
        say(
            f"{ROWS} events drained over loopback HTTP", ours, "1/s",
            peer="the same bytes without an outbox", peer_value=round(theirs),
        )  # fmt: skip
        say("... against what is asked for", ours, "1/s", peer="limit", peer_value=LIMIT_PER_S)
        next_batches(folder)
        without = asyncio.run(busy(folder, url, sends=False))
        share = 100 * (asyncio.run(busy(folder, url, sends=True)) - without)
        what = f"sender beside {CAMERAS} cameras of {EVENTS_PER_S} events/s"
        say(what, share, "% of a core", peer="limit", peer_value=LIMIT_PERCENT)


if __name__ == "__main__":
    main()
