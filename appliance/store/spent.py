"""What went out to a target, by the quarter of an hour, so that a reboot does not forget a budget."""

import sqlite3

SLOT_NS = 900 * 1_000_000_000
KEPT_SLOTS = 3 * 96  # longer than any day of any zone


def add(conn: sqlite3.Connection, target_id: str, slot: int, size_bytes: int) -> None:
    conn.execute(
        "INSERT INTO spent (target_id, slot, bytes) VALUES (?,?,?)"
        " ON CONFLICT (target_id, slot) DO UPDATE SET bytes = bytes + excluded.bytes",
        (target_id, slot, size_bytes),
    )


def since(conn: sqlite3.Connection, target_id: str, slot: int) -> int:
    """Bytes from ``slot`` on, what a clock that was ahead wrote into the future included."""
    row = conn.execute(
        "SELECT coalesce(sum(bytes), 0) FROM spent WHERE target_id = ? AND slot >= ?", (target_id, slot)
    ).fetchone()
    return int(row[0])


def prune(conn: sqlite3.Connection, now_slot: int) -> None:
    """What no day needs any more, and what lies further ahead than a day: the clock was wrong then."""
    conn.execute(
        "DELETE FROM spent WHERE slot < ? OR slot > ?", (now_slot - KEPT_SLOTS, now_slot + KEPT_SLOTS)
    )


def forget(conn: sqlite3.Connection, target_id: str) -> None:
    conn.execute("DELETE FROM spent WHERE target_id = ?", (target_id,))
