"""Rows that a target refused: a person looks at them, sends them again, or gives them up."""

import sqlite3
from typing import Final

import msgspec

from appliance.store import cursor as cursors
from appliance.store.outbox import PARKED
from appliance.store.outbox_counts import Tally

_PLACE: Final = "parked"  # a cursor has an id beside its position; here the position says it all


class ParkedRow(msgspec.Struct, frozen=True):
    """``error``: why it was refused, in the target's words and ours. ``attempts``: deliveries that were
    tried, the refused one included. ``body``: JSON, as the target would get it."""

    id: str
    kind: str
    created_ns: int
    attempts: int
    is_tombstone: bool
    error: str
    body: bytes


def page(
    conn: sqlite3.Connection, target_id: str, limit: int, cursor: str | None
) -> tuple[list[ParkedRow], str | None, int]:
    """Those that were made last come first; the cursor of the next page, or None; how many there are in
    all. Raises ``invalid`` for a cursor that is not ours."""
    before = 1 << 62 if cursor is None else cursors.decode(cursor)[0]
    rows = conn.execute(
        "SELECT position, id, kind, created_ns, attempts, is_tombstone, coalesce(last_error, ''), body"
        f" FROM outbox INDEXED BY outbox_parked WHERE target_id = ? AND state = {PARKED} AND position < ?"
        " ORDER BY position DESC LIMIT ?",
        (target_id, before, limit + 1),
    ).fetchall()
    more = cursors.encode(rows[limit - 1][0], _PLACE) if len(rows) > limit else None
    total = conn.execute(
        "SELECT coalesce(sum(parked), 0) FROM outbox_counts WHERE target_id = ?", (target_id,)
    ).fetchone()[0]
    found = [
        ParkedRow(id_, kind, created_ns, attempts, dead == 1, error, bytes(body))
        for _, id_, kind, created_ns, attempts, dead, error, body in rows[:limit]
    ]
    return found, more, int(total)


def get(conn: sqlite3.Connection, target_id: str, row_id: str) -> ParkedRow | None:
    row = conn.execute(
        "SELECT kind, created_ns, attempts, is_tombstone, coalesce(last_error, ''), body"
        f" FROM outbox INDEXED BY outbox_id WHERE id = ? AND target_id = ? AND state = {PARKED}",
        (row_id, target_id),
    ).fetchone()
    if row is None:
        return None
    return ParkedRow(row_id, row[0], row[1], row[2], row[3] == 1, row[4], bytes(row[5]))


def unpark(conn: sqlite3.Connection, target_id: str, row_id: str) -> bool:
    """Parked -> waiting, of one row; False where it is not parked (any more)."""
    moved = conn.execute(
        "UPDATE outbox INDEXED BY outbox_id SET state = 0, next_attempt_ns = 0"
        f" WHERE id = ? AND target_id = ? AND state = {PARKED} RETURNING lane, kind",
        (row_id, target_id),
    ).fetchall()
    tally = Tally(target_id)
    tally.move_all([(row[0], row[1]) for row in moved], "parked", "waiting")
    tally.write(conn)
    return bool(moved)
