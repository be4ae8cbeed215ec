"""Alerts: decisions that a person should know, new -> acknowledged -> resolved."""

import sqlite3
from typing import Literal

import msgspec

from appliance.base.model import Alert, Severity
from appliance.store import cursor as cursors
from appliance.store.events import any_of_each

AlertStatus = Literal["new", "acknowledged", "resolved"]


class AlertFilter(msgspec.Struct, frozen=True):
    """Empty means any; several values of one field mean any of them. ``allowed_camera_ids`` is
    what the asking user may see; None: all."""

    statuses: tuple[AlertStatus, ...] = ()
    severities: tuple[Severity, ...] = ()
    camera_ids: tuple[str, ...] = ()
    allowed_camera_ids: tuple[str, ...] | None = None


def insert(conn: sqlite3.Connection, alert: Alert) -> None:
    conn.execute(
        "INSERT INTO alerts (id, event_id, camera_id, severity, status, created_ns, body)"
        " VALUES (?,?,?,?,?,?,?)",
        (
            alert.id,
            alert.event_id,
            alert.camera_id,
            alert.severity,
            alert.status,
            alert.created_ns,
            msgspec.json.encode(alert).decode(),
        ),
    )


def get(conn: sqlite3.Connection, alert_id: str) -> Alert | None:
    row = conn.execute("SELECT body FROM alerts WHERE id = ?", (alert_id,)).fetchone()
    return None if row is None else _alert(row)


def of_event(conn: sqlite3.Connection, event_id: str) -> Alert | None:
    """The alert that the event raised, where it raised one."""
    row = conn.execute("SELECT body FROM alerts WHERE event_id = ?", (event_id,)).fetchone()
    return None if row is None else _alert(row)


def update(conn: sqlite3.Connection, alert: Alert) -> bool:
    """Replace the alert of the same id; False where there is none."""
    changed = conn.execute(
        "UPDATE alerts SET status = ?, body = ? WHERE id = ?",
        (alert.status, msgspec.json.encode(alert).decode(), alert.id),
    )
    return changed.rowcount == 1


def page(
    conn: sqlite3.Connection, wanted: AlertFilter, limit: int, cursor: str | None = None
) -> tuple[list[Alert], str | None, int]:
    """(alerts newest first, cursor of the next page or None, how many match in all).

    Raises ``invalid`` for a cursor that is not ours.
    """
    bodies, more, total = cursors.page(conn, "alerts", "created_ns", _where(wanted), limit, cursor)
    return [msgspec.json.decode(body, type=Alert) for body in bodies], more, total


def active_count(conn: sqlite3.Connection) -> int:
    """How many are not resolved."""
    return int(conn.execute("SELECT count(*) FROM alerts WHERE status <> 'resolved'").fetchone()[0])


def is_cooling_down(
    conn: sqlite3.Connection, rule_id: str, camera_id: str, happened_ns: int, cooldown_s: float
) -> bool:
    """Has this rule raised an alert on this camera less than ``cooldown_s`` from ``happened_ns``?

    Asked of the database and not of memory, so that a restart does not ring again. Nearness is
    measured both ways: findings of two tracks may come in slightly out of order, and after a step
    of the clock an alert "in the future" must not silence the rule for longer than the cooldown.
    """
    if cooldown_s <= 0:
        return False
    around_ns = round(cooldown_s * 1e9)
    row = conn.execute(
        "SELECT 1 FROM events JOIN alerts ON alerts.event_id = events.id"
        " WHERE events.camera_id = ? AND events.start_ns > ? AND events.start_ns < ?"
        " AND events.rule_id = ? LIMIT 1",
        (camera_id, happened_ns - around_ns, happened_ns + around_ns, rule_id),
    ).fetchone()
    return row is not None


def _alert(row: sqlite3.Row) -> Alert:
    return msgspec.json.decode(row["body"], type=Alert)


def _where(wanted: AlertFilter) -> tuple[str, tuple[object, ...]]:
    lists = {
        "status": wanted.statuses,
        "severity": wanted.severities,
        "camera_id": wanted.camera_ids,
    }
    terms, values = any_of_each(lists, wanted.allowed_camera_ids)
    return " AND ".join(terms), tuple(values)
