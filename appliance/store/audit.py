"""Who did what: viewed, exported, changed, signed in. Rows are only ever added."""

import sqlite3
from typing import Any

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.base.errors import invalid
from appliance.base.model import User

ONCE_EVERY_NS = 300 * SECOND_NS


class AuditRow(msgspec.Struct, frozen=True):
    """``thing`` names what it was done to, e.g. ``camera/gate``, ``user/bob``."""

    id: int
    time_ns: int
    user_id: str | None
    username: str | None
    action: str
    thing: str
    detail: dict[str, Any]


def add(
    conn: sqlite3.Connection,
    time_ns: int,
    user: User | None,
    action: str,
    thing: str,
    detail: dict[str, Any],
) -> None:
    """``user`` None: nobody signed in, or the box itself. ``detail`` holds no credentials."""
    conn.execute(
        "INSERT INTO audit (time_ns, user_id, username, action, thing, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (
            time_ns,
            user.id if user else None,
            user.username if user else None,
            action,
            thing,
            msgspec.json.encode(detail).decode(),
        ),
    )


def add_once(conn: sqlite3.Connection, time_ns: int, user: User, action: str, thing: str) -> bool:
    """One row per person, action, thing and 5 min; False where there is one already."""
    seen = conn.execute(
        "SELECT 1 FROM audit WHERE time_ns > ? AND time_ns <= ? AND user_id = ? AND thing = ? AND action = ?",
        (time_ns - ONCE_EVERY_NS, time_ns, user.id, thing, action),
    ).fetchone()
    if seen is None:
        add(conn, time_ns, user, action, thing, {})
    return seen is None


def page(conn: sqlite3.Connection, limit: int, cursor: str | None) -> tuple[list[AuditRow], str | None, int]:
    """Newest first: the rows, the cursor of the next page, and how many rows there are in all."""
    before = _position(cursor)
    rows = conn.execute(
        "SELECT id, time_ns, user_id, username, action, thing, detail FROM audit"
        " WHERE id < ? ORDER BY id DESC LIMIT ?",
        (before, limit + 1),
    ).fetchall()
    total = int(conn.execute("SELECT count(*) AS n FROM audit").fetchone()["n"])
    found = [AuditRow(**{**dict(row), "detail": msgspec.json.decode(row["detail"])}) for row in rows[:limit]]
    more = len(rows) > limit
    return found, f"a{found[-1].id:x}" if more else None, total


def _position(cursor: str | None) -> int:
    if cursor is None:
        return (1 << 63) - 1
    try:
        if cursor[:1] != "a" or len(cursor) > 16:
            raise ValueError(cursor)
        return int(cursor[1:], 16)
    except ValueError:
        raise invalid("this cursor is not one of ours", "begin again without it", field="cursor") from None
