"""Channels: whom the box tells of alerts, and how far it is with it. A channel's password or token lies
sealed beside it, never in ``Channel``.

A notification is one alert owed to one channel: a row that is written in the alert's own transaction, and
that says what became of it for as long as the alert is kept. Its key never changes: a receiver that meets it
twice knows it.
"""

import logging
import sqlite3
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from appliance.base.ids import uuid7
from appliance.base.model import SEVERITIES, Alert, Schedule, Severity
from appliance.store.cameras import Keep

log = logging.getLogger(__name__)

Kind = Literal["mail", "webhook"]
State = Literal["waiting", "sent", "quiet", "refused", "late"]


class Channel(msgspec.Struct, frozen=True):
    """``quiet``: windows of the site's time in which only what is critical goes out; None: there are none.
    ``options``: what its kind knows (``alerts.channels``)."""

    id: str
    name: str
    kind: Kind
    enabled: bool = True
    least_severity: Severity = "warning"
    quiet: Schedule | None = None
    options: dict[str, Any] = {}


class Notification(msgspec.Struct, frozen=True):
    """``attempts``: how often it was tried in vain."""

    key: str
    alert_id: str
    channel_id: str
    severity: Severity
    created_ns: int
    attempts: int


class Figures(msgspec.Struct, frozen=True):
    """``error``: of the newest that did not go out at once; empty where a later one did."""

    waiting: int = 0
    sent: int = 0
    refused: int = 0
    late: int = 0
    sent_ns: int | None = None
    error: str = ""


def list_channels(conn: sqlite3.Connection) -> list[Channel]:
    """In the order they were made (ids are UUIDv7); those of a newer version's kinds are passed over."""
    return _known(conn.execute("SELECT body FROM channels ORDER BY id"))


def get(conn: sqlite3.Connection, channel_id: str) -> Channel | None:
    return next(iter(_known(conn.execute("SELECT body FROM channels WHERE id = ?", (channel_id,)))), None)


def secret_name(channel_id: str) -> str:
    """What a channel's secret is sealed under."""
    return f"channel/{channel_id}"


def secret(conn: sqlite3.Connection, channel_id: str) -> bytes | None:
    row = conn.execute("SELECT secret FROM channels WHERE id = ?", (channel_id,)).fetchone()
    return None if row is None else row["secret"]


def put(conn: sqlite3.Connection, channel: Channel, sealed: bytes | Keep | None) -> None:
    """Insert or replace. ``KEEP`` leaves the secret as it is."""
    if isinstance(sealed, Keep):
        sealed = secret(conn, channel.id)
    conn.execute(
        "INSERT INTO channels (id, enabled, body, secret) VALUES (?,?,?,?) ON CONFLICT (id) DO UPDATE"
        " SET enabled=excluded.enabled, body=excluded.body, secret=excluded.secret",
        (channel.id, channel.enabled, msgspec.json.encode(channel).decode(), sealed),
    )


def delete(conn: sqlite3.Connection, channel_id: str) -> bool:
    """With all that was owed to it; False where there is none."""
    conn.execute("DELETE FROM notifications WHERE channel_id = ?", (channel_id,))
    return conn.execute("DELETE FROM channels WHERE id = ?", (channel_id,)).rowcount == 1


def owe(conn: sqlite3.Connection, alert: Alert) -> None:
    """In the alert's own transaction: every enabled channel that wants it is owed it, once."""
    rank = SEVERITIES.index(alert.severity)
    for channel in _known(conn.execute("SELECT body FROM channels WHERE enabled ORDER BY id").fetchall()):
        if rank >= SEVERITIES.index(channel.least_severity):
            conn.execute(
                "INSERT OR IGNORE INTO notifications (key, alert_id, channel_id, rank, state, created_ns)"
                " VALUES (?,?,?,?,'waiting',?)",
                (uuid7(alert.created_ns), alert.id, channel.id, rank, alert.created_ns),
            )


def next_waiting(conn: sqlite3.Connection, channel_id: str) -> Notification | None:
    """The gravest; of these one that was not tried yet, and of these the oldest."""
    row = conn.execute(
        "SELECT key, alert_id, channel_id, rank, created_ns, attempts FROM notifications"
        " WHERE channel_id = ? AND state = 'waiting' ORDER BY rank DESC, attempts, created_ns, key LIMIT 1",
        (channel_id,),
    ).fetchone()
    if row is None:
        return None
    return Notification(
        row["key"], row["alert_id"], row["channel_id"], SEVERITIES[row["rank"]], row["created_ns"],
        row["attempts"],
    )  # fmt: skip


def done(conn: sqlite3.Connection, key: str, state: State, now_ns: int, error: str = "") -> None:
    """It is not tried again. What was settled before stays as it was."""
    conn.execute(
        "UPDATE notifications SET state = ?, done_ns = ?, error = ? WHERE key = ? AND state = 'waiting'",
        (state, now_ns, error, key),
    )


def tried(conn: sqlite3.Connection, key: str, error: str) -> None:
    """In vain; it waits for the next time."""
    conn.execute(
        "UPDATE notifications SET attempts = attempts + 1, error = ? WHERE key = ? AND state = 'waiting'",
        (error, key),
    )


def wait_again(conn: sqlite3.Connection, channel_id: str, since_ns: int) -> int:
    """What was refused since then waits again: most likely the refusal is what was mended; how many."""
    return conn.execute(
        "UPDATE notifications SET state = 'waiting', done_ns = NULL, attempts = 0"
        " WHERE channel_id = ? AND state = 'refused' AND created_ns >= ?",
        (channel_id, since_ns),
    ).rowcount


def figures(conn: sqlite3.Connection, channel_id: str) -> Figures:
    rows = conn.execute(
        "SELECT state, count(*) AS many, max(done_ns) AS newest_ns FROM notifications"
        " WHERE channel_id = ? GROUP BY state",
        (channel_id,),
    ).fetchall()
    counts = {row["state"]: row["many"] for row in rows}
    sent_ns = next((row["newest_ns"] for row in rows if row["state"] == "sent"), None)
    last = conn.execute(
        "SELECT error FROM notifications WHERE channel_id = ? AND state IN ('waiting','refused','late')"
        " AND error <> '' AND created_ns >= ? ORDER BY created_ns DESC, key DESC LIMIT 1",
        (channel_id, sent_ns or 0),
    ).fetchone()
    return Figures(
        counts.get("waiting", 0), counts.get("sent", 0), counts.get("refused", 0), counts.get("late", 0),
        sent_ns, "" if last is None else last["error"],
    )  # fmt: skip


def of_alert(conn: sqlite3.Connection, alert_id: str) -> list[tuple[str, State]]:
    """(channel id, what became of it) of one alert."""
    rows = conn.execute(
        "SELECT channel_id, state FROM notifications WHERE alert_id = ? ORDER BY channel_id", (alert_id,)
    )
    return [(row["channel_id"], row["state"]) for row in rows]


def prune(conn: sqlite3.Connection, before_ns: int) -> int:
    """Those of alerts from before then go; how many."""
    return conn.execute("DELETE FROM notifications WHERE created_ns < ?", (before_ns,)).rowcount


def _known(rows: Iterable[sqlite3.Row]) -> list[Channel]:
    """A row that this version cannot read (the box went back to it after an update) keeps no alert from
    being raised."""
    found = []
    for row in rows:
        try:
            found.append(msgspec.json.decode(row["body"], type=Channel))
        except msgspec.MsgspecError:
            log.warning("a channel of a newer version is left alone")
    return found
