"""After a crash: bring files, index and ledger together again, before anything is recorded.

Order: garbage first (R5), then files without a row are mended and indexed (R1, R3), then open gaps
are closed at the last sign of life and a new one is opened for the time that nobody was there (R4).
"""

import errno
import logging
import os
import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from appliance.base.clock import SECOND_NS
from appliance.base.durable import fsync_folder
from appliance.base.errors import ApplianceError
from appliance.base.model import Gap, GapCause, Segment
from appliance.media.ring.mend import mend, read_head
from appliance.media.ring.seams import find_seams
from appliance.media.ring.volume import Volume
from appliance.media.ring.volumes import Volumes
from appliance.store import gaps, garbage, segments, settings
from appliance.store.database import Database

log = logging.getLogger(__name__)

HOUR_NS = 3600 * SECOND_NS
MANY = 500  # rows looked up at once: a few hours of one stream
SEAMS = 8  # segments of a stream that a crash may have left unfinished, generously
QUARANTINE = ".quarantine"
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
    for volume in volumes.all:
        volume.awaits_recovery = volume not in usable
    gone = replay_garbage(db, archive, usable)
    forget_expired(db, archive, usable)
    alive_ns, _ = db.read_now(_last_life)
    mended: list[Segment] = []
    lost = 0
    for volume in usable:
        rows, missing = mend_newest(archive, volume, alive_ns)
        mended += rows
        lost += missing
    return Recovered(gone, mended, lost)


def replay_garbage(db: Database, archive: Database, usable: list[Volume]) -> int:
    """Finish deletions that were begun (R5)."""
    done = 0
    for volume in usable:
        items = db.read_now(partial(garbage.list_garbage, volume_id=volume.id))
        try:
            take_out_all(db, archive, volume.root, items)
        except OSError as error:
            # A disk that deletes nothing may still take what is recorded; retention tries again.
            log.error("volume %s: garbage stays: %s", volume.root, os.strerror(error.errno or errno.EIO))
            continue
        done += len(items)
    return done


def take_out_all(db: Database, archive: Database, root: Path, items: list[garbage.Garbage]) -> None:
    """R5 behind the garbage rows: unlink, fsync directories, index rows, garbage rows.

    Raises ``OSError`` where a file cannot be unlinked; the rows of all then stay.
    """
    if not items:
        return
    folders = dict.fromkeys((root / item.path).parent for item in items)
    for item in items:
        (root / item.path).unlink(missing_ok=True)
    for folder in folders:
        try:
            fsync_folder(folder)
        except FileNotFoundError:
            pass  # it went with an earlier try

    def unindex(conn: sqlite3.Connection) -> None:
        for item in items:
            segments.delete(conn, item.volume_id, item.path)

    def forget(conn: sqlite3.Connection) -> None:
        for item in items:
            garbage.delete(conn, item.volume_id, item.path)

    archive.write_now(unindex)
    db.write_now(forget)
    for folder in folders:
        _remove_empty(folder, root)


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


def forget_expired(db: Database, archive: Database, usable: list[Volume]) -> int:
    """Take out rows that a power cut brought back: archive.db is not synced at every commit, so a
    deletion that is finished everywhere else may be undone in it."""
    roots = {volume.id: volume.root for volume in usable}

    def gone(conn: sqlite3.Connection, gap: Gap) -> list[Segment]:
        assert gap.end_ns is not None
        inside = segments.inside(conn, gap.camera_id, gap.stream, gap.start_ns, gap.end_ns)
        return [
            row for row in inside if row.volume_id in roots and not (roots[row.volume_id] / row.path).exists()
        ]

    back = [row for gap in db.read_now(gaps.expired) for row in archive.read_now(partial(gone, gap=gap))]

    def unindex(conn: sqlite3.Connection) -> None:
        for row in back:
            segments.delete(conn, row.volume_id, row.path)

    if back:
        archive.write_now(unindex)
    return len(back)


def recover_late(db: Database, archive: Database, volume: Volume) -> list[Segment]:
    """``recover`` for a volume that came back while the box runs: what it held before the start.

    A stream whose gap from before the start is still open has to wait: its end is the recorder's.
    """
    replay_garbage(db, archive, [volume])
    before_ns = volume.began_ns - SECOND_NS
    waiting = {
        (gap.camera_id, gap.stream)
        for gap, _ in db.read_now(gaps.open_gaps)
        if gap.start_ns < before_ns and gap.cause != "disabled"
    }
    rows, _ = mend_newest(archive, volume, before_ns=before_ns, skip=waiting)

    def fit(conn: sqlite3.Connection) -> None:
        for row in rows:
            _cut_out(conn, row)

    if rows:
        db.write_now(fit)
    volume.awaits_recovery = bool(waiting)
    return rows


def _cut_out(conn: sqlite3.Connection, row: Segment) -> None:
    """The ledger said that nothing was recorded: the disk that knew better was away."""
    for gap, boot in gaps.with_boots(conn, row.camera_id, row.stream):
        if gap.end_ns is None or gap.end_ns <= row.start_ns or gap.start_ns >= row.end_ns:
            continue
        gaps.put(
            conn,
            Gap(gap.camera_id, gap.stream, gap.start_ns, max(gap.start_ns, row.start_ns), gap.cause),
            boot,
        )
        gaps.put(conn, Gap(gap.camera_id, gap.stream, row.end_ns, gap.end_ns, gap.cause), boot)


def mend_newest(
    archive: Database,
    volume: Volume,
    alive_ns: int = 0,
    before_ns: int | None = None,
    skip: Collection[tuple[str, str]] = (),
) -> tuple[list[Segment], int]:
    """Index the files behind the newest row of each stream; how many held nothing.

    Only the last hours are walked: a month of 32 cameras is millions of files. ``alive_ns`` is the
    last sign of life: behind a backward step of the clock it is older than the newest row. With
    ``before_ns`` files that were touched later are left alone: somebody writes them.
    """
    made: list[Segment] = []
    lost = 0
    for stream_dir in stream_dirs(volume.root):
        key = (stream_dir.parent.name, stream_dir.name)
        if key in skip:
            continue
        alive_or_last_ns = alive_ns if before_ns is None else _last_on(archive, volume, *key)
        paths = _candidates(archive, stream_dir, alive_or_last_ns)
        known = _newest_paths(archive, volume.id, *key)
        for number, path in enumerate(paths):
            relative = str(path.relative_to(volume.root))
            if relative in known or _indexed(archive, volume.id, relative):
                continue
            if before_ns is not None and path.stat().st_mtime_ns >= before_ns:
                continue
            try:
                row = mend(path, volume.id, relative, not_after_ns=_next_start(path, paths[number + 1 :]))
            except ApplianceError as error:
                log.error("%s", error.message)
                quarantine(volume.root, path)
                row = None
            except OSError as error:
                log.error("%s cannot be mended: %s", relative, os.strerror(error.errno or errno.EIO))
                continue
            if row is None:
                lost += 1
                continue
            archive.write_now(partial(segments.put, segment=row))
            made.append(row)
    return made, lost


def unindexed_files(
    archive: Database, volume: Volume, camera_id: str, stream: str, now_ns: int
) -> list[Path]:
    """Of the last hours, oldest first: what is written now, by whom ever, and what a crash left."""
    folder = volume.root / camera_id / stream
    if folder not in stream_dirs(volume.root):  # ids come from people
        return []
    known = _newest_paths(archive, volume.id, camera_id, stream)
    return [
        path
        for path in _candidates(archive, folder, now_ns)
        if (relative := str(path.relative_to(volume.root))) not in known
        and not _indexed(archive, volume.id, relative)
    ]


def stream_dirs(root: Path) -> list[Path]:
    """VOLUME/CAMERA/STREAM, wherever there is one."""
    found = [root / camera / stream for camera in _names(root) for stream in ("main", "sub")]
    return [folder for folder in found if folder.is_dir()]


def hour_dirs(stream_dir: Path) -> list[Path]:
    """STREAM/YYYY-MM-DD/HH, oldest first."""
    return [stream_dir / day / hour for day in _names(stream_dir) for hour in _names(stream_dir / day)]


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and entry.name[0] != ".")
    except FileNotFoundError:
        return []


def quarantine(root: Path, path: Path) -> Path:
    """Put a file that cannot be understood out of the ring's way; a person may still want it."""
    folder = root / QUARANTINE
    folder.mkdir(mode=0o700, exist_ok=True)
    name = "_".join(path.relative_to(root).parts)
    path.rename(folder / name)
    fsync_folder(folder)
    fsync_folder(path.parent)
    return folder / name


def _newest_paths(archive: Database, volume_id: str, camera_id: str, stream: str) -> set[str]:
    newest = archive.read_now(lambda conn: segments.newest(conn, camera_id, stream, MANY))
    return {row.path for row in newest if row.volume_id == volume_id}


def _last_on(archive: Database, volume: Volume, camera_id: str, stream: str) -> int:
    """Where a stream's rows on one volume end; 1 where there are none: all hours are walked."""
    rows = archive.read_now(lambda conn: segments.of_stream(conn, camera_id, stream))
    return max((row.end_ns for row in rows if row.volume_id == volume.id), default=1)


def _indexed(archive: Database, volume_id: str, relative: str) -> bool:
    return archive.read_now(lambda conn: segments.by_path(conn, volume_id, relative)) is not None


def _candidates(archive: Database, stream_dir: Path, alive_ns: int) -> list[Path]:
    camera_id, stream = stream_dir.parent.name, stream_dir.name
    last = archive.read_now(lambda conn: segments.last_end_ns(conn, camera_id, stream))
    hours = hour_dirs(stream_dir)
    if last is not None:
        from_hour = _hour_name(min(last[0], alive_ns or last[0]) - 2 * HOUR_NS)
        hours = [hour for hour in hours if f"{hour.parent.name}/{hour.name}" >= from_hour]
    return [path for hour in hours for path in sorted(hour.glob("*.mp4"))]


def _next_start(path: Path, behind: list[Path]) -> int | None:
    """When the segment behind ``path`` begins, if one of its run does: ``path`` ends there."""
    own = read_head(path)
    if own is None:
        return None
    for other in behind[:2]:
        head = read_head(other)
        if head is not None and head.run_id == own.run_id and head.sequence == own.sequence + 1:
            return head.start_ns
    return None


def _hour_name(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // SECOND_NS, UTC):%Y-%m-%d/%H}"


def resume(
    db: Database, archive: Database, camera_id: str, stream: str, boot_id: str, now_ns: int, *, disabled: bool
) -> Gap:
    """Make R4 hold up to now; the gap that is open now: since the stream's last footage or gap, or
    since this moment where there was neither."""
    alive_ns, last_boot = db.read_now(_last_life)
    cause: GapCause = "restart" if last_boot == boot_id else "box_off"
    past = settle(db, archive, camera_id, stream, alive_ns, now_ns, Blame(cause, boot_id))
    if past.open_gap is not None and disabled and past.open_gap.cause == "disabled":
        return past.open_gap
    if past.end_ns is None:
        gap = Gap(camera_id, stream, now_ns, None, "disabled" if disabled else "no_video")
    elif past.end_ns > now_ns:
        gap = Gap(camera_id, stream, now_ns, None, "clock_jump")
    else:
        gap = Gap(camera_id, stream, past.end_ns, None, cause)
    db.write_now(lambda conn: gaps.put(conn, gap, boot_id))
    return gap


class Blame(NamedTuple):
    """What the ledger says of time that nobody can account for."""

    cause: GapCause
    boot_id: str


class Past(NamedTuple):
    """``end_ns``: where the ledger and the footage end, None without either. ``open_gap``: one that
    was left as it is."""

    end_ns: int | None
    open_gap: Gap | None


def settle(
    db: Database, archive: Database, camera_id: str, stream: str, alive_ns: int, now_ns: int, blame: Blame
) -> Past:
    """Close what is open at the end of a stream's ledger, and mend the seams that a crash left.

    An open gap ends where footage begins again, else at the last sign of life. A gap that
    reaches over footage is trimmed (its end was on its way to the database); a hole gets
    ``blame`` (the last bytes of a segment, or a row, were lost).
    """
    newest = archive.read_now(lambda conn: segments.newest(conn, camera_id, stream, SEAMS))
    since_ns = min((row.start_ns for row in newest), default=0)
    known = db.read_now(lambda conn: gaps.with_boots(conn, camera_id, stream, since_ns))
    left = next((gap for gap, _ in known if gap.end_ns is None and gap.cause == "disabled"), None)
    if left is not None and not any(row.start_ns >= left.start_ns for row in newest):
        return Past(left.start_ns, left)
    seams = find_seams([(row.start_ns, row.end_ns) for row in newest], known, alive_ns, now_ns)

    def write(conn: sqlite3.Connection) -> None:
        for gap, boot in seams.changed:
            gaps.put(conn, gap, boot)
        for start_ns, end_ns in seams.holes:
            gaps.put(conn, Gap(camera_id, stream, start_ns, end_ns, blame.cause), blame.boot_id)

    if seams.changed or seams.holes:
        db.write_now(write)
    return Past(seams.end_ns, None)


def _last_life(conn: sqlite3.Connection) -> tuple[int, str]:
    return int(settings.get_value(conn, ALIVE_KEY) or 0), str(settings.get_value(conn, BOOT_KEY) or "")


def note_alive(conn: sqlite3.Connection, now_ns: int, boot_id: str) -> None:
    """Written every few seconds: where an open gap ended if the box dies in it."""
    settings.set_value(conn, ALIVE_KEY, now_ns)
    settings.set_value(conn, BOOT_KEY, boot_id)
