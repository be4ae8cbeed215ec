"""What each camera's tracker knew last (tracks.db), so that a parked car is the same car tomorrow."""

import sqlite3


def put(conn: sqlite3.Connection, camera_id: str, time_ns: int, body: bytes) -> None:
    """``body``: ``vision.tracking.saved``'s; ``time_ns``: of the box clock, when it was told."""
    conn.execute(
        "INSERT OR REPLACE INTO tracker_memory (camera_id, time_ns, body) VALUES (?,?,?)",
        (camera_id, time_ns, body),
    )


def load(conn: sqlite3.Connection) -> dict[str, bytes]:
    """Of every camera."""
    return {row["camera_id"]: row["body"] for row in conn.execute("SELECT * FROM tracker_memory")}


def keep(conn: sqlite3.Connection, camera_ids: set[str]) -> None:
    """Forget all other cameras."""
    known = {row["camera_id"] for row in conn.execute("SELECT camera_id FROM tracker_memory")}
    conn.executemany("DELETE FROM tracker_memory WHERE camera_id = ?", [(k,) for k in known - camera_ids])
