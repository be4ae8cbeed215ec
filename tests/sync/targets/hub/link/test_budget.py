"""A day's bytes over a real link: sender, meter and hub target together, counted by the link."""

import asyncio
import json
from contextlib import asynccontextmanager

from appliance.base.clock import SECOND_NS, BoxClock, rfc3339
from appliance.store import migrations, outbox, targets
from appliance.store.database import Database
from appliance.store.policy import Budget, Policy
from appliance.store.sealing import Sealer
from appliance.store.targets import Target
from appliance.sync.sync import Ports, Sync

DAY_BYTES, CLIPS, CLIP_BYTES, EVENTS = 20_000_000, 100, 250_000, 2_000


class Made:
    def __init__(self, held) -> None:
        self.held = held

    async def open(self, row):
        return self.held(row.id.encode() * (CLIP_BYTES // len(row.id)))


@asynccontextmanager
async def sending(db: Database, clock: BoxClock, bench):
    sync = Sync(db, Sealer(b"k" * 32), clock, "box-1", ports=Ports(Made(bench.Held)))
    running = asyncio.create_task(sync.run())
    yield sync
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def quiet(proxy, for_s: float = 1.5) -> int:
    """What the box got rid of, once it sends nothing any more."""
    before = -1
    while before != proxy.sent_bytes:
        before = proxy.sent_bytes
        await asyncio.sleep(for_s)
    return before


async def test_a_day_s_budget_is_kept_within_one_per_cent(hub, bench, proxied, tmp_path) -> None:
    """All that the link saw: refusals, heartbeats, a restart in the middle. An alert still goes."""
    clock, sealer = BoxClock(), Sealer(b"k" * 32)
    db = Database.open(tmp_path / "a.db", "appliance", synchronous="FULL", migrations=migrations.APPLIANCE)

    def owe(id_: str, kind: str, lane: int | None = None) -> None:
        at = rfc3339(clock.now_ns() - 60 * SECOND_NS)
        body = {"event_id": "e", "camera_id": "gate", "start_time": at, "end_time": at, "stream": "main"}
        said = json.dumps(body).encode()
        db.write_now(lambda conn: outbox.enqueue(conn, ["hub"], id_, kind, said, clock.now_ns(), lane=lane))

    async with proxied(hub.url, []) as proxy:
        policy = Policy(budget=Budget(day_bytes=DAY_BYTES, overhead_percent=0))
        sealed = sealer.seal(bench.TOKEN.encode(), "target/hub")
        db.write_now(lambda conn: targets.put(conn, Target("hub", proxy.url, "hub", policy=policy), sealed))
        for number in range(EVENTS):
            owe(f"event-{number}", "event")
        for number in range(CLIPS):
            owe(f"clip-{number}", "clip")
        async with sending(db, clock, bench), asyncio.timeout(60):
            while proxy.sent_bytes < DAY_BYTES // 2:
                await asyncio.sleep(0.01)
        async with sending(db, clock, bench) as sync:  # a restart forgets nothing of what went
            async with asyncio.timeout(60):
                while proxy.sent_bytes < DAY_BYTES * 0.99:
                    await asyncio.sleep(0.05)
            assert await quiet(proxy) <= DAY_BYTES * 1.01
            owe("alarm", "alert", 0)
            sync.wake()
            async with asyncio.timeout(20):
                while "alarm" not in hub.rows:
                    await asyncio.sleep(0.05)
            assert await quiet(proxy) <= DAY_BYTES * 1.01
    assert len(hub.rows) == EVENTS + 1
    assert 0 < sum(upload.state == "complete" for upload in hub.uploads.values()) < CLIPS
    db.close()
