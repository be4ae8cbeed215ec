"""One target: take a batch, send it, do what the answer says, again."""

import asyncio
import sqlite3
from collections.abc import Sequence

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.supervision import BackOff
from appliance.store import outbox
from appliance.store.database import Database
from appliance.store.outbox import OutboxRow
from appliance.sync.answer import LONGEST_PAUSE_S, Verdict
from appliance.sync.targets import SyncTarget

BATCH_ROWS = 100
FIRST_PAUSE_S = 1.0
MOST_ALONE = 3
IDLE_S = 60.0  # a command beside the daemon may have written without waking us


class SenderState(msgspec.Struct, frozen=True):
    """For the screen. ``error`` is None while the last delivery was good."""

    error: str | None = None
    delivered_ns: int | None = None
    next_attempt_ns: int | None = None


class Sender:
    """``run`` for ever. A row taken and not answered for (a crash, a cancelled task) is taken again
    by the next ``run``. After a failure the same rows go first and alone, so that the batch keeps
    its Idempotency-Key.

    One row that a target cannot digest must not park the rows beside it: halves of a batch that was
    refused go again, until the row is alone. Where ``MOST_ALONE`` were refused one after the other,
    it is not the rows, and batches are parked whole until one is delivered.
    """

    def __init__(
        self,
        target_id: str,
        peer: SyncTarget,
        db: Database,
        clock: Clock,
    ) -> None:
        self._id = target_id
        self._peer = peer
        self._db = db
        self._clock = clock
        self._back_off = BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._woken = asyncio.Event()
        self._limit = BATCH_ROWS
        self._alone = 0  # rows refused alone since the last delivery
        self.state = SenderState()

    def wake(self) -> None:
        """There is something new. Does not shorten the pause after a failure."""
        self._woken.set()

    async def run(self) -> None:
        id_ = self._id
        await self._db.write(lambda conn: outbox.recover(conn, id_))
        while True:
            self._woken.clear()
            pause_s = await self._run_batch()
            if pause_s is None:
                await self._idle()
            elif pause_s > 0:
                await self._clock.sleep(pause_s)

    async def _run_batch(self) -> float | None:
        """Seconds to wait before the next batch; None: nothing is due."""
        id_, limit, now_ns = self._id, self._limit, self._clock.now_ns()
        rows = await self._db.write(lambda conn: outbox.take(conn, id_, limit, now_ns))
        if not rows:
            self._limit = BATCH_ROWS
            return None
        verdict = await self._peer.put(rows)
        if verdict.kind == "delivered":
            return await self._delivered(rows, verdict)
        return await self._failed(rows, verdict)

    async def _delivered(self, rows: Sequence[OutboxRow], verdict: Verdict) -> float:
        id_, now_ns = self._id, self._clock.now_ns()
        gone = set(verdict.acknowledged)
        left = [row for row in rows if row.id not in gone]

        def settle(conn: sqlite3.Connection) -> None:
            outbox.acknowledge(conn, id_, verdict.acknowledged)
            for row in left:
                due_ns = now_ns + round(_row_pause_s(row) * SECOND_NS)
                outbox.retry(conn, id_, [row.id], due_ns, "the target did not acknowledge it")

        await self._db.write(settle)
        self._limit = min(BATCH_ROWS, 2 * self._limit)
        if not gone:
            return self._pause(Verdict("later", error="the target acknowledged nothing"))
        self._alone = 0
        self._back_off.reset()
        self.state = SenderState(delivered_ns=now_ns)
        return 0.0

    async def _failed(self, rows: Sequence[OutboxRow], verdict: Verdict) -> float:
        id_, ids = self._id, [row.id for row in rows]
        if verdict.kind == "poisoned" and len(rows) > 1 and self._alone < MOST_ALONE:
            await self._db.write(lambda conn: outbox.retry(conn, id_, ids, 0, verdict.error))
            self._limit = len(rows) // 2
            return 0.0
        if verdict.kind in ("refused", "poisoned"):
            await self._db.write(lambda conn: outbox.park(conn, id_, ids, verdict.error))
            self._alone += verdict.kind == "poisoned" and len(rows) == 1
            self._limit = 1 if 0 < self._alone < MOST_ALONE else BATCH_ROWS
        else:
            # Due at once: it is the target that rests, and all its rows with it.
            await self._db.write(lambda conn: outbox.retry(conn, id_, ids, 0, verdict.error))
            self._limit = len(rows)
        return self._pause(verdict)

    def _pause(self, verdict: Verdict) -> float:
        pause_s = min(LONGEST_PAUSE_S, max(self._back_off.next_s(), verdict.after_s))
        due_ns = self._clock.now_ns() + round(pause_s * SECOND_NS)
        self.state = SenderState(verdict.error, self.state.delivered_ns, due_ns)
        return pause_s

    async def _idle(self) -> None:
        id_, now_ns = self._id, self._clock.now_ns()
        due_ns = await self._db.read(lambda conn: outbox.next_due_ns(conn, id_))
        due_s = IDLE_S if due_ns is None else (due_ns - now_ns) / SECOND_NS
        waits = {
            asyncio.ensure_future(self._woken.wait()),
            asyncio.ensure_future(self._clock.sleep(max(0.01, min(IDLE_S, due_s)))),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _row_pause_s(row: OutboxRow) -> float:
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * (1 << min(row.attempts, 20)))
