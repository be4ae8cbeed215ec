"""Files that are to go (R5): the row is written first, and taken out last."""

import sqlite3

import msgspec


class Garbage(msgspec.Struct, frozen=True):
    volume_id: str
    path: str
    camera_id: str
    stream: str
    start_ns: int
    end_ns: int


_COLUMNS = "volume_id, path, camera_id, stream, start_ns, end_ns"


def insert(conn: sqlite3.Connection, item: Garbage) -> bool:
    """False where it is listed already."""
    done = conn.execute(
        f"INSERT OR IGNORE INTO garbage ({_COLUMNS}) VALUES (?,?,?,?,?,?)", msgspec.structs.astuple(item)
    )
    return done.rowcount == 1


def list_garbage(conn: sqlite3.Connection, volume_id: str | None = None) -> list[Garbage]:
    where, values = ("WHERE volume_id=?", (volume_id,)) if volume_id is not None else ("", ())
    rows = conn.execute(f"SELECT {_COLUMNS} FROM garbage {where} ORDER BY start_ns", values)
    return [Garbage(*row) for row in rows]


def delete(conn: sqlite3.Connection, volume_id: str, path: str) -> None:
    conn.execute("DELETE FROM garbage WHERE volume_id=? AND path=?", (volume_id, path))
