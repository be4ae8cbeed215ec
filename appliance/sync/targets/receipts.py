"""The hub's receipts on a stick that has come back: what the hub has is done, what it could not read is owed
again, and what nobody gave a receipt for in time is, too.
"""

import hashlib
import logging
import sqlite3
from functools import partial

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.store import delivered, hub_link, outbox
from appliance.sync.bundle import receipt
from appliance.sync.bundle.folders import Folder
from appliance.sync.bundle.receipt import Receipt
from appliance.sync.targets.given import Given

log = logging.getLogger(__name__)

DAY_NS = 86_400 * SECOND_NS
MOST_AT_ONCE = 1_000  # receipts of one look; the next look goes on
AT_ONCE = 500  # rows per transaction


class Receipts:
    """``look`` in a thread while the stick is there, ``settle`` after it. Each receipt is settled once per
    start; a second time would change nothing that reconciliation does not mend."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._settled: set[str] = set()
        self._fresh: dict[str, tuple[str, bytes]] = {}  # its digest -> (bundle, content)

    def look(self, root: Folder) -> None:
        for bundle, data in receipt.find(root, self._given.device_id):
            digest = hashlib.sha256(bundle.encode() + b"\n" + data).hexdigest()
            if digest not in self._settled:
                self._fresh[digest] = (bundle, data)
            if len(self._fresh) >= MOST_AT_ONCE:
                return

    async def settle(self, resend_days: float) -> None:
        """All of them, each in a transaction of its own; then what has waited for one for too long."""
        again = 0
        while self._fresh:
            digest, (bundle, data) = next(iter(self._fresh.items()))
            again += await self._given.db.write(partial(self._apply, bundle=bundle, data=data))
            self._settled.add(digest)
            del self._fresh[digest]
        while resend_days and (count := await self._given.db.write(lambda c: self._overdue(c, resend_days))):
            again += count
        if again:
            log.warning("%d rows of stick %s are owed again", again, self._given.target.id)
            self._given.wake()

    def _apply(self, conn: sqlite3.Connection, bundle: str, data: bytes) -> int:
        """How many are owed again."""
        link = hub_link.get(conn)
        if link is None:
            return 0
        try:
            said = receipt.read(data, link.command_key, self._given.device_id, bundle)
        except ApplianceError as error:
            log.warning("a receipt on the stick counts for nothing: %s", error)
            return 0
        return self._follow(conn, said, link.target_id)

    def _follow(self, conn: sqlite3.Connection, said: Receipt, hub_id: str) -> int:
        own, now_ns = self._given.target.id, self._given.clock.now_ns()
        outbox.acknowledge_waiting(conn, hub_id, said.acknowledged, now_ns)
        delivered.confirmed(conn, own, [*said.acknowledged, *said.tombstoned, *said.refused])
        for row_id, why in said.refused.items():
            log.warning("the hub refused row %s of the stick: %s", row_id, why)
        return delivered.owe_again(conn, own, said.damaged, now_ns)

    def _overdue(self, conn: sqlite3.Connection, resend_days: float) -> int:
        now_ns = self._given.clock.now_ns()
        if hub_link.get(conn) is None:
            return 0  # nobody gives receipts
        late = delivered.since(conn, self._given.target.id, now_ns - round(resend_days * DAY_NS), AT_ONCE)
        return delivered.owe_again(conn, self._given.target.id, late, now_ns)
