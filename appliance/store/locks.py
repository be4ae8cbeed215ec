"""Locked and pinned spans: footage that retention must not touch (R6)."""

import sqlite3

from appliance.base.model import Lock


def insert(conn: sqlite3.Connection, lock: Lock) -> None:
    conn.execute(
        "INSERT INTO locks (id, camera_id, start_ns, end_ns, reason, owner, owner_id, created_ns)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (
            lock.id,
            lock.camera_id,
            lock.start_ns,
            lock.end_ns,
            lock.reason,
            lock.owner,
            lock.owner_id,
            lock.created_ns,
        ),
    )


def get(conn: sqlite3.Connection, lock_id: str) -> Lock | None:
    row = conn.execute("SELECT * FROM locks WHERE id = ?", (lock_id,)).fetchone()
    return None if row is None else _lock(row)


def delete(conn: sqlite3.Connection, lock_id: str) -> bool:
    """False where there is none."""
    return conn.execute("DELETE FROM locks WHERE id = ?", (lock_id,)).rowcount == 1


def overlapping(conn: sqlite3.Connection, camera_id: str, start_ns: int, end_ns: int) -> list[Lock]:
    """Locks that share time with the half-open [start_ns, end_ns)."""
    rows = conn.execute(
        "SELECT * FROM locks WHERE camera_id = ? AND start_ns < ? AND end_ns > ? ORDER BY start_ns, id",
        (camera_id, end_ns, start_ns),
    )
    return [_lock(row) for row in rows]


def every(conn: sqlite3.Connection) -> list[Lock]:
    """By camera and start."""
    return [_lock(row) for row in conn.execute("SELECT * FROM locks ORDER BY camera_id, start_ns")]


def extend_owned(conn: sqlite3.Connection, owner: str, owner_id: str, end_ns: int) -> None:
    """What somebody owns reaches at least to ``end_ns`` from now on."""
    conn.execute(
        "UPDATE locks SET end_ns = max(end_ns, ?) WHERE owner = ? AND owner_id = ?", (end_ns, owner, owner_id)
    )


def delete_owned(conn: sqlite3.Connection, owner: str, owner_id: str) -> int:
    """Let go of all that an event or an outbox row pinned; how many."""
    return conn.execute("DELETE FROM locks WHERE owner = ? AND owner_id = ?", (owner, owner_id)).rowcount


def _lock(row: sqlite3.Row) -> Lock:
    return Lock(
        row["id"],
        row["camera_id"],
        row["start_ns"],
        row["end_ns"],
        row["reason"],
        row["owner"],
        row["owner_id"],
        row["created_ns"],
    )
