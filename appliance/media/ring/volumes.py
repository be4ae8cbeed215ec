"""All volumes of the box: who they are (R7), which one is written to."""

import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.base.ids import uuid7
from appliance.base.model import Segment
from appliance.media.ring.ledger import GapRows
from appliance.media.ring.segment import SegmentWriter
from appliance.media.ring.volume import Identity, Volume, read_identity, write_identity
from appliance.media.work import Work
from appliance.store import volumes as rows
from appliance.store.database import Database

log = logging.getLogger(__name__)

FULL_BYTES = 64_000_000  # below this a volume takes no new segment while another has room


class Volumes:
    """Opened in the order of the configuration; ``pick`` is called by stream threads."""

    def __init__(self, volumes: list[Volume]) -> None:
        self.all = volumes

    def pick(self) -> Volume:
        """The first volume that is there and has room; else the first one (its fault is told)."""
        for volume in self.all:
            if not volume.resting and volume.usable() is None and free_bytes(volume.root) > FULL_BYTES:
                return volume
        return self.all[0]

    def by_id(self, volume_id: str) -> Volume | None:
        return next((volume for volume in self.all if volume.id == volume_id), None)

    def works(self) -> list[Work]:
        return [work for volume in self.all if (work := volume.work())]

    def start(self) -> None:
        for volume in self.all:
            volume.start()

    def stop(self) -> None:
        for volume in reversed(self.all):
            volume.stop()


def free_bytes(root: Path) -> int:
    """0 where the volume is not there."""
    try:
        found = os.statvfs(root)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def open_volumes(
    paths: list[Path],
    db: Database,
    device_id: str,
    clock: Clock,
    durability_s: float,
    on_row: Callable[[Segment, str], None],
    on_gone: Callable[[SegmentWriter], None] = lambda writer: None,
) -> Volumes:
    """Match each path with its identity. Raises ``conflict`` for another box's disk.

    A known path whose identity file is missing is a missing disk: it is watched, never re-made.
    ``on_row(row, path)``: a segment is closed and durable; ``on_gone(writer)``: nothing of it is.
    """
    holes = GapRows(db.offer)
    opened = []
    for path in paths:
        volume_id = _identify(path, db, device_id, clock.now_ns())

        def deliver(row: Segment, root: Path = path) -> None:
            on_row(row, str(root / row.path))

        opened.append(Volume(volume_id, path, clock, durability_s, deliver, holes.save, on_gone))
    return Volumes(opened)


def _identify(path: Path, db: Database, device_id: str, now_ns: int) -> str:
    identity = read_identity(path) if path.is_dir() else None
    known = db.read_now(lambda conn: rows.at_path(conn, str(path)))
    if identity is None and known is not None:
        log.error("volume %s is not there: nothing is recorded on it until it is mounted again", path)
        return known.id
    if identity is None:
        return _create(path, db, device_id, now_ns)
    if identity.device_id != device_id:
        raise ApplianceError(
            "conflict",
            f"the volume at {path} belongs to another box",
            "import its footage, or empty it and delete its .volume.json to use it here",
        )
    if known is not None and known.id != identity.id:
        raise ApplianceError(
            "conflict",
            f"another disk of this box is mounted at {path}",
            "mount the disks where they were, or name both paths in `volumes`",
        )

    def remember(conn: sqlite3.Connection) -> None:
        if rows.by_id(conn, identity.id) is not None:
            rows.move(conn, identity.id, str(path))
        else:
            rows.insert(conn, rows.VolumeRow(identity.id, str(path), identity.created_ns))

    if known is None:
        db.write_now(remember)
    return identity.id


def _create(path: Path, db: Database, device_id: str, now_ns: int) -> str:
    try:
        path.mkdir(mode=0o700, exist_ok=True, parents=True)
        identity = Identity(uuid7(now_ns), device_id, now_ns)
        write_identity(path, identity)
    except OSError as error:
        text = f"the volume {path} cannot be made: {error.strerror}"
        raise ApplianceError("unavailable", text, "check the path and its mount") from error
    db.write_now(lambda conn: rows.insert(conn, rows.VolumeRow(identity.id, str(path), now_ns)))
    return identity.id


def known_volumes(db: Database, clock: Clock) -> Volumes:
    """For reading beside a running box, or without one: nothing is made, no thread is started."""
    found = db.read_now(rows.list_volumes)
    return Volumes([Volume(row.id, Path(row.path), clock, 1.0, lambda _: None) for row in found])
