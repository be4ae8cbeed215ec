"""Blind spans: recorded and not looked at, until somebody did so afterwards.

A span grows while its neighbour is added, and is cut where it is longer than one look back may be.
"""

import sqlite3
from collections.abc import Iterable

import msgspec

from appliance.base.ids import uuid7
from appliance.base.model import BlindCause, BlindSpan

TOUCHING_NS = 1_000_000_000
_COLUMNS = "id, camera_id, stream, start_ns, end_ns, cause, done_until_ns, found, state"


class Judged(msgspec.Struct, frozen=True):
    """How far a camera's analysed stream was looked at."""

    camera_id: str
    stream: str
    until_ns: int


def add(
    conn: sqlite3.Connection, camera_id: str, stream: str, start_ns: int, end_ns: int, cause: BlindCause
) -> None:
    """Nobody looked at [start_ns, end_ns). It becomes a part of a waiting span of the same cause that it
    continues; less than a second that continues nothing is not blindness."""
    row = conn.execute(
        "SELECT id FROM blind_spans WHERE camera_id=? AND stream=? AND cause=? AND state='waiting'"
        " AND start_ns<=? AND end_ns>=? AND end_ns<=? ORDER BY end_ns DESC LIMIT 1",
        (camera_id, stream, cause, start_ns, start_ns - TOUCHING_NS, end_ns),
    ).fetchone()
    if row is not None:
        conn.execute("UPDATE blind_spans SET end_ns=? WHERE id=?", (end_ns, row["id"]))
        return
    if end_ns - start_ns < TOUCHING_NS:
        return
    _insert(conn, BlindSpan(uuid7(start_ns), camera_id, stream, start_ns, end_ns, cause, start_ns))


def newest(
    conn: sqlite3.Connection, camera_ids: Iterable[str], longest_ns: int, young_ns: tuple[int, int]
) -> BlindSpan | None:
    """The newest waiting span of these cameras that did not end in ``young_ns`` (from, to); what is
    longer than ``longest_ns`` is cut, and its newest part is the answer."""
    ids = list(camera_ids)
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM blind_spans WHERE state='waiting' AND NOT (end_ns>? AND end_ns<=?)"
        f" AND camera_id IN ({','.join('?' * len(ids))}) ORDER BY end_ns DESC, id LIMIT 1",
        (*young_ns, *ids),
    ).fetchone()
    if row is None:
        return None
    span = BlindSpan(*row)
    cut_ns = span.end_ns - longest_ns
    if cut_ns <= span.done_until_ns:
        return span
    conn.execute("UPDATE blind_spans SET end_ns=? WHERE id=?", (cut_ns, span.id))
    part = msgspec.structs.replace(span, id=uuid7(cut_ns), start_ns=cut_ns, done_until_ns=cut_ns, found=0)
    _insert(conn, part)
    return part


def progress(conn: sqlite3.Connection, span_id: str, done_until_ns: int, found: int) -> None:
    """All before ``done_until_ns`` has been looked at, with ``found`` more events. A span that was looked
    at to its end is done, unless it has grown meanwhile."""
    conn.execute(
        "UPDATE blind_spans SET done_until_ns=MAX(done_until_ns, MIN(end_ns, ?)), found=found+?,"
        " state=CASE WHEN end_ns<=? THEN 'done' ELSE state END WHERE id=? AND state='waiting'",
        (done_until_ns, found, done_until_ns, span_id),
    )


def gone(conn: sqlite3.Connection, span_id: str) -> None:
    """What is left of it cannot be looked at any more."""
    conn.execute("UPDATE blind_spans SET state='gone' WHERE id=? AND state='waiting'", (span_id,))


def forget_before(conn: sqlite3.Connection, camera_id: str, stream: str, before_ns: int) -> None:
    """The footage from before ``before_ns`` is gone, and with it all that could have been looked at."""
    whose = (camera_id, stream, before_ns)
    conn.execute(
        "UPDATE blind_spans SET state='gone'"
        " WHERE state='waiting' AND camera_id=? AND stream=? AND end_ns<=?",
        whose,
    )
    conn.execute(
        "UPDATE blind_spans SET start_ns=?, done_until_ns=MAX(done_until_ns, ?)"
        " WHERE state='waiting' AND camera_id=? AND stream=? AND start_ns<?",
        (before_ns, before_ns, *whose),
    )


def get(conn: sqlite3.Connection, span_id: str) -> BlindSpan | None:
    row = conn.execute(f"SELECT {_COLUMNS} FROM blind_spans WHERE id=?", (span_id,)).fetchone()
    return None if row is None else BlindSpan(*row)


def waiting(conn: sqlite3.Connection) -> list[BlindSpan]:
    """By time."""
    rows = conn.execute(f"SELECT {_COLUMNS} FROM blind_spans WHERE state='waiting' ORDER BY start_ns, id")
    return [BlindSpan(*row) for row in rows]


def prune(conn: sqlite3.Connection, before_ns: int) -> None:
    """Forget spans that are over and older than ``before_ns``."""
    conn.execute("DELETE FROM blind_spans WHERE state<>'waiting' AND end_ns<?", (before_ns,))


def save_judged(conn: sqlite3.Connection, judged: Iterable[Judged]) -> None:
    """Replace what is remembered of how far each camera was looked at."""
    conn.execute("DELETE FROM judged")
    conn.executemany(
        "INSERT INTO judged (camera_id, stream, until_ns) VALUES (?,?,?)",
        [(row.camera_id, row.stream, row.until_ns) for row in judged],
    )


def judged(conn: sqlite3.Connection) -> list[Judged]:
    rows = conn.execute("SELECT camera_id, stream, until_ns FROM judged ORDER BY camera_id")
    return [Judged(*row) for row in rows]


def _insert(conn: sqlite3.Connection, span: BlindSpan) -> None:
    conn.execute(
        f"INSERT INTO blind_spans ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", msgspec.structs.astuple(span)
    )
