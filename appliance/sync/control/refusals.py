"""What was not obeyed, in the audit log: the first of each kind one by one, a flood as its sum.

Whoever can send a box orders that are none must not be able to fill its disk with them.
"""

import logging
import sqlite3
from collections import Counter

from appliance.base.clock import SECOND_NS, Clock
from appliance.store import audit
from appliance.store.database import Database
from appliance.sync.control.order import NotObeyed, Reason

log = logging.getLogger(__name__)

ONE_BY_ONE = 10  # of a reason, in each window
WINDOW_NS = 300 * SECOND_NS


class Refusals:
    """``note`` each; ``sum_up`` now and then. Sums that were not written are lost with the process; what
    was refused before them is in the log."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._began_ns = clock.monotonic_ns()
        self._seen: Counter[Reason] = Counter()

    async def note(self, refused: NotObeyed) -> None:
        await self.sum_up()
        self._seen[refused.reason] += 1
        if self._seen[refused.reason] <= ONE_BY_ONE:
            log.warning("an order was not obeyed: %s", refused.message)
            await self._db.write(lambda conn: write(conn, refused, self._clock.now_ns()))

    async def sum_up(self) -> None:
        """At the end of a window: one row for each reason that had more than were written."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._began_ns < WINDOW_NS:
            return
        more = {reason: count - ONE_BY_ONE for reason, count in self._seen.items() if count > ONE_BY_ONE}
        self._began_ns, self._seen = now_ns, Counter()

        def work(conn: sqlite3.Connection) -> None:
            for reason, count in more.items():
                detail = {"reason": reason, "more": count, "message": "as those before, in five minutes"}
                audit.add(conn, self._clock.now_ns(), None, "refused", "hub", detail)

        if more:
            await self._db.write(work)


def write(conn: sqlite3.Connection, refused: NotObeyed, now_ns: int) -> None:
    """One row. What a stranger wrote is not repeated, but for an id that the hub signed."""
    detail = {"reason": refused.reason, "message": refused.message}
    if refused.order is not None:
        command = refused.order.command
        detail |= {"kind": command.kind[:40], "by": command.by}
    thing = f"command/{refused.command_id}" if refused.command_id else "hub"
    audit.add(conn, now_ns, None, "refused", thing, detail)
