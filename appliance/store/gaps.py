"""The ledger: spans of time without video, each with one cause (R4)."""

import sqlite3
from collections.abc import Iterable

from appliance.base.model import Gap

_COLUMNS = "camera_id, stream, start_ns, end_ns, cause"


def put(conn: sqlite3.Connection, gap: Gap, boot_id: str) -> None:
    """Store a gap, or a newer state of one. A gap that turned out empty is taken out."""
    key = (gap.camera_id, gap.stream, gap.start_ns, boot_id)
    if gap.end_ns is not None and gap.end_ns <= gap.start_ns:
        conn.execute("DELETE FROM gaps WHERE camera_id=? AND stream=? AND start_ns=? AND boot_id=?", key)
        return
    conn.execute(
        "INSERT INTO gaps (camera_id, stream, start_ns, boot_id, end_ns, cause) VALUES (?,?,?,?,?,?)"
        " ON CONFLICT (camera_id, stream, start_ns, boot_id)"
        " DO UPDATE SET end_ns=excluded.end_ns, cause=excluded.cause",
        (*key, gap.end_ns, gap.cause),
    )


def overlapping(
    conn: sqlite3.Connection, camera_id: str, stream: str, start_ns: int, end_ns: int
) -> list[Gap]:
    """Gaps that share time with [start_ns, end_ns), by start."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM gaps WHERE camera_id=? AND stream=? AND start_ns<?"
        " AND (end_ns IS NULL OR end_ns>?) ORDER BY start_ns",
        (camera_id, stream, end_ns, start_ns),
    )
    return _gaps(rows)


def first_start_ns(conn: sqlite3.Connection, camera_id: str, stream: str) -> int | None:
    """When the ledger of a stream begins; None: there is none."""
    row = conn.execute(
        "SELECT MIN(start_ns) AS ns FROM gaps WHERE camera_id=? AND stream=?", (camera_id, stream)
    ).fetchone()
    return None if row["ns"] is None else int(row["ns"])


def open_gaps(conn: sqlite3.Connection) -> list[tuple[Gap, str]]:
    """Gaps without an end, with the boot they began in."""
    rows = conn.execute(f"SELECT {_COLUMNS}, boot_id FROM gaps WHERE end_ns IS NULL ORDER BY start_ns")
    return [(Gap(*tuple(row)[:5]), row["boot_id"]) for row in rows]


def of_stream(conn: sqlite3.Connection, camera_id: str, stream: str) -> list[Gap]:
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM gaps WHERE camera_id=? AND stream=? ORDER BY start_ns", (camera_id, stream)
    )
    return _gaps(rows)


def with_boots(
    conn: sqlite3.Connection, camera_id: str, stream: str, since_ns: int = 0
) -> list[tuple[Gap, str]]:
    """Gaps of a stream that reach behind ``since_ns``, with the boot each began in, by start."""
    rows = conn.execute(
        f"SELECT {_COLUMNS}, boot_id FROM gaps WHERE camera_id=? AND stream=?"
        " AND (end_ns IS NULL OR end_ns>?) ORDER BY start_ns",
        (camera_id, stream, since_ns),
    )
    return [(Gap(*tuple(row)[:5]), row["boot_id"]) for row in rows]


def streams(conn: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every (camera, stream) that has a ledger."""
    rows = conn.execute("SELECT DISTINCT camera_id, stream FROM gaps ORDER BY 1, 2")
    return [(row["camera_id"], row["stream"]) for row in rows]


def expired(conn: sqlite3.Connection) -> list[Gap]:
    """Spans whose footage was deleted."""
    return _gaps(conn.execute(f"SELECT {_COLUMNS} FROM gaps WHERE cause='expired' ORDER BY start_ns"))


def expire(conn: sqlite3.Connection, gap: Gap, boot_id: str) -> None:
    """Add an ``expired`` span, grown into the one before it where they touch."""
    grown = conn.execute(
        "UPDATE gaps SET end_ns=? WHERE camera_id=? AND stream=? AND cause='expired' AND end_ns=?",
        (gap.end_ns, gap.camera_id, gap.stream, gap.start_ns),
    )
    if grown.rowcount == 0:
        put(conn, gap, boot_id)


def seconds_by_cause(conn: sqlite3.Connection, now_ns: int) -> dict[tuple[str, str, str], float]:
    """(camera, stream, cause) -> seconds, for metrics."""
    rows = conn.execute(
        "SELECT camera_id, stream, cause, SUM(COALESCE(end_ns, ?) - start_ns) AS ns FROM gaps"
        " GROUP BY camera_id, stream, cause",
        (now_ns,),
    )
    return {(r["camera_id"], r["stream"], r["cause"]): max(0, r["ns"]) / 1e9 for r in rows}


def _gaps(rows: Iterable[sqlite3.Row]) -> list[Gap]:
    return [Gap(*tuple(row)) for row in rows]
