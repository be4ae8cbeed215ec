"""The track archive (tracks.db): what was seen, kept so that rules can be asked about the past.

Beside it lies ``presences``: where each track in view was last seen, so that what already stood in
a zone before a restart does not enter it again.
"""

import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from appliance.base.model import Box, TrackPoint


class TrackSample(msgspec.Struct, frozen=True, array_like=True):
    """One point of a stored track; geometry 0..1."""

    time_ns: int
    x: float
    y: float
    width: float
    height: float
    confidence: float

    @property
    def bbox(self) -> Box:
        return Box(self.x, self.y, self.width, self.height)


class Track(msgspec.Struct, frozen=True):
    """One object over time. ``confidence`` is the best seen; samples are in order of time."""

    id: str
    camera_id: str
    class_name: str
    confidence: float
    start_ns: int
    end_ns: int
    samples: tuple[TrackSample, ...]


def put(conn: sqlite3.Connection, track: Track) -> None:
    """Insert, or carry on where an earlier part of the same track left off."""
    known = conn.execute("SELECT * FROM tracks WHERE id = ?", (track.id,)).fetchone()
    samples = track.samples
    start_ns, confidence = track.start_ns, track.confidence
    if known is not None:
        samples = (*_samples(known["points"]), *samples)
        start_ns = min(start_ns, known["start_ns"])
        confidence = max(confidence, known["confidence"])
    conn.execute(
        "INSERT OR REPLACE INTO tracks (id, camera_id, class_name, confidence, start_ns, end_ns, points)"
        " VALUES (?,?,?,?,?,?,?)",
        (
            track.id,
            track.camera_id,
            track.class_name,
            confidence,
            start_ns,
            track.end_ns,
            msgspec.msgpack.encode(samples),
        ),
    )


def get(conn: sqlite3.Connection, track_id: str) -> Track | None:
    row = conn.execute("SELECT * FROM tracks WHERE id = ?", (track_id,)).fetchone()
    return None if row is None else _track(row)


def between(
    conn: sqlite3.Connection, camera_ids: Iterable[str], start_ns: int, end_ns: int
) -> Iterator[Track]:
    """Tracks that share time with the half-open [start_ns, end_ns), by camera, then by their start."""
    for camera_id in camera_ids:
        rows = conn.execute(
            "SELECT * FROM tracks WHERE camera_id = ? AND start_ns < ? AND end_ns >= ? ORDER BY start_ns, id",
            (camera_id, end_ns, start_ns),
        )
        yield from map(_track, rows)


def prune(conn: sqlite3.Connection, before_ns: int, limit: int = 1_000) -> int:
    """Delete at most ``limit`` tracks that ended before ``before_ns``; how many went."""
    gone = conn.execute(
        "DELETE FROM tracks WHERE id IN (SELECT id FROM tracks WHERE end_ns < ? LIMIT ?)", (before_ns, limit)
    )
    return gone.rowcount


def save_presences(conn: sqlite3.Connection, points: Iterable[TrackPoint]) -> None:
    """Replace all that is remembered of who was in view."""
    conn.execute("DELETE FROM presences")
    conn.executemany(
        "INSERT OR REPLACE INTO presences (track_id, body) VALUES (?,?)",
        [(point.track_id, msgspec.json.encode(point).decode()) for point in points],
    )


def presences(conn: sqlite3.Connection) -> list[TrackPoint]:
    """The last point of each track that was in view when this was saved."""
    rows = conn.execute("SELECT body FROM presences ORDER BY track_id")
    return [msgspec.json.decode(row["body"], type=TrackPoint) for row in rows]


def _samples(blob: bytes) -> tuple[TrackSample, ...]:
    return msgspec.msgpack.decode(blob, type=tuple[TrackSample, ...])


def _track(row: sqlite3.Row) -> Track:
    return Track(
        row["id"],
        row["camera_id"],
        row["class_name"],
        row["confidence"],
        row["start_ns"],
        row["end_ns"],
        _samples(row["points"]),
    )
