"""The volumes this box owns, by identity (R7)."""

import sqlite3
from typing import NamedTuple


class VolumeRow(NamedTuple):
    id: str
    path: str
    created_ns: int


def list_volumes(conn: sqlite3.Connection) -> list[VolumeRow]:
    return [VolumeRow(*row) for row in conn.execute("SELECT id, path, created_ns FROM volumes ORDER BY path")]


def at_path(conn: sqlite3.Connection, path: str) -> VolumeRow | None:
    row = conn.execute("SELECT id, path, created_ns FROM volumes WHERE path=?", (path,)).fetchone()
    return None if row is None else VolumeRow(*row)


def by_id(conn: sqlite3.Connection, volume_id: str) -> VolumeRow | None:
    row = conn.execute("SELECT id, path, created_ns FROM volumes WHERE id=?", (volume_id,)).fetchone()
    return None if row is None else VolumeRow(*row)


def insert(conn: sqlite3.Connection, row: VolumeRow) -> None:
    conn.execute("INSERT INTO volumes (id, path, created_ns) VALUES (?,?,?)", row)


def move(conn: sqlite3.Connection, volume_id: str, path: str) -> None:
    """The same disk, mounted elsewhere."""
    conn.execute("UPDATE volumes SET path=? WHERE id=?", (path, volume_id))


def forget(conn: sqlite3.Connection, volume_id: str) -> None:
    """It stays with the old hardware."""
    conn.execute("DELETE FROM volumes WHERE id=?", (volume_id,))
