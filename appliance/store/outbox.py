"""The outbox: what is owed to each target (D1-D6).

A row is ``waiting`` until it is taken, ``in_flight`` while one batch of it is on its way, and gone
once the target acknowledged its id (D3); what the target refuses is ``parked``. The id is the
idempotency key and never changes (D2). A row whose body was dropped stays as a tombstone under
the same id and takes the same way (D5). ``outbox_counts`` remembers what left, so that D6 can be
summed up at any moment: owed = acknowledged + tombstoned + waiting + in_flight + parked.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

LONGEST_PAUSE_NS = 300_000_000_000
ERROR_LENGTH = 500

Counter = Literal["owed", "acknowledged", "tombstoned"]

_COUNT_UP: dict[Counter, str] = {
    "owed": "UPDATE outbox_counts SET owed = owed + 1",
    "acknowledged": "UPDATE outbox_counts SET acknowledged = acknowledged + 1",
    "tombstoned": "UPDATE outbox_counts SET tombstoned = tombstoned + 1",
}


class OutboxRow(msgspec.Struct, frozen=True):
    """``body`` is JSON; of a tombstone it says why. ``attempts`` counts earlier deliveries. ``lane``:
    0 most urgent."""

    id: str
    kind: str
    body: bytes
    created_ns: int
    attempts: int
    is_tombstone: bool
    lane: int = 2


class TargetFigures(msgspec.Struct, frozen=True):
    """Rows, by what became of them (D6). ``oldest_ns``: when the oldest undelivered one was made.
    ``tombstoned`` counts tombstones that were delivered; others wait like any row."""

    owed: int = 0
    acknowledged: int = 0
    tombstoned: int = 0
    waiting: int = 0
    in_flight: int = 0
    parked: int = 0
    oldest_ns: int | None = None


def enqueue(
    conn: sqlite3.Connection,
    target_ids: Iterable[str],
    row_id: str,
    kind: str,
    body: bytes,
    created_ns: int,
) -> None:
    """Owe one row to each target. Call it in the transaction that causes the row (D1)."""
    for target_id in target_ids:
        conn.execute(
            "INSERT INTO outbox (id, target_id, kind, position, body, state, created_ns) VALUES (?,?,?,"
            " (SELECT coalesce(max(position), 0) + 1 FROM outbox WHERE target_id = ?), ?, 'waiting', ?)",
            (row_id, target_id, kind, target_id, body, created_ns),
        )
        _count(conn, target_id, kind, "owed")


def take(conn: sqlite3.Connection, target_id: str, limit: int, now_ns: int) -> list[OutboxRow]:
    """Put at most ``limit`` due rows in flight, in the order they were made.

    A row that seems due later than the longest pause allows is due now: the clock was set back.
    """
    rows = conn.execute(
        "SELECT id, kind, body, created_ns, attempts, is_tombstone FROM outbox"
        " WHERE target_id = ? AND state = 'waiting' AND (next_attempt_ns <= ? OR next_attempt_ns > ?)"
        " ORDER BY position LIMIT ?",
        (target_id, now_ns, now_ns + LONGEST_PAUSE_NS, limit),
    ).fetchall()
    conn.executemany(
        "UPDATE outbox SET state = 'in_flight', attempts = attempts + 1 WHERE target_id = ? AND id = ?",
        [(target_id, row["id"]) for row in rows],
    )
    return [
        OutboxRow(
            row["id"],
            row["kind"],
            bytes(row["body"]),
            row["created_ns"],
            row["attempts"],
            bool(row["is_tombstone"]),
        )
        for row in rows
    ]


def acknowledge(conn: sqlite3.Connection, target_id: str, row_ids: Iterable[str]) -> int:
    """The target has these: they leave (D3). Ids that are not in flight are ignored; how many left."""
    left = 0
    for row_id in row_ids:
        gone = conn.execute(
            "DELETE FROM outbox WHERE target_id = ? AND id = ? AND state = 'in_flight'"
            " RETURNING kind, is_tombstone",
            (target_id, row_id),
        ).fetchall()
        for row in gone:
            _count(conn, target_id, row["kind"], "tombstoned" if row["is_tombstone"] else "acknowledged")
            left += 1
    return left


def retry(
    conn: sqlite3.Connection, target_id: str, row_ids: Sequence[str], next_attempt_ns: int, error: str
) -> None:
    """In flight -> waiting, not before ``next_attempt_ns``. ``error`` must hold no credential."""
    conn.executemany(
        "UPDATE outbox SET state = 'waiting', next_attempt_ns = ?, last_error = ?"
        " WHERE target_id = ? AND id = ? AND state = 'in_flight'",
        [(next_attempt_ns, error[:ERROR_LENGTH], target_id, row_id) for row_id in row_ids],
    )


def park(conn: sqlite3.Connection, target_id: str, row_ids: Sequence[str], error: str) -> None:
    """In flight -> parked: the target refused them; they wait for a person."""
    conn.executemany(
        "UPDATE outbox SET state = 'parked', last_error = ?"
        " WHERE target_id = ? AND id = ? AND state = 'in_flight'",
        [(error[:ERROR_LENGTH], target_id, row_id) for row_id in row_ids],
    )


def unpark(conn: sqlite3.Connection, target_id: str) -> int:
    """Parked -> waiting; how many."""
    changed = conn.execute(
        "UPDATE outbox SET state = 'waiting', next_attempt_ns = 0 WHERE target_id = ? AND state = 'parked'",
        (target_id,),
    )
    return changed.rowcount


def recover(conn: sqlite3.Connection, target_id: str) -> int:
    """In flight -> waiting, at the start: nobody knows whether they arrived, so they go again."""
    changed = conn.execute(
        "UPDATE outbox SET state = 'waiting', next_attempt_ns = 0"
        " WHERE target_id = ? AND state = 'in_flight'",
        (target_id,),
    )
    return changed.rowcount


def entomb(conn: sqlite3.Connection, before_ns: int, now_ns: int, reason: str, limit: int = 1_000) -> int:
    """Drop the bodies of rows made before ``before_ns``, leaving tombstones (D5); how many.

    Rows in flight are left alone: their bodies may have arrived already. Parked ones wait again,
    since what is delivered now is another thing.
    """
    rows = conn.execute(
        "SELECT target_id, id, kind FROM outbox WHERE created_ns < ? AND is_tombstone = 0"
        " AND state <> 'in_flight' ORDER BY created_ns LIMIT ?",
        (before_ns, limit),
    ).fetchall()
    for row in rows:
        body = msgspec.json.encode({"kind": row["kind"], "reason": reason})
        conn.execute(
            "UPDATE outbox SET is_tombstone = 1, body = ?, state = 'waiting', next_attempt_ns = ?"
            " WHERE target_id = ? AND id = ?",
            (body, now_ns, row["target_id"], row["id"]),
        )
    return len(rows)


def next_due_ns(conn: sqlite3.Connection, target_id: str) -> int | None:
    """When the first waiting row is due; None: nothing waits."""
    row = conn.execute(
        "SELECT min(next_attempt_ns) FROM outbox WHERE target_id = ? AND state = 'waiting'", (target_id,)
    ).fetchone()
    return None if row[0] is None else int(row[0])


def figures(conn: sqlite3.Connection, target_id: str, kind: str | None = None) -> TargetFigures:
    """What became of all that was ever owed to the target, of one ``kind`` or of all."""
    counts = conn.execute(
        "SELECT coalesce(sum(owed), 0), coalesce(sum(acknowledged), 0), coalesce(sum(tombstoned), 0)"
        " FROM outbox_counts WHERE target_id = ? AND (? IS NULL OR kind = ?)",
        (target_id, kind, kind),
    ).fetchone()
    states: dict[str, int] = {}
    oldest_ns: int | None = None
    for row in conn.execute(
        "SELECT state, count(*) AS rows, min(created_ns) AS oldest_ns FROM outbox"
        " WHERE target_id = ? AND (? IS NULL OR kind = ?) GROUP BY state",
        (target_id, kind, kind),
    ):
        states[row["state"]] = row["rows"]
        oldest_ns = row["oldest_ns"] if oldest_ns is None else min(oldest_ns, row["oldest_ns"])
    return TargetFigures(
        owed=counts[0],
        acknowledged=counts[1],
        tombstoned=counts[2],
        waiting=states.get("waiting", 0),
        in_flight=states.get("in_flight", 0),
        parked=states.get("parked", 0),
        oldest_ns=oldest_ns,
    )


def kinds(conn: sqlite3.Connection, target_id: str) -> list[str]:
    """Kinds of rows that the target was ever owed."""
    rows = conn.execute(
        "SELECT DISTINCT kind FROM outbox_counts WHERE target_id = ? ORDER BY kind", (target_id,)
    )
    return [row["kind"] for row in rows]


def depth(conn: sqlite3.Connection) -> int:
    """Rows in the outbox, all targets together."""
    return int(conn.execute("SELECT count(*) FROM outbox").fetchone()[0])


def forget(conn: sqlite3.Connection, target_id: str) -> None:
    """The target is deleted: nothing is owed to it any more, and nothing was."""
    conn.execute("DELETE FROM outbox WHERE target_id = ?", (target_id,))
    conn.execute("DELETE FROM outbox_counts WHERE target_id = ?", (target_id,))


def _count(conn: sqlite3.Connection, target_id: str, kind: str, column: Counter) -> None:
    conn.execute("INSERT OR IGNORE INTO outbox_counts (target_id, kind) VALUES (?,?)", (target_id, kind))
    conn.execute(_COUNT_UP[column] + " WHERE target_id = ? AND kind = ?", (target_id, kind))
