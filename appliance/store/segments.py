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


def by_identity(
    conn: sqlite3.Connection, camera_id: str, stream: str, boot_id: str, run_id: str, sequence: int
) -> Segment | None:
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM segments WHERE camera_id=? AND stream=? AND boot_id=? AND run_id=?"
        " AND sequence=?",
        (camera_id, stream, boot_id, run_id, sequence),
    )
    return next(iter(_segments(rows)), None)


def first_start_ns(conn: sqlite3.Connection, camera_id: str, stream: str) -> int | None:
    """When the oldest footage that is still there begins."""
    row = conn.execute(
        "SELECT MIN(start_ns) AS ns FROM segments WHERE camera_id=? AND stream=?", (camera_id, stream)
    ).fetchone()
    return None if row["ns"] is None else int(row["ns"])


def bytes_between(conn: sqlite3.Connection, camera_id: str | None, start_ns: int, end_ns: int) -> int:
    """Bytes of the segments that begin in [start_ns, end_ns), of one camera or of all."""
    where, values = ("camera_id=? AND stream IN ('main','sub')", (camera_id,)) if camera_id else ("1", ())
    row = conn.execute(
        f"SELECT COALESCE(SUM(bytes), 0) AS n FROM segments WHERE {where} AND start_ns>=? AND start_ns<?",
        (*values, start_ns, end_ns),
    ).fetchone()
    return int(row["n"])


def oldest_start_ns(conn: sqlite3.Connection) -> int | None:
    """When the oldest footage of the box begins."""
    row = conn.execute("SELECT MIN(start_ns) AS ns FROM segments").fetchone()
    return None if row["ns"] is None else int(row["ns"])


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


def oldest(
    conn: sqlite3.Connection, volume_id: str, limit: int, after: tuple[int, str] = (0, "")
) -> list[Segment]:
    """The oldest footage of a volume, whatever the camera, behind ``after`` = (start_ns, path)."""
    return _segments(
        conn.execute(
            f"SELECT {_COLUMNS} FROM segments WHERE volume_id=? AND (start_ns, path) > (?, ?)"
            " ORDER BY start_ns, path LIMIT ?",
            (volume_id, *after, limit),
        )
    )


def older_than(
    conn: sqlite3.Connection,
    camera_id: str,
    stream: str,
    before_ns: int,
    limit: int,
    after: tuple[int, str] = (0, ""),
) -> list[Segment]:
    """Footage of one stream that ended at or before ``before_ns``, oldest first, behind ``after``."""
    # start_ns < before is implied by the end; said again, it lets the index answer alone.
    return _segments(
        conn.execute(
            f"SELECT {_COLUMNS} FROM segments WHERE camera_id=? AND stream=? AND start_ns<? AND end_ns<=?"
            " AND (start_ns, path) > (?, ?) AND start_ns>=? ORDER BY start_ns, path LIMIT ?",
            (camera_id, stream, before_ns, before_ns, *after, after[0], limit),
        )
    )


def cameras(conn: sqlite3.Connection) -> list[str]:
    """Every camera that has footage, by leaps over the key: no walk over all rows."""
    found: list[str] = []
    while True:
        row = conn.execute(
            "SELECT MIN(camera_id) AS id FROM segments WHERE camera_id>?", (found[-1] if found else "",)
        ).fetchone()
        if row["id"] is None:
            return found
        found.append(row["id"])


def volume_bytes(conn: sqlite3.Connection, volume_id: str) -> int:
    """Of all segments on a volume; walks its rows."""
    row = conn.execute("SELECT COALESCE(SUM(bytes), 0) FROM segments WHERE volume_id=?", (volume_id,))
    return int(row.fetchone()[0])


def last_end_ns(conn: sqlite3.Connection, camera_id: str, stream: str) -> tuple[int, str] | None:
    """(end, boot id) of the newest segment."""
    row = conn.execute(
        "SELECT end_ns, boot_id FROM segments WHERE camera_id=? AND stream=? ORDER BY start_ns DESC LIMIT 1",
        (camera_id, stream),
    ).fetchone()
    return None if row is None else (row["end_ns"], row["boot_id"])


def newest_run(conn: sqlite3.Connection, camera_id: str, stream: str) -> str | None:
    """The run that was made last, of all boots. One seek for each boot, not one row for each segment."""
    row = conn.execute(
        "WITH RECURSIVE boots(id) AS ("
        " SELECT min(boot_id) FROM segments WHERE camera_id=?1 AND stream=?2"
        " UNION ALL SELECT (SELECT min(boot_id) FROM segments WHERE camera_id=?1 AND stream=?2"
        " AND boot_id > boots.id) FROM boots WHERE boots.id IS NOT NULL)"
        " SELECT max((SELECT max(run_id) FROM segments WHERE camera_id=?1 AND stream=?2"
        " AND boot_id = boots.id)) FROM boots",
        (camera_id, stream),
    ).fetchone()
    return str(row[0]) if row[0] is not None else None


def newest(conn: sqlite3.Connection, camera_id: str, stream: str, limit: int) -> list[Segment]:
    """The last segments of a stream, by start."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM segments WHERE camera_id=? AND stream=? ORDER BY start_ns DESC LIMIT ?",
        (camera_id, stream, limit),
    )
    return _segments(rows)[::-1]


def inside(
    conn: sqlite3.Connection, camera_id: str, stream: str, start_ns: int, end_ns: int
) -> list[Segment]:
    """Segments that lie whole in [start_ns, end_ns)."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM segments WHERE camera_id=? AND stream=? AND start_ns>=? AND start_ns<?"
        " AND end_ns<=? ORDER BY start_ns",
        (camera_id, stream, start_ns, end_ns, end_ns),
    )
    return _segments(rows)


def is_empty(conn: sqlite3.Connection) -> bool:
    return conn.execute("SELECT 1 FROM segments LIMIT 1").fetchone() is None


def is_sound(conn: sqlite3.Connection, *, whole: bool) -> bool:
    """SQLite finds no damage: in the ``whole`` file, or in what a start looks at."""
    if whole:
        return [tuple(row) for row in conn.execute("PRAGMA quick_check(1)")] == [("ok",)]
    conn.execute("SELECT * FROM segments LIMIT 1000").fetchall()
    for camera_id in cameras(conn):
        newest(conn, camera_id, "main", 1)
    return True


def delete(conn: sqlite3.Connection, volume_id: str, path: str) -> None:
    conn.execute("DELETE FROM segments WHERE volume_id=? AND path=?", (volume_id, path))


def total_bytes(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT COALESCE(SUM(bytes), 0) FROM segments").fetchone()[0])


def _segments(rows: Iterable[sqlite3.Row]) -> list[Segment]:
    return [Segment(*tuple(row)) for row in rows]
