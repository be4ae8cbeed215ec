"""``kill -9`` of a real hub while it takes rows and files: what it acknowledged is there, and once."""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import msgspec
import pytest

from appliance.base.clock import ManualClock
from appliance.sync.protocol.counts import digest

ROWS, PER_BATCH, FILE_BYTES = 2_000, 50, 3_000_000


class Process:
    """``appliance hub`` as operators run it, on one port for all its lives."""

    def __init__(self, places: Any, port: int) -> None:
        self._places, self._port = places, port
        self.alive: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{port}"

    def _command(self, *more: str) -> list[str]:
        command = [sys.executable, "-m", "appliance", "hub", *more, "--data", str(self._places.data_dir)]
        for option, value in (("--database", self._places.database), ("--files", self._places.files)):
            command += [option, value] if value else []
        return command

    def start(self) -> dict[str, Any]:
        self.alive = subprocess.Popen(
            [*self._command(), "--listen", f"127.0.0.1:{self._port}", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.alive.stdout is not None
        return json.loads(self.alive.stdout.readline())

    def stop(self, number: int) -> int:
        assert self.alive is not None and self.alive.stdout is not None
        self.alive.send_signal(number)
        code = self.alive.wait(15)
        self.alive.stdout.close()
        return code

    def code(self) -> str:
        done = subprocess.run(self._command("code", "--json"), capture_output=True, check=True)
        return json.loads(done.stdout)["code"]

    def end(self) -> None:
        """However the test went."""
        if self.alive is not None and self.alive.poll() is None:
            self.stop(signal.SIGKILL)


@pytest.fixture
def make_process() -> Iterator[Callable[..., Process]]:
    made: list[Process] = []

    def make(places: Any, port: int) -> Process:
        made.append(Process(places, port))
        return made[-1]

    yield make
    for process in made:
        process.end()


async def keep_asking(box: Any, *what: Any, **headers: str) -> tuple[int, Any]:
    """As a box does: again, until somebody answers."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            status, said = await box.ask(*what, **headers)
            if status not in (500, 503):
                return status, said
        await asyncio.sleep(0.05)


async def send_rows(box: Any, rows: list[dict[str, Any]], acknowledged: set[str]) -> None:
    for first in range(0, len(rows), PER_BATCH):
        body = {"device_id": box.id, "batch": rows[first : first + PER_BATCH]}
        _, said = await keep_asking(box, "POST", "/batch", body)
        acknowledged.update(said["acknowledged"])


async def send_file(box: Any, id_: str, data: bytes) -> None:
    """From where it stopped, whatever happens."""
    _, said = await keep_asking(box, "PUT", f"/uploads/{id_}", box.manifest(data))
    while said["state"] != "complete":
        offset = said["received_bytes"]
        if offset == len(data):  # all of it came, and is not put together yet
            _, said = await keep_asking(box, "GET", f"/uploads/{id_}")
            continue
        piece = data[offset : offset + 65_536]
        hashed = hashlib.sha256(piece).hexdigest()
        path = f"/uploads/{id_}/chunks/{offset}"
        status, answer = await keep_asking(box, "PUT", path, piece, X_Chunk_SHA256=hashed)
        said = answer["upload"] if status == 409 else answer
        assert said["received_bytes"] >= offset  # what was acknowledged is never taken back


@pytest.mark.parametrize(
    ("places", "kills"),
    [
        ("embedded", 2),
        pytest.param("embedded", 12, marks=pytest.mark.long),
        pytest.param("served", 12, marks=pytest.mark.long),
    ],
    indirect=["places"],
)
async def test_nothing_acknowledged_is_lost_and_nothing_is_there_twice(
    places, kills, clock: ManualClock, played_box: Callable[..., Any], a_port: int, make_process
):
    hub = make_process(places, a_port)
    hub.start()
    rng = random.Random(kills)
    data = rng.randbytes(FILE_BYTES)
    async with aiohttp.ClientSession(hub.url) as session:
        box = played_box(session, hub.code())
        await box.enrol()
        rows, acknowledged = [box.row(f"e{n}") for n in range(ROWS)], set()
        sending = asyncio.gather(send_rows(box, rows, acknowledged), send_file(box, "c1", data))
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(0.05, 0.5))
            hub.stop(signal.SIGKILL)
            had = set(acknowledged)
            await asyncio.to_thread(hub.start)
            for ids in (sorted(had)[first : first + 1000] for first in range(0, len(had), 1000)):
                _, said = await keep_asking(box, "POST", "/missing", {"ids": ids})
                assert said["ids"] == []
        await sending
        await send_rows(box, rows, acknowledged)  # all of it once more: a box restored from a backup
        assert len(acknowledged) == ROWS
        counts = await box.counts()
        sums = (ROWS, sum(digest(row["id"]) for row in rows))
        assert {kind: said for (kind, _), said in counts.items()} == {
            "event": sums,
            "clip": (1, digest("c1")),
        }
    assert hub.stop(signal.SIGTERM) == 0
    if places.database is None:
        (whole,) = [path for path in (places.data_dir / "files" / "files").rglob("*") if path.is_file()]
        assert whole.read_bytes() == data


async def test_two_hubs_start_on_one_database_at_once(postgres, bucket, tmp_path, free_ports, make_process):
    """As a balancer's would: one makes the tables, the admin and the key; both answer the same."""
    url = postgres.database()
    hubs = []
    for name, port in zip(("one", "two"), free_ports, strict=True):
        places = msgspec.defstruct("P", ["data_dir", "database", "files"])(tmp_path / name, url, bucket)
        hubs.append(make_process(places, port))
    key = os.urandom(32)
    for name in ("one", "two"):
        (tmp_path / name / "secrets").mkdir(parents=True)
        (tmp_path / name / "secrets" / "box.key").write_bytes(key)
    ready = await asyncio.gather(*(asyncio.to_thread(hub.start) for hub in hubs))
    assert sorted("claim_code" in said for said in ready) == [False, True]
    assert [hub.stop(signal.SIGTERM) for hub in hubs] == [0, 0]


@pytest.mark.parametrize("places", ["served"], indirect=True)
async def test_a_database_that_is_killed_costs_an_answer_and_no_row(served, postgres):
    box = await served.box("box-k")
    rows, acknowledged = [box.row(f"e{n}") for n in range(ROWS)], set()
    sending = asyncio.create_task(send_rows(box, rows, acknowledged))
    for _ in range(2):
        await asyncio.sleep(0.15)
        await asyncio.to_thread(postgres.stop)
        assert (await box.ask("GET", "/counts"))[0] == 503
        had = sorted(acknowledged)[:1000]
        await asyncio.to_thread(postgres.start)
        assert (await keep_asking(box, "POST", "/missing", {"ids": had}))[1]["ids"] == []
    await sending
    await send_rows(box, rows, acknowledged)
    sums = (ROWS, sum(digest(row["id"]) for row in rows))
    assert list((await box.counts()).values()) == [sums]
