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
    conn.execute(
        f"CREATE TABLE IF NOT EXISTS settings_trial ({one}, command_id TEXT NOT NULL, changes TEXT NOT NULL,"
        " began_ns INTEGER NOT NULL, deadline_ns INTEGER NOT NULL)"
    )


APPLIANCE: Final[tuple[Migration, ...]] = (blind_spans, hub_link)
TRACKS: Final[tuple[Migration, ...]] = (tracker_memory, model_health)
