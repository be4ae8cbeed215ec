"""Making rows, gaps and files agree again, and the index out of the files alone."""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from appliance.base.errors import ApplianceError
from appliance.base.model import Gap, Segment
from appliance.media.check import ledger as check_ledger
from appliance.media.check.files import FileCheck, Found, look_at
from appliance.media.check.words import Violation
from appliance.media.ring.mend import mend, quick_row
from appliance.media.ring.recovery import hour_dirs, quarantine, stream_dirs
from appliance.media.ring.seams import find_seams
from appliance.media.ring.volume import read_identity
from appliance.store import gaps, garbage, segments
from appliance.store.database import Database

log = logging.getLogger(__name__)

BATCH = 500
LARGEST_CHECKED_BYTES = 64_000_000  # a larger index is probed at start, not read whole
REPAIR_BOOT = "repair"


def open_archive(path: Path, db: Database, volume_paths: Iterable[Path]) -> tuple[Database, bool]:
    """Open the index; a damaged one is moved aside. True: it was made again from the files.

    An empty one beside volumes that hold footage was lost, and is made again too. Files without a
    footer are left to ``recovery.recover``. Takes about a second for 5 000 segments.
    """
    try:
        archive = Database.open(path, "archive", synchronous="NORMAL")
        damaged = not _is_sound(archive, path)
        if damaged:
            archive.close()
    except ApplianceError as error:
        if error.kind != "data_loss":
            raise
        damaged = True
    if damaged:
        log.error("%s is damaged: it is moved aside and made again from the recordings", path.name)
        move_aside(path)
        archive = Database.open(path, "archive", synchronous="NORMAL")
    if archive.read_now(segments.is_empty):
        return archive, rebuild(db, archive, volume_paths) > 0 or damaged
    return archive, damaged


def rebuild(db: Database, archive: Database, volume_paths: Iterable[Path]) -> int:
    """Index every closed file by its head and footer (R1); how many."""
    listed = {(item.volume_id, item.path) for item in db.read_now(garbage.list_garbage)}
    count = 0
    for root in volume_paths:
        try:
            identity = read_identity(root)
        except (ApplianceError, OSError):
            continue
        if identity is None:
            continue
        batch: list[Segment] = []
        for path in _all_files(root):
            relative = str(path.relative_to(root))
            if (identity.id, relative) in listed:
                continue
            row = quick_row(path, identity.id, relative)
            if row is not None:
                batch.append(row)
            if len(batch) == BATCH:
                _put(archive, batch)
                count, batch = count + len(batch), []
        _put(archive, batch)
        count += len(batch)
    return count


def _put(archive: Database, rows: list[Segment]) -> None:
    def write(conn: sqlite3.Connection) -> None:
        for row in rows:
            segments.put(conn, row)

    if rows:
        archive.write_now(write)


def _all_files(root: Path) -> Iterator[Path]:
    for stream_dir in stream_dirs(root):
        for hour in hour_dirs(stream_dir):
            yield from sorted(hour.glob("*.mp4"))


def _is_sound(archive: Database, path: Path) -> bool:
    try:
        return archive.read_now(
            lambda conn: segments.is_sound(conn, whole=path.stat().st_size <= LARGEST_CHECKED_BYTES)
        )
    except ApplianceError as error:
        if error.kind != "data_loss":
            raise
        return False


def move_aside(path: Path) -> None:
    """A damaged database is kept, for people who can read what is left of it."""
    number = 0
    while (target := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(target)
    for tail in ("-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)


def mend_stream(
    db: Database,
    archive: Database,
    roots: dict[str, Path],
    files: FileCheck,
    seen: Found,
    faults: list[Violation],
) -> list[Violation]:
    """Repair one stream; ``faults`` with those marked that are gone behind it."""
    bad = {fault.path for fault in faults if fault.path is not None}
    for row in seen.rows:
        if row.path in bad and row.volume_id in roots:
            _mend_row(db, archive, roots[row.volume_id], row)
    for one in seen.loose:
        _index(archive, roots[one.volume_id], one.volume_id, one.path)
    after = look_at(db, archive, roots, files, seen.camera_id, seen.stream)
    _tile(db, after)
    after = look_at(db, archive, roots, files, seen.camera_id, seen.stream)
    left = {fault.same for fault in after.faults + check_ledger.check_ledger(db, after)}
    return [msgspec.structs.replace(fault, repaired=fault.same not in left) for fault in faults]


def _mend_row(db: Database, archive: Database, root: Path, row: Segment) -> None:
    """A row whose file is gone, cut short or changed."""
    path = root / row.path
    kept: Segment | None = None
    if path.exists():
        files = FileCheck(quick=False, progress=None)
        report = files.report(path, row.volume_id, row.path)
        if report.row is not None and report.fault is None:
            kept = report.row  # the file is right by itself: the row was not
        elif report.state == "torn" and report.fault is None:
            kept = mend(path, row.volume_id, row.path, not_after_ns=row.end_ns)
        else:
            log.warning("%s goes to quarantine: %s", row.path, report.fault)
            quarantine(root, path)

    def reindex(conn: sqlite3.Connection) -> None:
        segments.delete(conn, row.volume_id, row.path)
        if kept is not None:
            segments.put(conn, kept)

    archive.write_now(reindex)
    lost = [(row.start_ns, row.end_ns)] if kept is None else [(kept.end_ns, row.end_ns)]
    for start_ns, end_ns in lost:
        if start_ns < end_ns:
            _damaged(db, row.camera_id, row.stream, start_ns, end_ns)


def _index(archive: Database, root: Path, volume_id: str, relative: str) -> None:
    path = root / relative
    try:
        row = mend(path, volume_id, relative)
    except ApplianceError:
        quarantine(root, path)
        return
    if row is not None:
        archive.write_now(lambda conn: segments.put(conn, row))


def _tile(db: Database, seen: Found) -> None:
    """Trim gaps that lie over footage; write down holes as ``damaged``."""
    known = db.read_now(lambda conn: gaps.with_boots(conn, seen.camera_id, seen.stream))
    if not check_ledger.broken(seen, known):
        return
    spans = [(row.start_ns, row.end_ns) for row in seen.rows]
    spans += [(one.report.start_ns, one.report.end_ns) for one in seen.open]
    is_open = [item for item in known if item[0].end_ns is None]
    seams = find_seams(sorted(spans), [i for i in known if i not in is_open], 0, 0)

    def write(conn: sqlite3.Connection) -> None:
        for gap, boot in seams.changed:
            gaps.put(conn, gap, boot)
        for start_ns, end_ns in seams.holes:
            gaps.put(conn, Gap(seen.camera_id, seen.stream, start_ns, end_ns, "damaged"), REPAIR_BOOT)

    db.write_now(write)


def _damaged(db: Database, camera_id: str, stream: str, start_ns: int, end_ns: int) -> None:
    gap = Gap(camera_id, stream, start_ns, end_ns, "damaged")
    db.write_now(lambda conn: gaps.put(conn, gap, REPAIR_BOOT))
