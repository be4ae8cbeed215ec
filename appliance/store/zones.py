"""Zones: polygons and lines in one camera's picture."""

import sqlite3

import msgspec

from appliance.base.model import Zone

_decode = msgspec.json.Decoder(Zone).decode


def list_zones(conn: sqlite3.Connection, camera_id: str | None = None) -> list[Zone]:
    """In the order they were made (ids are UUIDv7); of one camera where it is named."""
    rows = conn.execute("SELECT body FROM zones WHERE ?1 IS NULL OR camera_id = ?1 ORDER BY id", (camera_id,))
    return [_decode(row["body"]) for row in rows]


def get(conn: sqlite3.Connection, zone_id: str) -> Zone | None:
    row = conn.execute("SELECT body FROM zones WHERE id = ?", (zone_id,)).fetchone()
    return None if row is None else _decode(row["body"])


def insert(conn: sqlite3.Connection, zone: Zone) -> None:
    """Raises a constraint error where the camera does not exist."""
    conn.execute(
        "INSERT INTO zones (id, camera_id, body) VALUES (?, ?, ?)",
        (zone.id, zone.camera_id, msgspec.json.encode(zone).decode()),
    )


def replace(conn: sqlite3.Connection, zone: Zone) -> None:
    conn.execute(
        "UPDATE zones SET camera_id = ?, body = ? WHERE id = ?",
        (zone.camera_id, msgspec.json.encode(zone).decode(), zone.id),
    )


def delete(conn: sqlite3.Connection, zone_id: str) -> bool:
    """False where there was none."""
    return conn.execute("DELETE FROM zones WHERE id = ?", (zone_id,)).rowcount > 0
