"""Many boxes at one hub: how long one of them waits, what an instance carries, and what happens when all of
them come back at once after an hour without a link.

The boxes (``fleet``) are one process, ``appliance hub`` another, on SQLite and a folder and on PostgreSQL
(fsync on) and an S3 server; all on this machine. Beside it, the same boxes at an endpoint that knows nothing
and says yes, and COPY of the same rows without a hub. Every time is what a box sees; how late the boxes' own
loop was is printed with it, and is part of it. Words: ``quick`` (200 boxes, short), ``sqlite``, ``postgres``.
"""

import asyncio
import contextlib
import gc
import gzip
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import psutil
from bench_hub import cpu_s, create, hub, tell
from database import postgres
from endpoint import serve_yes
from fleet import Account, Fleet, Habits, Seen, enrol, event, invited, percentile, until

from appliance.base.clock import BoxClock, rfc3339
from appliance.hub.running import Places
from appliance.sync.protocol import PREFIX

QUICK = "quick" in sys.argv[1:]
PLACES = {"beside", "sqlite", "postgres"} & set(sys.argv[1:]) or {"beside", "sqlite", "postgres"}
PHASES = {"steady", "herd"} & set(sys.argv[1:]) or {"steady", "herd"}
BOXES = next((int(word) for word in sys.argv[1:] if word.isdigit()), 200 if QUICK else 2_000)
SETTLE_S = 2.0
START_S, WARM_S, SECONDS, STEP_S = (5, 3, 15, 6) if QUICK else (30, 10, 60, 20)
STEPS = (50, 100, 150, 200, 300, 400, 600, 800)  # batches a second
HOUR_S = 600.0 if QUICK else 3600.0
HERD_S = 600.0  # at most
ALARM_EVERY_S = 0.5  # in the herd, somewhere
HABITS = Habits()
LIMIT_MS, GIVEN_UP_MS = 250.0, 1e6
ROOT = Path(__file__).resolve().parent.parent.parent
S3RVER = ROOT / ".venv" / "s3" / "node_modules" / "s3rver" / "bin" / "s3rver.js"
BUCKET, KEY = "footage", "S3RVER"


@dataclass
class Parts:
    """The processes whose share is told; a server's children are its own."""

    hub: psutil.Process
    database: psutil.Process | None = None
    files: psutil.Process | None = None

    def cpu_s(self) -> dict[str, float]:
        found = {"boxes": cpu_s(psutil.Process()), "hub": cpu_s(self.hub)}
        for name, process in (("database", self.database), ("files", self.files)):
            if process is not None:
                found[name] = _family_cpu_s(process)
        return found


def _family_cpu_s(process: psutil.Process) -> float:
    """With its children, those that ended included."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(each.cpu_times()[:4])
    return total


@contextlib.contextmanager
def bucket(folder: Path) -> Iterator[psutil.Process]:
    """An S3 server with an empty bucket, and the environment that says where it is: s3rver where the tests
    installed it, else moto's. Neither says anything about a real store's speed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if S3RVER.exists() and shutil.which("node"):
        where = ("-d", str(folder), "-a", "127.0.0.1", "-p", str(port), "--configure-bucket", BUCKET)
        command = ["node", str(S3RVER), *where]
    else:
        command = [str(Path(sys.executable).with_name("moto_server")), "-p", str(port)]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY,
    }  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.1)
            if command[0] != "node":
                subprocess.run(["curl", "-s", "-X", "PUT", f"http://127.0.0.1:{port}/{BUCKET}"], check=True)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


async def settled() -> None:
    """2 000 boxes in one process: a full collection would stop all of them for half a second."""
    gc.collect()
    gc.freeze()
    await asyncio.sleep(SETTLE_S)  # what that held up is answered


async def watched(fleet: Fleet, parts: Parts, seconds: float) -> tuple[Seen, dict[str, float], float]:
    """What was seen in so long; each part's share of a core; how long it really was."""
    fleet.seen_anew()
    before, began_s = parts.cpu_s(), time.perf_counter()
    await asyncio.sleep(seconds)
    took_s = time.perf_counter() - began_s
    after = parts.cpu_s()
    return fleet.seen_anew(), {name: (after[name] - before[name]) / took_s for name in after}, took_s


def tell_seen(seen: Seen, what: str) -> None:
    tell(f"ingest p50, {what}", percentile(seen.put_ms, 50), "ms")
    tell(f"ingest p99, {what}", percentile(seen.put_ms, 99), "ms", "limit", LIMIT_MS)
    tell(f"... of it the boxes' own lag, p99, {what}", percentile(seen.lag_ms, 99), "ms")
    tell(f"... and longest, {what}", max(seen.lag_ms, default=0), "ms")
    if seen.alarm_ms:
        tell(f"critical alert to its acknowledgement, p99 of {len(seen.alarm_ms)}, {what}",
             percentile(seen.alarm_ms, 99), "ms")  # fmt: skip
    failures = sum(seen.failures.values())
    tell(f"requests that failed, {what}", failures, "requests")
    if failures:
        print(f"# {seen.failures.most_common(5)}", file=sys.stderr)


def tell_shares(shares: dict[str, float], parts: Parts, what: str) -> None:
    for name, share in shares.items():
        tell(f"{name}: share of a core, {what}", 100 * share, "%")
    behind = 1e3 * (sum(shares.values()) - shares["boxes"]) / BOXES
    tell(f"CPU for each box, hub and what is behind it, {what}", behind, "ms/s")
    tell(f"hub: RSS, {what}", parts.hub.memory_info().rss / 1e6, "MB")


@contextlib.asynccontextmanager
async def living(fleet: Fleet) -> AsyncIterator[None]:
    task = asyncio.create_task(fleet.live())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def steady(fleet: Fleet, parts: Parts, url: str, name: str) -> None:
    """Each box as it lives; then more and more."""
    await fleet.start(START_S)
    async with living(fleet):
        await asyncio.sleep(WARM_S)
        await settled()
        seen, shares, took_s = await watched(fleet, parts, SECONDS)
        what = f"{BOXES} boxes, {HABITS.rows_each} events each {HABITS.every_s:g} s, {name}"
        tell(f"load average, {what}", os.getloadavg()[0], "processes")
        tell(f"rows, {what}", seen.rows / took_s, "rows/s")
        tell_seen(seen, what)
        tell_shares(shares, parts, what)
        files = len(os.listdir(f"/proc/{parts.hub.pid}/fd"))
        tell(f"hub: open files, {what}", files, "files")
        await ramp(fleet, parts, url, name)


async def ramp(fleet: Fleet, parts: Parts, url: str, name: str) -> None:
    """More and more batches on top of what the boxes tell, until one of them takes too long. They are made
    beforehand, and sent when they are due whether or not the ones before were answered: real boxes cost
    more than the hub, and here they share its two cores."""
    carried = (0.0, 0.0, 0.0)
    for batches_s in STEPS:
        bodies = await asyncio.to_thread(
            lambda count: [_packed(fleet, number) for number in range(count)], int(batches_s * STEP_S)
        )
        await settled()
        flood = asyncio.create_task(_flood(url, bodies, batches_s))
        seen, shares, took_s = await watched(fleet, parts, STEP_S)
        took_ms = await flood
        p99_ms = percentile(took_ms, 99)
        told = ", ".join(f"{part} {100 * share:.0f} %" for part, share in shares.items())
        print(f"# {batches_s} batches/s more: p50 {percentile(took_ms, 50):.0f} p99 {p99_ms:.0f} ms;"
              f" boxes' own p99 {percentile(seen.put_ms, 99):.0f}, lag {percentile(seen.lag_ms, 99):.0f},"
              f" at most {max(seen.lag_ms, default=0):.0f} ms;"
              f" {told}; load {os.getloadavg()[0]:.1f}; {dict(seen.failures)}",
              file=sys.stderr, flush=True)  # fmt: skip
        if p99_ms > LIMIT_MS:
            break
        more = len(took_ms) / took_s
        carried = (len(seen.put_ms) / took_s + more, seen.rows / took_s + more * HABITS.rows_each, p99_ms)
    tell(f"most batches with p99 in its limit, {BOXES} boxes, {name}", carried[0], "batches/s")
    tell(f"... rows, {name}", carried[1], "rows/s")
    tell(f"... p99 there, {name}", carried[2], "ms", "limit", LIMIT_MS)


def _packed(fleet: Fleet, number: int) -> tuple[str, bytes]:
    """A box's token and a batch of it."""
    account, now_ns = fleet.accounts[number % len(fleet.accounts)], fleet.clock.now_ns()
    rows = [event(account.id, now_ns) for _ in range(HABITS.rows_each)]
    head = {"kind": "event", "created_at": rfc3339(now_ns), "lane": 2}
    batch = [{"id": id_, **head, "body": json.loads(body)} for id_, body in rows]
    said = {"device_id": account.id, "batch": batch, "schema": 2}
    return account.token, gzip.compress(json.dumps(said).encode(), 1)


async def _flood(url: str, bodies: list[tuple[str, bytes]], batches_s: float) -> list[float]:
    """Milliseconds of each, from when it was due."""
    took_ms: list[float] = []
    began_s = time.perf_counter()

    async def send(number: int, token: str, body: bytes) -> None:
        due_s = began_s + number / batches_s
        headers = {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}
        async with session.post(f"{PREFIX}/batch", data=body, headers=headers) as answer:
            await answer.read()
            assert answer.status in (200, 503), answer.status
        if answer.status == 503:
            took_ms.append(GIVEN_UP_MS)  # "come back later" is no ingest
            return
        took_ms.append((time.perf_counter() - due_s) * 1000)

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session, asyncio.TaskGroup() as group:
        for number, (token, body) in enumerate(bodies):
            await asyncio.sleep(max(0.0, began_s + number / batches_s - time.perf_counter()))
            group.create_task(send(number, token, body))
    return took_ms


async def _nothing_waits(fleet: Fleet) -> bool:
    return await fleet.waiting() == 0


async def herd(fleet: Fleet, parts: Parts, name: str) -> None:
    """An hour's rows lie in every box, and all of them start at once; alarms go on."""
    await fleet.stop()
    owed = await fleet.owe_backlog(HOUR_S)
    fleet.seen_anew()
    overflows, before, began_s = _overflows(), parts.cpu_s(), time.perf_counter()
    rss: list[int] = []
    await fleet.start(0.0)
    alarms = asyncio.create_task(_alarms(fleet, parts, rss))
    done = await until(lambda: _nothing_waits(fleet), HERD_S)
    took_s = time.perf_counter() - began_s
    alarms.cancel()
    await asyncio.gather(alarms, return_exceptions=True)
    shares = {part: (cpu - before[part]) / took_s for part, cpu in parts.cpu_s().items()}
    seen = fleet.seen_anew()
    what = f"{BOXES} boxes at once with {owed // BOXES} rows each, {name}"
    tell(f"until all is in{'' if done else ' (given up)'}, {what}", took_s, "s")
    tell(f"rows, {what}", seen.rows / took_s, "rows/s")
    tell_seen(seen, what)
    tell(f"critical alert to its acknowledgement, longest, {what}", max(seen.alarm_ms, default=0), "ms")
    tell_shares(shares, parts, what)
    tell(f"hub: most RSS, {what}", max(rss, default=0) / 1e6, "MB")
    tell(f"connections that found no room in the queue, {what}", _overflows() - overflows, "connections")


async def _alarms(fleet: Fleet, parts: Parts, rss: list[int]) -> None:
    for number in range(1 << 30):
        await asyncio.sleep(ALARM_EVERY_S)
        await fleet.owe_alarm(fleet.accounts[number * 7 % len(fleet.accounts)].id)
        rss.append(parts.hub.memory_info().rss)


def _overflows() -> int:
    """Of all sockets of this machine that listen (proc(5), /proc/net/netstat, ListenOverflows)."""
    names, values = [
        line.split()
        for line in Path("/proc/net/netstat").read_text().splitlines()
        if line.startswith("TcpExt:")
    ]
    return int(dict(zip(names, values, strict=True))["ListenOverflows"])


# -- beside it ------------------------------------------------------------------------------------


async def beside(folder: Path) -> None:
    """The same boxes at an endpoint that says yes: what HTTP and the boxes cost by themselves."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=serve_yes, args=(theirs,), daemon=True)
    child.start()
    parts = Parts(psutil.Process(child.pid))
    accounts = [Account(f"box-{number:05d}", "nothing") for number in range(BOXES)]
    url = f"http://127.0.0.1:{ours.recv()}"
    fleet = Fleet(folder, url, accounts, HABITS)
    await steady(fleet, parts, url, "bare aiohttp")
    await fleet.close()
    child.kill()
    child.join()


async def bare_copy(url: str) -> None:
    """Rows as they come, three to a transaction, on as many connections as the hub has for writing."""
    name = "copied"
    await create(url, name)
    pool = await asyncpg.create_pool(f"{url}/{name}", min_size=8, max_size=8)
    await pool.execute(
        "CREATE TABLE bare (box_id TEXT, id TEXT, kind TEXT, created_ns BIGINT, body TEXT,"
        " PRIMARY KEY (box_id, id))"
    )
    now_ns, count, end_s = BoxClock().now_ns(), 0, time.perf_counter() + 10.0

    async def copy() -> None:
        nonlocal count
        while time.perf_counter() < end_s:
            rows = [event("box", now_ns) for _ in range(HABITS.rows_each)]
            records = [("box", id_, "event", now_ns, body.decode()) for id_, body in rows]
            await pool.copy_records_to_table("bare", records=records)
            count += len(rows)

    await asyncio.gather(*(copy() for _ in range(8)))
    await pool.close()
    tell(f"COPY, {HABITS.rows_each} rows to a transaction, PostgreSQL alone", count / 10.0, "rows/s")


# -- all of it ------------------------------------------------------------------------------------


async def at_hub(folder: Path, places: Places, name: str, parts_of: Parts | None = None) -> None:
    """All three on one hub."""
    with hub(places) as (url, process):
        parts = Parts(process, *((parts_of.database, parts_of.files) if parts_of else ()))
        began_s = time.perf_counter()
        accounts = await enrol(url, await invited(places, BOXES))
        tell(f"enrolments, {name}", BOXES / (time.perf_counter() - began_s), "boxes/s")
        fleet = Fleet(folder, url, accounts, HABITS)
        if "steady" in PHASES:
            await steady(fleet, parts, url, name)
        if "herd" in PHASES:
            await herd(fleet, parts, name)
        await fleet.close()


async def on_postgres(folder: Path, boxes: Path) -> None:
    name = "PostgreSQL and S3"
    with postgres() as url:
        if url is None:
            print("PostgreSQL is not installed here", file=sys.stderr)
            return
        await bare_copy(url)
        await create(url, "fleet")
        control = await asyncpg.connect(f"{url}/fleet")
        leader = psutil.Process(await control.fetchval("SELECT pg_backend_pid()")).parent()
        wal = await control.fetchval("SELECT pg_current_wal_lsn()")
        (folder / "s3").mkdir()
        with bucket(folder / "s3") as files:
            places = Places(folder / "hub", f"{url}/fleet", f"s3://{BUCKET}/fleet")
            await at_hub(boxes, places, name, Parts(files, leader, files))
        held = await control.fetchval("SELECT count(*) FROM received")
        size = await control.fetchval("SELECT pg_database_size('fleet')")
        written = await control.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1)", wal)
        tell(f"database for each row, indexes and journal too, {name}", size / held, "bytes")
        tell(f"WAL for each row, {name}", float(written) / held, "bytes")
        await control.close()


async def main() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        folder = Path(made)
        for part in ("yes", "one", "two", "hub-one", "hub"):
            (folder / part).mkdir()
        if "beside" in PLACES:
            await beside(folder / "yes")
        if "sqlite" in PLACES:
            await at_hub(folder / "one", Places(folder / "hub-one"), "SQLite and a folder")
        if "postgres" in PLACES:
            await on_postgres(folder, folder / "two")


if __name__ == "__main__":
    asyncio.run(main())
