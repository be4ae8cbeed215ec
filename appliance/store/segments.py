"""The segment index (archive.db). A row stands only for bytes on stable storage (R3)."""

import sqlite3
from collections.abc import Iterable, Iterator

from appliance.base.model import Segment

_COLUMNS = (
    "camera_id, stream, boot_id, run_id, sequence, volume_id, path, start_ns, end_ns, bytes, sha256,"
    " codec, width, height, frames, init_sha256, time_unsure"
)


def put(conn: sqlite3.Connection, segment: Segment) -> None:
    """Insert a row, or replace it where recovery makes it again."""
    conn.execute(
        f"INSERT OR REPLACE INTO segments ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            segment.camera_id, segment.stream, segment.boot_id, segment.run_id, segment.sequence,
            segment.volume_id, segment.path, segment.start_ns, segment.end_ns, segment.bytes_,
            segment.sha256, segment.codec, segment.width, segment.height, segment.frames,
            segment.init_sha256, segment.time_unsure,
        ),
    )  # fmt: skip


def overlapping(
    conn: sqlite3.Connection, camera_id: str, stream: str, start_ns: int, end_ns: int, longest_ns: int
) -> list[Segment]:
    """Segments that share time with [start_ns, end_ns), by start. No segment is longer than
    ``longest_ns``: with it the index on start_ns answers alone."""
    return _segments(
        conn.execute(
            f"SELECT {_COLUMNS} FROM segments WHERE camera_id=? AND stream=? AND start_ns>=? AND start_ns<?"
            " AND end_ns>? ORDER BY start_ns",
            (camera_id, stream, start_ns - longest_ns, end_ns, start_ns),
        )
    )


def by_path(conn: sqlite3.Connection, volume_id: str, path: str) -> Segment | None:
    rows = conn.execute(f"SELECT {_COLUMNS} FROM segments WHERE volume_id=? AND path=?", (volume_id, path))
    return next(iter(_segments(rows)), None)


def paths(conn: sqlite3.Connection, volume_id: str) -> set[str]:
    return {row["path"] for row in conn.execute("SELECT path FROM segments WHERE volume_id=?", (volume_id,))}


def streams(conn: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every (camera, stream) that has footage."""
    rows = conn.execute("SELECT DISTINCT camera_id, stream FROM segments ORDER BY 1, 2")
    return [(row["camera_id"], row["stream"]) for row in rows]


def of_stream(conn: sqlite3.Connection, camera_id: str, stream: str) -> list[Segment]:
    return _segments(
        conn.execute(
            f"SELECT {_COLUMNS} FROM segments WHERE camera_id=? AND stream=? ORDER BY start_ns",
            (camera_id, stream),
        )
    )


def every(conn: sqlite3.Connection) -> Iterator[Segment]:
    yield from _segments(
        conn.execute(f"SELECT {_COLUMNS} FROM segments ORDER BY camera_id, stream, start_ns")
    )


def oldest(conn: sqlite3.Connection, volume_id: str, limit: int, after_ns: int = 0) -> list[Segment]:
    """The oldest footage of a volume, whatever the camera."""
    return _segments(
        conn.execute(
            f"SELECT {_COLUMNS} FROM segments WHERE volume_id=? AND start_ns>? ORDER BY start_ns LIMIT ?",
            (volume_id, after_ns, limit),
        )
    )


def older_than(conn: sqlite3.Connection, camera_id: str, before_ns: int, limit: int) -> list[Segment]:
    return _segments(
        conn.execute(
            f"SELECT {_COLUMNS} FROM segments WHERE camera_id=? AND stream IN ('main','sub') AND end_ns<=?"
            " ORDER BY start_ns LIMIT ?",
            (camera_id, before_ns, limit),
        )
    )


def last_end_ns(conn: sqlite3.Connection, camera_id: str, stream: str) -> tuple[int, str] | None:
    """(end, boot id) of the newest segment."""
    row = conn.execute(
        "SELECT end_ns, boot_id FROM segments WHERE camera_id=? AND stream=? ORDER BY start_ns DESC LIMIT 1",
        (camera_id, stream),
    ).fetchone()
    return None if row is None else (row["end_ns"], row["boot_id"])


def delete(conn: sqlite3.Connection, volume_id: str, path: str) -> None:
    conn.execute("DELETE FROM segments WHERE volume_id=? AND path=?", (volume_id, path))


def total_bytes(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT COALESCE(SUM(bytes), 0) FROM segments").fetchone()[0])


def _segments(rows: Iterable[sqlite3.Row]) -> list[Segment]:
    return [Segment(*tuple(row)) for row in rows]
