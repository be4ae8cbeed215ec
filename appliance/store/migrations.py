"""What turns an older database into the newest: one function each, in order, for ever.

``schema/*.sql`` is the newest form, which a new database begins with. A migration may meet a table that
is there already: then it does nothing.
"""

import sqlite3
from typing import Final

from appliance.store.database import Migration


def tracker_memory(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE IF NOT EXISTS tracker_memory (camera_id TEXT PRIMARY KEY, time_ns INTEGER NOT NULL,"
        " body BLOB NOT NULL) WITHOUT ROWID"
    )


def model_health(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE IF NOT EXISTS model_hours ("
        "camera_id TEXT NOT NULL, hour_ns INTEGER NOT NULL, model TEXT NOT NULL,"
        " conditions TEXT NOT NULL, looks REAL NOT NULL, inference_ms_sum REAL NOT NULL,"
        " inference_ms_max REAL NOT NULL, PRIMARY KEY (camera_id, hour_ns, model, conditions)) WITHOUT ROWID"
    )
    conn.execute(
        "CREATE TABLE IF NOT EXISTS model_classes ("
        "camera_id TEXT NOT NULL, hour_ns INTEGER NOT NULL, model TEXT NOT NULL,"
        " conditions TEXT NOT NULL, class_name TEXT NOT NULL, boxes INTEGER NOT NULL,"
        " score_sum REAL NOT NULL, minutes INTEGER NOT NULL, minute_sum REAL NOT NULL,"
        " minute_squares REAL NOT NULL,"
        " PRIMARY KEY (camera_id, hour_ns, model, conditions, class_name)) WITHOUT ROWID"
    )
    conn.execute(
        "CREATE TABLE IF NOT EXISTS model_alarms (camera_id TEXT PRIMARY KEY, model TEXT NOT NULL,"
        " conditions TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('low','drop')),"
        " since_ns INTEGER NOT NULL, reference_ns INTEGER NOT NULL, detail TEXT NOT NULL) WITHOUT ROWID"
    )


def blind_spans(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE IF NOT EXISTS blind_spans (id TEXT PRIMARY KEY, camera_id TEXT NOT NULL,"
        " stream TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, cause TEXT NOT NULL,"
        " state TEXT NOT NULL CHECK (state IN ('waiting','done','gone')), done_until_ns INTEGER NOT NULL,"
        " found INTEGER NOT NULL) WITHOUT ROWID"
    )
    conn.execute("CREATE INDEX IF NOT EXISTS blind_spans_due ON blind_spans(state, end_ns)")
    conn.execute("CREATE INDEX IF NOT EXISTS blind_spans_camera ON blind_spans(camera_id, end_ns)")
    conn.execute(
        "CREATE TABLE IF NOT EXISTS judged (camera_id TEXT PRIMARY KEY, stream TEXT NOT NULL,"
        " until_ns INTEGER NOT NULL) WITHOUT ROWID"
    )


def hub_link(conn: sqlite3.Connection) -> None:
    one = "one INTEGER PRIMARY KEY CHECK (one = 1)"
    conn.execute(
        f"CREATE TABLE IF NOT EXISTS identity ({one}, public_key BLOB NOT NULL, sealed BLOB NOT NULL,"
        " created_ns INTEGER NOT NULL)"
    )
    conn.execute(
        f"CREATE TABLE IF NOT EXISTS hub_link ({one}, target_id TEXT NOT NULL, box_id TEXT NOT NULL,"
        " command_key BLOB NOT NULL, enrolled_ns INTEGER NOT NULL)"
    )
    conn.execute(
        "CREATE TABLE IF NOT EXISTS commands (id TEXT PRIMARY KEY, key_id TEXT NOT NULL,"
        " seq INTEGER NOT NULL, kind TEXT NOT NULL, by TEXT NOT NULL, body TEXT NOT NULL,"
        " state TEXT NOT NULL CHECK"
        " (state IN ('taken','pending','done','failed','refused','confirmed','undone')),"
        " message TEXT NOT NULL, received_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL,"
        " answered_ns INTEGER) WITHOUT ROWID"
    )
    conn.execute("CREATE INDEX IF NOT EXISTS commands_seq ON commands(key_id, seq)")
    conn.execute("CREATE INDEX IF NOT EXISTS commands_received ON commands(received_ns)")
    conn.execute(
        f"CREATE TABLE IF NOT EXISTS settings_trial ({one}, command_id TEXT NOT NULL, changes TEXT NOT NULL,"
        " began_ns INTEGER NOT NULL, deadline_ns INTEGER NOT NULL)"
    )


def lanes(conn: sqlite3.Connection) -> None:
    """The outbox gets lanes, the journal of what was acknowledged, and counters instead of counting."""
    columns = {row["name"] for row in conn.execute("PRAGMA table_info(outbox)")}
    if "lane" in columns:
        return
    for statement in _LANES:
        conn.execute(statement)


def camera_identities(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE IF NOT EXISTS camera_identities (camera_id TEXT PRIMARY KEY, host TEXT NOT NULL,"
        " learnt_ns INTEGER NOT NULL, serial TEXT, mac TEXT, endpoint TEXT, onvif_url TEXT) WITHOUT ROWID"
    )


def channels(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE IF NOT EXISTS channels (id TEXT PRIMARY KEY, enabled INTEGER NOT NULL,"
        " body TEXT NOT NULL, secret BLOB) WITHOUT ROWID"
    )
    conn.execute(
        "CREATE TABLE IF NOT EXISTS notifications (key TEXT PRIMARY KEY, alert_id TEXT NOT NULL,"
        " channel_id TEXT NOT NULL, rank INTEGER NOT NULL, state TEXT NOT NULL CHECK"
        " (state IN ('waiting','sent','quiet','refused','late')), created_ns INTEGER NOT NULL,"
        " done_ns INTEGER, attempts INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '') WITHOUT ROWID"
    )
    for statement in (
        "UNIQUE INDEX IF NOT EXISTS notifications_alert ON notifications(alert_id, channel_id)",
        "INDEX IF NOT EXISTS notifications_next ON notifications(channel_id, rank DESC, created_ns)"
        " WHERE state = 'waiting'",
        "INDEX IF NOT EXISTS notifications_age ON notifications(created_ns)",
    ):
        conn.execute(f"CREATE {statement}")


_ALARM = (
    "CASE WHEN kind IN ('event', 'alert') AND is_tombstone = 0 AND json_valid(body) THEN"
    " CASE json_extract(body, '$.severity') WHEN 'critical' THEN 0 WHEN 'warning' THEN 1"
    " ELSE {other} END ELSE {other} END"
)
_BY_KIND = "CASE kind WHEN 'alert' THEN 1 ELSE 2 END"
_LANES: Final[tuple[str, ...]] = (
    "ALTER TABLE outbox RENAME TO outbox_before",
    "ALTER TABLE outbox_counts RENAME TO outbox_counts_before",
    "DROP INDEX IF EXISTS outbox_due",
    "DROP INDEX IF EXISTS outbox_order",
    "DROP INDEX IF EXISTS outbox_age",
    "CREATE TABLE outbox (position INTEGER PRIMARY KEY, id TEXT NOT NULL, target_id TEXT NOT NULL,"
    " kind TEXT NOT NULL, lane INTEGER NOT NULL, is_file INTEGER NOT NULL,"
    " is_tombstone INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),"
    " created_ns INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
    " next_attempt_ns INTEGER NOT NULL DEFAULT 0, size_bytes INTEGER NOT NULL, last_error TEXT,"
    " body BLOB NOT NULL)",
    "INSERT INTO outbox (id, target_id, kind, lane, is_file, is_tombstone, state, created_ns, attempts,"
    " next_attempt_ns, size_bytes, last_error, body)"
    f" SELECT id, target_id, kind, {_ALARM.format(other=_BY_KIND)}, 0, is_tombstone,"
    " CASE WHEN state = 'parked' THEN 2 WHEN next_attempt_ns > 0 THEN 1 ELSE 0 END,"
    " created_ns, attempts, next_attempt_ns, length(CAST(body AS BLOB)), last_error,"
    " CAST(body AS BLOB) FROM outbox_before ORDER BY position, target_id",
    "CREATE UNIQUE INDEX outbox_id ON outbox(id, target_id)",
    "CREATE INDEX outbox_next ON outbox(target_id, is_file, lane, position) WHERE state = 0",
    "CREATE INDEX outbox_due ON outbox(target_id, is_file, next_attempt_ns) WHERE state = 1",
    "CREATE INDEX outbox_parked ON outbox(target_id) WHERE state = 2",
    "CREATE INDEX outbox_age ON outbox(target_id, lane, kind, is_tombstone, created_ns)",
    "CREATE TABLE outbox_flight (position INTEGER PRIMARY KEY, target_id TEXT NOT NULL)",
    "CREATE TABLE outbox_counts (target_id TEXT NOT NULL, lane INTEGER NOT NULL, kind TEXT NOT NULL,"
    " owed INTEGER NOT NULL DEFAULT 0, acknowledged INTEGER NOT NULL DEFAULT 0,"
    " tombstoned INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,"
    " in_flight INTEGER NOT NULL DEFAULT 0, parked INTEGER NOT NULL DEFAULT 0,"
    " bytes INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (target_id, lane, kind)) WITHOUT ROWID",
    # What left before had no lane: it counts in the one that its kind has by itself.
    "INSERT INTO outbox_counts (target_id, lane, kind, owed, acknowledged, tombstoned)"
    f" SELECT target_id, {_BY_KIND}, kind, acknowledged + tombstoned, acknowledged, tombstoned"
    " FROM outbox_counts_before",
    "INSERT INTO outbox_counts (target_id, lane, kind, owed, waiting, parked, bytes)"
    " SELECT target_id, lane, kind, count(*), sum(state < 2), sum(state = 2), sum(size_bytes)"
    " FROM outbox WHERE true GROUP BY target_id, lane, kind"
    " ON CONFLICT (target_id, lane, kind) DO UPDATE SET owed = owed + excluded.owed,"
    " waiting = excluded.waiting, parked = excluded.parked, bytes = excluded.bytes",
    "DROP TABLE outbox_before",
    "DROP TABLE outbox_counts_before",
    "CREATE TABLE delivered (position INTEGER PRIMARY KEY, target_id TEXT NOT NULL, id TEXT NOT NULL,"
    " kind TEXT NOT NULL, day TEXT NOT NULL, was_kind TEXT NOT NULL, lane INTEGER NOT NULL,"
    " is_file INTEGER NOT NULL, created_ns INTEGER NOT NULL, acknowledged_ns INTEGER NOT NULL,"
    " size_bytes INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE UNIQUE INDEX delivered_day ON delivered(target_id, kind, day, id)",
    "CREATE INDEX delivered_id ON delivered(id)",
    "CREATE TABLE delivered_days (target_id TEXT NOT NULL, kind TEXT NOT NULL, day TEXT NOT NULL,"
    " count INTEGER NOT NULL, digest INTEGER NOT NULL, kept INTEGER NOT NULL,"
    " kept_bytes INTEGER NOT NULL, PRIMARY KEY (target_id, kind, day)) WITHOUT ROWID",
    "CREATE TABLE spent (target_id TEXT NOT NULL, slot INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " PRIMARY KEY (target_id, slot)) WITHOUT ROWID",
)

APPLIANCE: Final[tuple[Migration, ...]] = (
    blind_spans, hub_link, lanes, camera_identities, channels,
)  # fmt: skip
TRACKS: Final[tuple[Migration, ...]] = (tracker_memory, model_health)
