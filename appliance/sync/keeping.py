"""What is kept for the targets does not grow without end: quotas, ages, the journal, old budgets.

Also for a target that is switched off or cannot be reached: that is when an outbox grows.
"""

import sqlite3
from functools import partial

from appliance.base.clock import SECOND_NS, Clock
from appliance.store import delivered, spent, targets, tombstones
from appliance.store.database import Database
from appliance.store.policy import FILE_KINDS
from appliance.store.targets import Target

DAY_NS = 86_400 * SECOND_NS
EVERY_S = 60.0
AT_ONCE = 500  # per transaction: the writer is not held for longer than some milliseconds


async def keep(db: Database, clock: Clock) -> int:
    """Once over all targets; how many rows became tombstones (D5)."""
    now_ns, buried = clock.now_ns(), 0
    for target in await db.read(targets.list_targets):
        while count := await db.write(partial(_bury, target=target, now_ns=now_ns)):
            buried += count
        while await db.write(partial(_forget, target=target, now_ns=now_ns)):
            pass
    await db.write(lambda conn: spent.prune(conn, now_ns // spent.SLOT_NS))
    return buried


def _bury(conn: sqlite3.Connection, *, target: Target, now_ns: int) -> int:
    policy, count = target.policy, 0
    for kind in sorted(kind for kind in FILE_KINDS if not target.takes(kind)):  # it did when they were owed
        count += tombstones.entomb_kind(conn, target.id, kind, "it takes no files", AT_ONCE)
    if policy.body_days is not None:
        before_ns = now_ns - round(policy.body_days * DAY_NS)
        count += tombstones.entomb_of(conn, target.id, before_ns, "expired", AT_ONCE)
    return count + tombstones.entomb_over(conn, target.id, policy.quota_bytes, "quota", AT_ONCE)


def _forget(conn: sqlite3.Connection, *, target: Target, now_ns: int) -> int:
    before_ns = now_ns - round(target.policy.journal_days * DAY_NS)
    return delivered.prune(conn, target.id, before_ns, target.policy.journal_bytes, AT_ONCE)
