"""Settings: one row per key. What people edit is one row per section of ``base.settings.Settings``;
beside them lie values of the box's own (``device_id`` and the like)."""

import sqlite3
from typing import Any

import msgspec

from appliance.base.ids import uuid7
from appliance.base.settings import Settings

DEVICE_ID = "device_id"


def load(conn: sqlite3.Connection) -> Settings:
    """What was saved, the defaults for the rest."""
    saved = {
        field: value for field in Settings.__struct_fields__ if (value := get_value(conn, field)) is not None
    }
    return msgspec.convert(saved, Settings)


def save(conn: sqlite3.Connection, settings: Settings) -> None:
    for field in Settings.__struct_fields__:
        set_value(conn, field, getattr(settings, field))


def get_value(conn: sqlite3.Connection, key: str) -> Any | None:
    row = conn.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
    return None if row is None else msgspec.json.decode(row["value"])


def set_value(conn: sqlite3.Connection, key: str, value: Any) -> None:
    """``value``: anything that msgspec writes as JSON; None takes the row away."""
    if value is None:
        conn.execute("DELETE FROM settings WHERE key = ?", (key,))
        return
    conn.execute(
        "INSERT INTO settings (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, msgspec.json.encode(value).decode()),
    )


def device_id(conn: sqlite3.Connection) -> str:
    """This box's id for ever; empty before ``ensure_device_id``."""
    return str(get_value(conn, DEVICE_ID) or "")


def ensure_device_id(conn: sqlite3.Connection, now_ns: int) -> str:
    """Made on the first start."""
    found = device_id(conn)
    if not found:
        found = uuid7(now_ns)
        set_value(conn, DEVICE_ID, found)
    return found
