"""Tracks on their way to tracks.db: a row per track, thinned where nothing moved."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from appliance.base.clock import SECOND_NS
from appliance.base.model import TrackPoint
from appliance.store import tracks
from appliance.store.database import Database
from appliance.store.tracks import Track, TrackSample

PART_SAMPLES = 500  # a parked car's track is stored in parts, not held in memory for days
STILL_NS = 10 * SECOND_NS
STILL_REACH = 0.004
UNSEEN_NS = 300 * SECOND_NS
MOST_WAITING = 2_000  # tracks that tracks.db could not take; the oldest are let go, they can be made again


@dataclass
class _Open:
    last: TrackPoint
    samples: list[TrackSample] = field(default_factory=list)


class TrackArchive:
    """Never waits: what tracks.db cannot take now is offered again with the next points."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._open: dict[str, _Open] = {}
        self._waiting: list[Track] = []

    def add(self, points: Iterable[TrackPoint]) -> None:
        newest_ns = 0
        for point in points:
            newest_ns = max(newest_ns, point.time_ns)
            open_ = self._open.setdefault(point.track_id, _Open(point))
            if not open_.samples or point.phase == "end" or _has_moved(open_.samples[-1], point):
                open_.samples.append(_sample(point))
            open_.last = point
            if point.phase == "end":
                self._store(self._open.pop(point.track_id))
            elif len(open_.samples) >= PART_SAMPLES:
                self._store(open_)
        for track_id in [k for k, o in self._open.items() if newest_ns - o.last.time_ns > UNSEEN_NS]:
            self._store(self._open.pop(track_id))
        self._offer()

    def save_presences(self, points: list[TrackPoint]) -> None:
        """Where everybody was last seen; lost at worst, not late."""
        self._db.offer(lambda conn: tracks.save_presences(conn, points))

    async def flush(self, present: list[TrackPoint]) -> None:
        """At the stop: store what is open, and who is in view."""
        for open_ in self._open.values():
            self._store(open_)
        self._open.clear()
        self._offer()
        await self._db.write(lambda conn: tracks.save_presences(conn, present))

    def _store(self, open_: _Open) -> None:
        samples, open_.samples = open_.samples, []
        if samples:
            best = max(sample.confidence for sample in samples)
            point = open_.last
            track = Track(
                point.track_id,
                point.camera_id,
                point.class_name,
                best,
                samples[0].time_ns,
                samples[-1].time_ns,
                tuple(samples),
            )
            self._waiting.append(track)

    def _offer(self) -> None:
        if not self._waiting:
            return
        batch = tuple(self._waiting)

        def put_all(conn: sqlite3.Connection) -> None:
            for track in batch:
                tracks.put(conn, track)

        if self._db.offer(put_all):
            self._waiting.clear()
        else:
            del self._waiting[:-MOST_WAITING]


def _sample(point: TrackPoint) -> TrackSample:
    box = point.bbox
    return TrackSample(point.time_ns, box.x, box.y, box.width, box.height, point.confidence)


def _has_moved(last: TrackSample, point: TrackPoint) -> bool:
    box = point.bbox
    moves = (box.x - last.x, box.y - last.y, box.width - last.width, box.height - last.height)
    return point.time_ns - last.time_ns >= STILL_NS or max(map(abs, moves)) > STILL_REACH
