"""Events leave by age: with their alerts, pins and stills, and not without word to the targets (D5)."""

import asyncio
import sqlite3

from appliance.alerts.stills import Stills
from appliance.base.clock import SECOND_NS, Clock
from appliance.store import events, journal, locks, tombstones
from appliance.store.database import Database

DAY_NS = 86_400 * SECOND_NS
JOURNAL_DAYS = 7  # a screen that slept longer loads everything anew
AT_ONCE = 500  # per transaction: the writer is not held for longer than some milliseconds


def expire(conn: sqlite3.Connection, before_ns: int, now_ns: int) -> list[str]:
    """At most ``AT_ONCE`` events from before ``before_ns`` go; their ids. Undelivered outbox rows of
    that age become tombstones."""
    tombstones.entomb(conn, before_ns, "expired", AT_ONCE)
    gone = [event.id for event in events.oldest_before(conn, before_ns, AT_ONCE)]
    for event_id in gone:
        locks.delete_owned(conn, "event", event_id)
    events.delete(conn, gone)
    return gone


async def expire_events(db: Database, stills: Stills, clock: Clock, event_days: float) -> int:
    """All that is older than ``event_days``; how many events went. To be run daily."""
    now_ns = clock.now_ns()
    before_ns = now_ns - round(event_days * DAY_NS)
    total = 0
    while gone := await db.write(lambda conn: expire(conn, before_ns, now_ns)):
        await asyncio.to_thread(stills.delete, gone)
        total += len(gone)
    while await db.write(lambda conn: tombstones.entomb(conn, before_ns, "expired", AT_ONCE)):
        pass
    while await db.write(lambda conn: journal.prune(conn, now_ns - JOURNAL_DAYS * DAY_NS)):
        pass
    return total
