"""What went out to a target, by the quarter of an hour, so that a reboot does not forget a budget."""

import sqlite3
from collections.abc import Iterable

SLOT_NS = 900 * 1_000_000_000
KEPT_SLOTS = 3 * 96  # longer than any day of any zone


def add(conn: sqlite3.Connection, target_id: str, spent: Iterable[tuple[int, int]]) -> None:
    """``spent``: slots and bytes; negative: less than was thought."""
    conn.executemany(
        "INSERT INTO spent (target_id, slot, bytes) VALUES (?,?,?)"
        " ON CONFLICT (target_id, slot) DO UPDATE SET bytes = bytes + excluded.bytes",
        [(target_id, slot, size_bytes) for slot, size_bytes in spent],
    )


def slots(conn: sqlite3.Connection, target_id: str, from_slot: int) -> dict[int, int]:
    """Bytes by slot, from ``from_slot`` on."""
    rows = conn.execute(
        "SELECT slot, bytes FROM spent WHERE target_id = ? AND slot >= ?", (target_id, from_slot)
    )
    return {row["slot"]: row["bytes"] for row in rows}


def prune(conn: sqlite3.Connection, now_slot: int) -> None:
    """What no day needs any more, and what lies further ahead than a day: the clock was wrong then."""
    conn.execute(
        "DELETE FROM spent WHERE slot < ? OR slot > ?", (now_slot - KEPT_SLOTS, now_slot + KEPT_SLOTS)
    )


def forget(conn: sqlite3.Connection, target_id: str) -> None:
    conn.execute("DELETE FROM spent WHERE target_id = ?", (target_id,))
