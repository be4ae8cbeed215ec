"""Opaque cursors: base64url of the position of the last row that was given out.

A cursor is a position and not an offset, so rows that come in while somebody pages neither repeat
nor hide others.
"""

import base64
import binascii
import re
import sqlite3

from appliance.base.errors import ApplianceError, invalid

_POSITION = re.compile(r"(-?\d{1,19})\.([0-9A-Za-z-]{1,64})")


def encode(time_ns: int, id_: str) -> str:
    return base64.urlsafe_b64encode(f"{time_ns}.{id_}".encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[int, str]:
    """(time_ns, id) of the last row given out. Raises ``invalid`` for what ``encode`` never made."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = _POSITION.fullmatch(base64.b64decode(padded, b"-_", validate=True).decode("ascii"))
    except (UnicodeError, binascii.Error):
        raise _garbage() from None
    if found is None or abs(int(found[1])) >= 1 << 63:
        raise _garbage()
    return int(found[1]), found[2]


def page(
    conn: sqlite3.Connection,
    table: str,
    moment: str,
    where: tuple[str, tuple[object, ...]],
    limit: int,
    cursor: str | None,
) -> tuple[list[str], str | None, int]:
    """(bodies newest first, cursor of the next page or None, how many match in all) of a table that
    has ``id``, ``body`` and the column ``moment`` to go by.

    ``table``, ``moment`` and the terms of ``where`` are our own constants; every value is bound.
    Raises ``invalid`` for a cursor that is not ours.
    """
    terms, values = where
    total = int(conn.execute(f"SELECT count(*) FROM {table} WHERE {terms}", values).fetchone()[0])
    if cursor is not None:
        terms += f" AND ({moment}, id) < (?, ?)"
        values += decode(cursor)
    rows = conn.execute(
        f"SELECT {moment}, id, body FROM {table} WHERE {terms} ORDER BY {moment} DESC, id DESC LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    more = encode(*rows[limit - 1][:2]) if len(rows) > limit else None
    return [row["body"] for row in rows[:limit]], more, total


def _garbage() -> ApplianceError:
    return invalid("this cursor is not one of ours", "begin again without a cursor", field="cursor")
