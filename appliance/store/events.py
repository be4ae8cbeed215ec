"""Events: facts, always stored. The row is the JSON of ``Event`` plus the columns that are filtered."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from appliance.base.model import Event, Severity
from appliance.store import cursor as cursors


class EventFilter(msgspec.Struct, frozen=True):
    """Empty means any; several values of one field mean any of them. [start_ns, end_ns) is of the
    time it happened. ``allowed_camera_ids`` is what the asking user may see; None: all."""

    camera_ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    min_confidence: float | None = None
    allowed_camera_ids: tuple[str, ...] | None = None


def insert(conn: sqlite3.Connection, event: Event) -> None:
    conn.execute(
        "INSERT INTO events (id, camera_id, rule_id, type, severity, class_name, confidence,"
        " start_ns, created_ns, body) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (event.id, *_columns(event)),
    )


def get(conn: sqlite3.Connection, event_id: str) -> Event | None:
    row = conn.execute("SELECT body FROM events WHERE id = ?", (event_id,)).fetchone()
    return None if row is None else _event(row)


def update(conn: sqlite3.Connection, event: Event) -> bool:
    """Replace the event of the same id; False where there is none (it expired meanwhile)."""
    changed = conn.execute(
        "UPDATE events SET camera_id=?, rule_id=?, type=?, severity=?, class_name=?, confidence=?,"
        " start_ns=?, created_ns=?, body=? WHERE id=?",
        (*_columns(event), event.id),
    )
    return changed.rowcount == 1


def page(
    conn: sqlite3.Connection, wanted: EventFilter, limit: int, cursor: str | None = None
) -> tuple[list[Event], str | None, int]:
    """(events newest first, cursor of the next page or None, how many match in all).

    Raises ``invalid`` for a cursor that is not ours.
    """
    bodies, more, total = cursors.page(conn, "events", "start_ns", _where(wanted), limit, cursor)
    return [msgspec.json.decode(body, type=Event) for body in bodies], more, total


def begun_at(
    conn: sqlite3.Connection,
    camera_id: str,
    start_ns: int,
    rule_id: str,
    track_id: str | None,
    zone_id: str | None,
) -> Event | None:
    """The event that a rule made of this track and zone at exactly this moment."""
    rows = conn.execute(
        "SELECT body FROM events WHERE camera_id = ? AND start_ns = ? AND rule_id = ?",
        (camera_id, start_ns, rule_id),
    )
    same = (event for event in map(_event, rows) if (event.track_id, event.zone_id) == (track_id, zone_id))
    return next(same, None)


def left_open(conn: sqlite3.Connection) -> list[Event]:
    """Those that have not ended, oldest first. Reads through all of them: for the start of the box."""
    rows = conn.execute("SELECT body FROM events WHERE instr(body, '\"end_ns\":null') ORDER BY start_ns, id")
    return [event for event in map(_event, rows) if event.end_ns is None]


def oldest_before(conn: sqlite3.Connection, before_ns: int, limit: int) -> list[Event]:
    """At most ``limit`` events that happened before ``before_ns``, oldest first."""
    rows = conn.execute(
        "SELECT body FROM events WHERE start_ns < ? ORDER BY start_ns, id LIMIT ?", (before_ns, limit)
    )
    return [_event(row) for row in rows]


def delete(conn: sqlite3.Connection, event_ids: Iterable[str]) -> None:
    """Delete events together with their alerts; footage and outbox are the caller's business."""
    ids = [(event_id,) for event_id in event_ids]
    conn.executemany("DELETE FROM alerts WHERE event_id = ?", ids)
    conn.executemany("DELETE FROM events WHERE id = ?", ids)


def _columns(event: Event) -> tuple[object, ...]:
    return (
        event.camera_id,
        event.rule_id,
        event.type,
        event.severity,
        event.class_name,
        event.confidence,
        event.start_ns,
        event.created_ns,
        msgspec.json.encode(event).decode(),
    )


def _event(row: sqlite3.Row) -> Event:
    return msgspec.json.decode(row["body"], type=Event)


def _where(wanted: EventFilter) -> tuple[str, tuple[object, ...]]:
    lists = {
        "camera_id": wanted.camera_ids,
        "type": wanted.types,
        "class_name": wanted.class_names,
        "severity": wanted.severities,
    }
    terms, values = any_of_each(lists, wanted.allowed_camera_ids)
    bounds = (
        ("start_ns >= ?", wanted.start_ns),
        ("start_ns < ?", wanted.end_ns),
        ("confidence >= ?", wanted.min_confidence),
    )
    for term, bound in bounds:
        if bound is not None:
            terms.append(term)
            values.append(bound)
    return " AND ".join(terms), tuple(values)


def any_of_each(
    lists: Mapping[str, Sequence[str]], allowed_camera_ids: Sequence[str] | None
) -> tuple[list[str], list[object]]:
    """Terms to be joined by AND, and their values: an empty list narrows nothing. ``allowed_camera_ids``
    is what the asking user may see: with none of them nothing matches; None: all."""
    terms, values = ["1"], list[object]()
    for column, any_of in lists.items():
        if any_of:
            terms.append(one_of(column, len(any_of)))
            values += any_of
    if allowed_camera_ids is not None:
        terms.append(one_of("camera_id", len(allowed_camera_ids)))
        values += allowed_camera_ids
    return terms, values


def one_of(column: str, count: int) -> str:
    """``column IN (?,?)``; with none to choose from nothing matches. ``column`` is ours, never input."""
    return f"{column} IN ({','.join('?' * count)})"
