"""The rows of one target: take a batch, send it, do what the answer says, again."""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from appliance.base.clock import SECOND_NS, Clock
from appliance.store import outbox, spent
from appliance.store.database import Database
from appliance.store.outbox import OutboxRow
from appliance.store.policy import ROWS_FIRST, URGENT
from appliance.sync import faults
from appliance.sync.answer import LONGEST_PAUSE_S, Verdict
from appliance.sync.batch_size import BatchSize
from appliance.sync.breaker import FIRST_PAUSE_S, Breaker
from appliance.sync.budget import REQUEST_BYTES, ROW_BYTES, Meter
from appliance.sync.road import Road
from appliance.sync.targets import SyncTarget
from appliance.sync.waiting import first_of, stop

MOST_ALONE = 3
HALF_OPEN_ROWS = 10
IDLE_S = 60.0  # a command beside the daemon may have written without waking us; a budget may be new
GATHER_S = 0.5  # what is not urgent and trickles in goes together
LOOK_S = 0.1  # between two looks while gathering: what an alert may lose by it
PATIENCE_S = 1.0  # that an alert waits for a batch that is on its way, before it is called back
MADE_WAY = "made way for something more urgent"


class Rows:
    """``run`` for ever. After a failure the same rows go first and alone, so that the batch keeps its
    Idempotency-Key; after more of them, fewer.

    One row that a target cannot digest must not park the rows beside it: halves of a batch that was
    refused go again, until the row is alone. Where ``MOST_ALONE`` were refused one after the other, it is
    not the rows, and batches are parked whole until one is delivered.
    """

    def __init__(
        self,
        target_id: str,
        peer: SyncTarget,
        db: Database,
        clock: Clock,
        meter: Meter,
        breaker: Breaker,
        road: Road,
        *,
        journal: bool,
        timeout_s: float,
    ) -> None:
        self._id, self._peer, self._db, self._clock = target_id, peer, db, clock
        self._meter, self._breaker, self._road = meter, breaker, road
        self._journal = journal
        self._deadline_s = 2 * timeout_s + 5.0  # the target has its own; this is for one that forgot it
        self._size = BatchSize(peer.most_rows)
        self._woken = asyncio.Event()
        self._exactly: int | None = None  # so many rows next, whatever the size says
        self._alone = 0  # rows refused alone since the last delivery
        self._sent_ns: int | None = None  # monotonic, of the last batch that was not full
        self.error: str | None = None
        self.delivered_ns: int | None = None
        self.failing_ns: int | None = None  # since the first failure after the last delivery
        self.failed: Verdict | None = None  # the last one

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        while True:
            most_lane = await self._rested()
            self._woken.clear()
            lane = await self._next_lane(most_lane)
            if lane is None or lane > ROWS_FIRST:
                self._road.open()
            if lane is None:
                await self._idle(most_lane)
            elif (wait_s := self._gathering_s(lane)) > 0:
                self._road.open()
                await first_of(self._clock.sleep(wait_s), self._woken.wait())
                if self._woken.is_set():  # by many rows, one after the other: do not look for each
                    await self._clock.sleep(min(LOOK_S, wait_s))
            else:
                await self._run_batch(most_lane)

    async def _rested(self) -> int:
        """Up to which lane rows may go now: after a pause all that the budget allows. A new alert does not
        wait for the end of a pause, whoever asked for it: it goes at once, with what is as urgent, once."""
        id_ = self._id
        while self._breaker.resting:
            self._woken.clear()
            most_lane = min(URGENT, self._meter.most_lane())
            if await self._db.read(partial(outbox.has_new, target_id=id_, most_lane=most_lane)):
                return most_lane
            await first_of(self._breaker.pause(), self._woken.wait())
        return self._meter.most_lane()

    async def _next_lane(self, most_lane: int) -> int | None:
        id_, now_ns = self._id, self._clock.now_ns()
        return await self._db.read(lambda conn: outbox.due_lane(conn, id_, now_ns, most_lane=most_lane))

    def _gathering_s(self, lane: int) -> float:
        if lane <= URGENT:
            return 0.0
        wait_s = self._meter.wait_s()
        if self._sent_ns is not None:
            since_s = (self._clock.monotonic_ns() - self._sent_ns) / SECOND_NS
            wait_s = max(wait_s, GATHER_S - since_s)
        return wait_s

    async def _run_batch(self, most_lane: int) -> None:
        rows = await self._take(most_lane)
        if not rows:
            return
        if rows[0].lane <= ROWS_FIRST:
            self._road.close()
        payload_bytes = sum(len(row.body) for row in rows)
        began_ns = self._clock.monotonic_ns()
        verdict = await self._send(rows)
        if verdict is None:
            await self._put_back(rows, MADE_WAY)
            return
        if verdict.sent_bytes is not None:
            self._meter.charge(self._meter.cost(verdict.sent_bytes) - self._cost(rows))
        if verdict.kind == "delivered":
            took_s = (self._clock.monotonic_ns() - began_ns) / SECOND_NS
            await self._delivered(rows, verdict)
            is_full = self._size.is_full(len(rows), payload_bytes)
            self._sent_ns = None if is_full else self._clock.monotonic_ns()
            if verdict.acknowledged or verdict.rejected:
                self._size.succeeded(len(rows), payload_bytes, took_s)
        else:
            await self._failed(rows, verdict)

    async def _take(self, most_lane: int) -> list[OutboxRow]:
        id_, now_ns, size = self._id, self._clock.now_ns(), self._size
        limit = size.rows if self._exactly is None else self._exactly
        if self._breaker.state == "half_open":
            limit = min(limit, HALF_OPEN_ROWS)
        most_bytes = min(size.size_bytes, max(1, self._meter.left(most_lane) - REQUEST_BYTES))
        if rate := self._meter.rate():
            most_bytes = min(most_bytes, rate)  # of a second

        slot = self._meter.slot()

        def take(conn: sqlite3.Connection) -> list[OutboxRow]:
            rows = outbox.take(conn, id_, limit, now_ns, most_lane=most_lane, most_bytes=most_bytes)
            if rows:
                spent.add(conn, id_, [(slot, self._cost(rows))])
            return rows

        rows = await self._db.write(take)
        if rows:
            self._meter.charge(self._cost(rows), stored=True)
        return rows

    def _cost(self, rows: Sequence[OutboxRow]) -> int:
        return self._meter.cost(REQUEST_BYTES + sum(len(row.body) + ROW_BYTES for row in rows))

    async def _send(self, rows: Sequence[OutboxRow]) -> Verdict | None:
        """None: something more urgent came, and this batch was called back. Whether it arrived nobody
        knows; its ids do (D2)."""
        put = asyncio.create_task(self._peer.put(rows))
        urgent = asyncio.create_task(self._something_urgent(rows[0].lane))
        try:
            async with asyncio.timeout(self._deadline_s):  # of the real clock: silence is real
                await asyncio.wait({put, urgent}, return_when=asyncio.FIRST_COMPLETED)
            return await put if put.done() else None
        except TimeoutError:
            return Verdict("later", error=str(faults.of(TimeoutError())))
        finally:
            await stop(urgent)
            await stop(put)

    async def _something_urgent(self, lane: int) -> None:
        """Done when an alert waits behind rows of a lower lane, and has waited long enough."""
        if lane <= URGENT:
            await asyncio.Event().wait()
        due_ns = self._clock.monotonic_ns() + round(PATIENCE_S * SECOND_NS)
        while True:
            await self._woken.wait()
            self._woken.clear()
            if await self._next_lane(URGENT) is not None:
                await self._clock.sleep(max(0, due_ns - self._clock.monotonic_ns()) / SECOND_NS)
                return

    async def _put_back(self, rows: Sequence[OutboxRow], why: str) -> None:
        id_, ids = self._id, [row.id for row in rows]
        await self._db.write(lambda conn: outbox.retry(conn, id_, ids, 0, why))

    async def _delivered(self, rows: Sequence[OutboxRow], verdict: Verdict) -> None:
        id_, now_ns = self._id, self._clock.now_ns()
        rejected: defaultdict[str, list[str]] = defaultdict(list)
        for row_id, reason in verdict.rejected:
            rejected[reason].append(row_id)
        gone = {*verdict.acknowledged, *(row_id for row_id, _ in verdict.rejected)}
        left = [row for row in rows if row.id not in gone]
        pending = self._meter.pending()

        def settle(conn: sqlite3.Connection) -> None:
            outbox.acknowledge(conn, id_, verdict.acknowledged, now_ns, journal=self._journal)
            for reason, ids in rejected.items():
                outbox.park(conn, id_, ids, reason)
            for row in left:
                due_ns = now_ns + round(_row_pause_s(row) * SECOND_NS)
                outbox.retry(conn, id_, [row.id], due_ns, "the target did not acknowledge it")
            spent.add(conn, id_, pending)

        await self._db.write(settle)
        self._exactly = None if self._exactly is None else 2 * self._exactly
        if self._exactly is not None and self._exactly >= self._size.rows:
            self._exactly = None
        if not gone:
            self._rest(Verdict("later", error="the target acknowledged nothing of it", answered=True))
            return
        self._alone = 0
        self._breaker.succeeded()
        self.error, self.delivered_ns = None, now_ns
        self.failing_ns = self.failed = None

    async def _failed(self, rows: Sequence[OutboxRow], verdict: Verdict) -> None:
        id_, ids = self._id, [row.id for row in rows]
        if verdict.kind == "poisoned" and len(rows) > 1 and self._alone < MOST_ALONE:
            await self._put_back(rows, verdict.error)
            self._exactly = len(rows) // 2
            return
        if verdict.kind in ("refused", "poisoned"):
            await self._db.write(lambda conn: outbox.park(conn, id_, ids, verdict.error))
            self._alone += verdict.kind == "poisoned" and len(rows) == 1
            self._exactly = 1 if 0 < self._alone < MOST_ALONE else None
        else:
            # Due at once: it is the target that rests, and all its rows with it.
            await self._put_back(rows, verdict.error)
            self._size.failed()
            self._exactly = min(len(rows), self._size.rows)
        self._rest(verdict)

    def _rest(self, verdict: Verdict) -> None:
        self._breaker.failed(verdict.after_s, answered=verdict.kind != "later")
        self.error, self.failed = verdict.error, verdict
        if self.failing_ns is None:
            self.failing_ns = self._clock.now_ns()

    async def _idle(self, most_lane: int) -> None:
        id_, now_ns = self._id, self._clock.now_ns()
        due_ns = await self._db.read(lambda conn: outbox.next_due_ns(conn, id_, most_lane=most_lane))
        due_s = IDLE_S if due_ns is None else (due_ns - now_ns) / SECOND_NS
        await first_of(self._woken.wait(), self._clock.sleep(max(0.01, min(IDLE_S, due_s))))


def _row_pause_s(row: OutboxRow) -> float:
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * (1 << min(row.attempts, 20)))
