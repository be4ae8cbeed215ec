"""After a crash: bring files, index and ledger together again, before anything is recorded.

Order: garbage first (R5), then files without a row are mended and indexed (R1, R3), then open gaps
are closed at the last sign of life and a new one is opened for the time that nobody was there (R4).
"""

import logging
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from appliance.base.clock import SECOND_NS
from appliance.base.model import Gap, GapCause, Segment
from appliance.media.segment import mend
from appliance.media.volume import Volume, fsync_dir
from appliance.media.volumes import Volumes
from appliance.store import gaps, garbage, segments, settings
from appliance.store.database import Database

log = logging.getLogger(__name__)

HOUR_NS = 3600 * SECOND_NS
ALIVE_KEY = "alive_ns"
BOOT_KEY = "boot_id"


class Recovered(NamedTuple):
    """What was done, for the log and for tests."""

    garbage: int
    mended: list[Segment]
    lost_files: int


def recover(db: Database, archive: Database, volumes: Volumes) -> Recovered:
    """Make R1, R3 and R5 hold. Volumes that are not there are left alone."""
    usable = [volume for volume in volumes.all if volume.usable() is None]
    gone = replay_garbage(db, archive, usable)
    mended: list[Segment] = []
    lost = 0
    for volume in usable:
        rows, missing = mend_newest(archive, volume)
        mended += rows
        lost += missing
    return Recovered(gone, mended, lost)


def replay_garbage(db: Database, archive: Database, usable: list[Volume]) -> int:
    """Finish deletions that were begun (R5)."""
    roots = {volume.id: volume.root for volume in usable}
    done = 0
    for item in db.read_now(garbage.list_garbage):
        if item.volume_id in roots:
            take_out(db, archive, roots[item.volume_id], item)
            done += 1
    return done


def take_out(db: Database, archive: Database, root: Path, item: garbage.Garbage) -> None:
    """R5 behind the garbage row: unlink, fsync directory, index row, garbage row."""
    path = root / item.path
    try:
        path.unlink()
        fsync_dir(path.parent)
    except FileNotFoundError:
        pass
    archive.write_now(lambda conn: segments.delete(conn, item.volume_id, item.path))
    db.write_now(lambda conn: garbage.delete(conn, item.volume_id, item.path))
    _remove_empty(path.parent, root)


def _remove_empty(folder: Path, root: Path) -> None:
    # Hour and day folders only: two levels.
    for _ in range(2):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
        if folder == root:
            return


def mend_newest(archive: Database, volume: Volume, everything: bool = False) -> tuple[list[Segment], int]:
    """Index the files behind the newest row of each stream; ``everything``: all files.

    Only the last hours are walked: a month of 32 cameras is millions of files.
    """
    known = archive.read_now(lambda conn: segments.paths(conn, volume.id)) if everything else None
    made: list[Segment] = []
    lost = 0
    for stream_dir in sorted(volume.root.glob("*/*")):
        if not stream_dir.is_dir() or stream_dir.name not in ("main", "sub"):
            continue
        for path in _candidates(archive, volume, stream_dir, everything):
            relative = str(path.relative_to(volume.root))
            if known is not None:
                if relative in known:
                    continue
            elif _indexed(archive, volume.id, relative):
                continue
            try:
                row = mend(path, volume.id, relative)
            except OSError as error:
                log.error("%s cannot be mended: %s", relative, os.strerror(error.errno or 0))
                continue
            if row is None:
                lost += 1
                continue
            archive.write_now(lambda conn, row=row: segments.put(conn, row))  # type: ignore[misc]
            made.append(row)
    return made, lost


def _indexed(archive: Database, volume_id: str, relative: str) -> bool:
    return archive.read_now(lambda conn: segments.by_path(conn, volume_id, relative)) is not None


def _candidates(archive: Database, volume: Volume, stream_dir: Path, everything: bool) -> list[Path]:
    camera_id, stream = stream_dir.parent.name, stream_dir.name
    last = None
    if not everything:
        last = archive.read_now(lambda conn: segments.last_end_ns(conn, camera_id, stream))
    days = sorted(day for day in stream_dir.iterdir() if day.is_dir())
    hours = sorted(hour for day in days for hour in day.iterdir() if hour.is_dir())
    if last is not None:
        from_hour = _hour_name(last[0] - 2 * HOUR_NS)
        hours = [hour for hour in hours if f"{hour.parent.name}/{hour.name}" >= from_hour]
    return [path for hour in hours for path in sorted(hour.glob("*.mp4"))]


def _hour_name(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // SECOND_NS, UTC):%Y-%m-%d/%H}"


def resume(
    db: Database, archive: Database, camera_id: str, stream: str, boot_id: str, now_ns: int, *, disabled: bool
) -> Gap:
    """The gap that is open now: since the stream's last footage, or since this moment."""
    alive_ns, last_boot = db.read_now(_last_life)
    open_before = [
        (gap, boot)
        for gap, boot in db.read_now(gaps.open_gaps)
        if (gap.camera_id, gap.stream) == (camera_id, stream)
    ]
    for gap, boot in open_before:
        if disabled and gap.cause == "disabled":
            return gap
        end_ns = min(max(gap.start_ns, alive_ns), now_ns)
        ended = Gap(camera_id, stream, gap.start_ns, end_ns, gap.cause)
        db.write_now(lambda conn, ended=ended, boot=boot: gaps.put(conn, ended, boot))  # type: ignore[misc]
    ends = [gap.end_ns for gap in db.read_now(lambda c: gaps.of_stream(c, camera_id, stream)) if gap.end_ns]
    newest = archive.read_now(lambda conn: segments.last_end_ns(conn, camera_id, stream))
    if newest is not None:
        ends.append(newest[0])
    if not ends:
        gap = Gap(camera_id, stream, now_ns, None, "disabled" if disabled else "no_video")
    else:
        cause: GapCause = "restart" if last_boot == boot_id else "box_off"
        last_ns = max(ends)
        if last_ns > now_ns:
            cause, last_ns = "clock_jump", now_ns
        gap = Gap(camera_id, stream, last_ns, None, cause)
    db.write_now(lambda conn: gaps.put(conn, gap, boot_id))
    return gap


def _last_life(conn: sqlite3.Connection) -> tuple[int, str]:
    return int(settings.get_value(conn, ALIVE_KEY) or 0), str(settings.get_value(conn, BOOT_KEY) or "")


def note_alive(conn: sqlite3.Connection, now_ns: int, boot_id: str) -> None:
    """Written every few seconds: where an open gap ended if the box dies in it."""
    settings.set_value(conn, ALIVE_KEY, now_ns)
    settings.set_value(conn, BOOT_KEY, boot_id)
