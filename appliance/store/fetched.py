"""Rows of clips that somebody fetched, told from those that events owe by what they are pinned for."""

import sqlite3
from typing import Final

FETCHED: Final = "fetched"  # reason of the lock; there is one as long as the row owes its file
_ROWS: Final = (
    "FROM locks CROSS JOIN outbox INDEXED BY outbox_id ON outbox.id = locks.owner_id"
    " AND outbox.target_id = ? WHERE locks.owner = 'outbox' AND locks.reason = 'fetched'"
    " AND outbox.is_tombstone = 0"
)


def waiting_bytes(conn: sqlite3.Connection, target_id: str) -> int:
    """Of all that a target is still owed of them, in flight and parked included."""
    row = conn.execute(f"SELECT coalesce(sum(outbox.size_bytes), 0) {_ROWS}", (target_id,)).fetchone()
    return int(row[0])


def positions(conn: sqlite3.Connection, target_id: str) -> frozenset[int]:
    """Of the same rows, in the outbox."""
    return frozenset(row[0] for row in conn.execute(f"SELECT outbox.position {_ROWS}", (target_id,)))
