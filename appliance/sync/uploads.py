"""The files of one target: at most one on its way, and it makes way for what is more urgent."""

import asyncio
import sqlite3
from collections.abc import Callable

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.store import outbox, spent, tombstones
from appliance.store.database import Database
from appliance.store.outbox import OutboxRow
from appliance.sync.answer import LONGEST_PAUSE_S, Verdict
from appliance.sync.breaker import FIRST_PAUSE_S, Breaker
from appliance.sync.budget import Meter
from appliance.sync.road import Road
from appliance.sync.targets import Material, Materials, SyncTarget
from appliance.sync.waiting import first_of, stop

IDLE_S = 60.0
STALL_S = 120.0  # without one piece going out, by the real clock: the target forgot its deadline
LATEST_S = 86_400.0  # what is not recorded a day after it should have been, never will be


class UploadPace:
    """What a target asks before each piece: see ``targets.Pace``."""

    def __init__(self, lane: int, meter: Meter, road: Road, clock: Clock) -> None:
        self._lane, self._meter, self._road, self._clock = lane, meter, road, clock
        self.exhausted = asyncio.Event()  # the budget is used up: there is no use in waiting here
        self.waits = False
        self.moved_s = asyncio.get_running_loop().time()

    async def ready(self, length_bytes: int) -> None:
        self.waits = True
        cost_bytes = self._meter.cost(length_bytes)
        while True:
            await self._road.free()
            if self._lane > self._meter.most_lane() or self._meter.left(self._lane) < cost_bytes:
                self.exhausted.set()
                await asyncio.Event().wait()
            if (wait_s := self._meter.wait_s()) <= 0:
                break
            await self._clock.sleep(wait_s)
        await self._meter.charge_piece(cost_bytes)
        self.waits, self.moved_s = False, asyncio.get_running_loop().time()


class Uploads:
    """``run`` for ever. A file that is called back goes on later from where the target has it."""

    def __init__(
        self,
        target_id: str,
        peer: SyncTarget,
        db: Database,
        clock: Clock,
        meter: Meter,
        rows_breaker: Breaker,
        road: Road,
        materials: Materials,
        *,
        journal: bool,
        wake_rows: Callable[[], None],
    ) -> None:
        self._id, self._peer, self._db, self._clock = target_id, peer, db, clock
        self._meter, self._rows_breaker, self._road = meter, rows_breaker, road
        self._materials = materials
        self._journal = journal
        self._wake_rows = wake_rows
        self._woken = asyncio.Event()
        self.breaker = Breaker(clock)
        self.uploading: str | None = None
        self.error: str | None = None

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        while True:
            await self.breaker.pause()
            await self._rows_breaker.pause()
            await self._road.free()
            self._woken.clear()
            row = await self._take()
            if row is None:
                await self._idle()
                continue
            self.uploading = row.id
            try:
                await self._deliver(row)
            finally:
                self.uploading = None

    async def _take(self) -> OutboxRow | None:
        id_, now_ns, most_lane = self._id, self._clock.now_ns(), self._meter.most_lane()
        if await self._next_lane(most_lane) is None:
            return None
        rows = await self._db.write(
            lambda conn: outbox.take(conn, id_, 1, now_ns, most_lane=most_lane, files=True)
        )
        return rows[0] if rows else None

    async def _next_lane(self, most_lane: int) -> int | None:
        id_, now_ns = self._id, self._clock.now_ns()
        return await self._db.read(
            lambda conn: outbox.due_lane(conn, id_, now_ns, most_lane=most_lane, files=True)
        )

    async def _deliver(self, row: OutboxRow) -> None:
        try:
            material = await self._materials.open(row)
        except ApplianceError as error:
            await self._no_material(row, error)
            return
        pace = UploadPace(row.lane, self._meter, self._road, self._clock)
        verdict = await self._send(row, material, pace)
        self._meter.file_is_over()
        if verdict is None:
            await self._settle(lambda conn: outbox.retry(conn, self._id, [row.id], 0, "made way"))
            if pace.exhausted.is_set():
                await self._clock.sleep(IDLE_S)
        elif verdict.kind == "delivered" and row.id in verdict.acknowledged:
            now_ns = self._clock.now_ns()
            await self._settle(
                lambda conn: outbox.acknowledge(conn, self._id, [row.id], now_ns, journal=self._journal)
            )
            self.breaker.succeeded()
            self.error = None
        elif verdict.kind in ("refused", "poisoned") or verdict.rejected:
            reason = verdict.error or (verdict.rejected[0][1] if verdict.rejected else "")
            await self._settle(lambda conn: outbox.park(conn, self._id, [row.id], reason))
            self.error = reason
        else:
            why = verdict.error or "the target did not acknowledge it"
            await self._settle(lambda conn: outbox.retry(conn, self._id, [row.id], 0, why))
            self.breaker.failed(verdict.after_s)
            self.error = why

    async def _send(self, row: OutboxRow, material: Material, pace: UploadPace) -> Verdict | None:
        """None: it was called back, for a more urgent file or because the budget is used up."""
        put = asyncio.create_task(self._peer.put_file(row, material, pace))
        others = [
            asyncio.create_task(self._something_urgent(row.lane)),
            asyncio.create_task(pace.exhausted.wait()),
        ]
        stalled = asyncio.create_task(_stalled(pace))
        try:
            await asyncio.wait({put, stalled, *others}, return_when=asyncio.FIRST_COMPLETED)
            if put.done():
                return await put
            if stalled.done():
                return Verdict("later", error=f"nothing went out for {STALL_S:.0f} s")
            return None
        finally:
            for task in (put, stalled, *others):
                await stop(task)

    async def _something_urgent(self, lane: int) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            if await self._next_lane(lane - 1) is not None:
                return

    async def _no_material(self, row: OutboxRow, error: ApplianceError) -> None:
        now_ns, id_ = self._clock.now_ns(), self._id
        too_late = now_ns - row.created_ns > LATEST_S * SECOND_NS
        if error.kind in ("not_found", "data_loss", "invalid") or too_late:
            await self._settle(lambda conn: tombstones.entomb_flying(conn, id_, [row.id], error.message))
            self._wake_rows()  # a tombstone is a row
            return
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(row.attempts, 20))
        due_ns = now_ns + round(pause_s * SECOND_NS)
        await self._settle(lambda conn: outbox.retry(conn, id_, [row.id], due_ns, error.message))

    async def _settle(self, work: Callable[[sqlite3.Connection], object]) -> None:
        pending = self._meter.pending()

        def settle(conn: sqlite3.Connection) -> None:
            work(conn)
            spent.add(conn, self._id, pending)

        await self._db.write(settle)

    async def _idle(self) -> None:
        id_, now_ns, most_lane = self._id, self._clock.now_ns(), self._meter.most_lane()
        due_ns = await self._db.read(
            lambda conn: outbox.next_due_ns(conn, id_, most_lane=most_lane, files=True)
        )
        due_s = IDLE_S if due_ns is None else (due_ns - now_ns) / SECOND_NS
        await first_of(self._woken.wait(), self._clock.sleep(max(0.1, min(IDLE_S, due_s))))


async def _stalled(pace: UploadPace) -> None:
    """Done when no piece went out for ``STALL_S``, and it was not us who held it."""
    loop = asyncio.get_running_loop()
    while pace.waits or loop.time() - pace.moved_s < STALL_S:
        await asyncio.sleep(1.0)  # of the real clock: silence from the network is real
