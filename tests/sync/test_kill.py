"""kill -9 in the middle of a drain, again and again: every row arrives, and once in effect."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from appliance.store import outbox, outbox_counts, targets
from appliance.store.database import Database
from appliance.store.targets import Target

ROWS = 3_000
KILLS = 3


class Endpoint:
    """Holds what it was told; answers after it has it, as an honest target does."""

    def __init__(self) -> None:
        self.rows: dict[str, dict] = {}
        self.deliveries = 0

    async def handle(self, request: web.Request) -> web.Response:
        batch = json.loads(await request.read())["batch"]
        self.deliveries += len(batch)
        self.rows.update((row["id"], row) for row in batch)
        await asyncio.sleep(0.02)
        return web.json_response({"acknowledged": [row["id"] for row in batch]})


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[Endpoint, str]]:
    made = Endpoint()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/in", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield made, f"http://127.0.0.1:{runner.addresses[0][1]}/in"
    await runner.cleanup()


def owe(path: Path, url: str) -> list[str]:
    ids = [f"{n * 7919 % 10_007:05}-{n}" for n in range(ROWS)]
    db = Database.open(path, "appliance", synchronous="NORMAL")

    def work(conn) -> None:
        targets.put(conn, Target("cloud", url), None)
        for n, id_ in enumerate(ids):
            kind = ("event", "alert", "metrics")[n % 3]
            outbox.enqueue(conn, ["cloud"], id_, kind, b'{"n":%d}' % n, n)

    db.write_now(work)
    db.close()
    return ids


def figures(path: Path):
    db = Database.open(path, "appliance", synchronous="NORMAL")
    found = db.read_now(lambda c: outbox_counts.by_kind(c, "cloud"))
    counted = db.read_now(lambda c: c.execute("SELECT count(*) AS n FROM outbox").fetchone()["n"])
    db.close()
    for each in found.values():
        assert each.owed == ROWS // 3 == each.acknowledged + each.waiting + each.in_flight
    assert counted == sum(each.waiting + each.in_flight for each in found.values())
    return sum(found.values(), outbox_counts.TargetFigures())


async def test_a_drain_that_is_killed_again_and_again(endpoint, tmp_path: Path, root: Path) -> None:
    peer, url = endpoint
    path, dice = tmp_path / "appliance.db", random.Random(4)
    ids = owe(path, url)
    for life in range(KILLS + 1):
        before = len(peer.rows)
        command = [sys.executable, str(Path(__file__).with_name("drain_box.py")), str(path)]
        child = subprocess.Popen(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)})
        try:
            enough = before + dice.randrange(1, 1_000) if life < KILLS else ROWS
            while len(peer.rows) < enough:
                assert child.poll() is None
                await asyncio.sleep(0.002)
            if life == KILLS:  # the last answer, too, is to be believed
                while figures(path).acknowledged < ROWS:
                    await asyncio.sleep(0.05)
        finally:
            child.kill()
            child.wait()
        assert figures(path).acknowledged <= len(peer.rows), "nothing left that had not arrived"
    assert set(peer.rows) == set(ids) and figures(path).acknowledged == ROWS
    assert peer.deliveries < ROWS + (KILLS + 1) * 1_000, "at most a batch again for each kill"
    assert all(json.loads(b'{"n":%d}' % n) == peer.rows[id_]["body"] for n, id_ in enumerate(ids))
