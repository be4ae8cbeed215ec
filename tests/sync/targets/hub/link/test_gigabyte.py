"""64 kbit/s with 1 GB waiting: the sender and this target together. What is urgent goes first."""

import asyncio
import contextlib
import json
import time

import pytest
from aiohttp import web

from appliance.base.clock import SECOND_NS, BoxClock, rfc3339
from appliance.store import migrations, outbox, targets
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.store.targets import Target
from appliance.sync.sync import Ports, Sync

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

WAITING, EACH_BYTES = 50, 20_000_000
SIZES = {"still": 40_000, "small_clip": 120_000}


class Made:
    """A file of zeros, as large as its kind; a real one for those that are urgent."""

    mime, stream = "video/mp4", "main"

    def __init__(self, held) -> None:
        self.held = held

    async def open(self, row):
        size = SIZES.get(row.kind)
        return self.held(bytes(EACH_BYTES) if size is None else row.id.encode() * (size // len(row.id)))


async def test_what_is_urgent_goes_before_a_gigabyte(far, bench, tmp_path) -> None:
    hub = bench.Hub()
    runner = web.AppRunner(hub.app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, far).start()
    clock, sealer = BoxClock(), Sealer(b"k" * 32)
    db = Database.open(tmp_path / "a.db", "appliance", synchronous="FULL", migrations=migrations.APPLIANCE)
    url = f"http://{far.getsockname()[0]}:{far.getsockname()[1]}"
    target = Target("hub", url, "hub")
    sealed = sealer.seal(bench.TOKEN.encode(), "target/hub")
    db.write_now(lambda conn: targets.put(conn, target, sealed))

    def owe(id_: str, kind: str, lane: int | None = None) -> None:
        at = rfc3339(clock.now_ns() - 60 * SECOND_NS)
        body = {"event_id": "e", "camera_id": "gate", "start_time": at, "end_time": at, "stream": "main"}
        said = json.dumps(body).encode()
        db.write_now(lambda conn: outbox.enqueue(conn, ["hub"], id_, kind, said, clock.now_ns(), lane=lane))

    for number in range(WAITING):
        owe(f"old-{number}", "clip")
    sync = Sync(db, sealer, clock, "box-1", ports=Ports(Made(bench.Held)))
    running = asyncio.create_task(sync.run())

    async def arrived(holds, most_s: float) -> float:
        began_s = time.monotonic()
        while not holds():
            assert time.monotonic() - began_s < most_s, sync.states()
            await asyncio.sleep(0.01)
        return time.monotonic() - began_s

    def complete(id_: str) -> bool:
        return id_ in hub.uploads and hub.uploads[id_].state == "complete"

    await arrived(lambda: len(hub.chunks) >= 5, 60)
    took = {"alert": [], "still": [], "small_clip": []}
    for number in range(4):
        owe(f"alert-{number}", "alert", 0)
        owe(f"still-{number}", "still")
        owe(f"small-{number}", "small_clip")
        sync.wake()
        took["alert"].append(await arrived(lambda n=number: f"alert-{n}" in hub.rows, 10))
        took["still"].append(took["alert"][-1] + await arrived(lambda n=number: complete(f"still-{n}"), 40))
        took["small_clip"].append(
            took["still"][-1] + await arrived(lambda n=number: complete(f"small-{n}"), 60)
        )
        await asyncio.sleep(4)  # an old clip goes on
    assert not any(complete(f"old-{number}") for number in range(WAITING))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await bench.hung_up(runner)
    db.close()
    print("\n" + "; ".join(f"{kind} {min(s):.1f} to {max(s):.1f} s" for kind, s in took.items()))
    assert max(took["alert"]) <= 3.0
    assert max(took["still"]) <= 15.0
