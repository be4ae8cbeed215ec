"""The journal: what happened, in the order it was committed. ``/ws/events`` speaks of its positions.

One writer and AUTOINCREMENT: positions only grow, also after the oldest rows are pruned, so a
reader that remembers its position misses nothing.
"""

import sqlite3
from typing import Any, Literal

import msgspec

JournalType = Literal["event", "alert", "camera", "system"]


class JournalRow(msgspec.Struct, frozen=True):
    """``data`` is in the contract's shape (``base.wire``)."""

    id: int
    type: JournalType
    camera_id: str | None
    time_ns: int
    data: dict[str, Any]


def append(
    conn: sqlite3.Connection, type_: JournalType, camera_id: str | None, time_ns: int, data: dict[str, Any]
) -> int:
    """The position of the new row."""
    row = conn.execute(
        "INSERT INTO journal (type, camera_id, time_ns, data) VALUES (?,?,?,?)",
        (type_, camera_id, time_ns, msgspec.json.encode(data).decode()),
    )
    return int(row.lastrowid or 0)


def since(conn: sqlite3.Connection, position: int, limit: int) -> list[JournalRow]:
    """At most ``limit`` rows after ``position``, in order."""
    rows = conn.execute(
        "SELECT id, type, camera_id, time_ns, data FROM journal WHERE id > ? ORDER BY id LIMIT ?",
        (position, limit),
    )
    return [
        JournalRow(row["id"], row["type"], row["camera_id"], row["time_ns"], msgspec.json.decode(row["data"]))
        for row in rows
    ]


def newest(conn: sqlite3.Connection) -> int:
    """The last position ever given, 0 where there was none; survives ``prune``."""
    row = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").fetchone()
    return 0 if row is None else int(row[0])


def prune(conn: sqlite3.Connection, before_ns: int, limit: int = 10_000) -> int:
    """Delete at most ``limit`` of the oldest rows from before ``before_ns``; how many went.

    Goes by position, not by time alone: a step of the clock must not leave holes in the middle.
    """
    keep_from = conn.execute("SELECT min(id) FROM journal WHERE time_ns >= ?", (before_ns,)).fetchone()[0]
    gone = conn.execute(
        "DELETE FROM journal WHERE id IN"
        " (SELECT id FROM journal WHERE id < coalesce(?, 9223372036854775807) ORDER BY id LIMIT ?)",
        (keep_from, limit),
    )
    return gone.rowcount
