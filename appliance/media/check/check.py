"""``appliance check``: R1-R8 against the disks, beside a running daemon or without one.

Every file is read whole and hashed again; ``quick`` believes the footers. What the next start
recovers by itself is not a violation: an open or torn last segment, a row on its way, a deletion that
was begun. What a running daemon was just about to change is looked at again before it is reported.

``repair`` never throws footage away: what cannot be understood goes to ``VOLUME/.quarantine``, and
its time becomes a ``damaged`` gap. It leaves the newest segments of each stream to the next start.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from appliance.base.errors import ApplianceError
from appliance.media.check import ledger as check_ledger
from appliance.media.check import repair as check_repair
from appliance.media.check.files import FileCheck, Found, look_at
from appliance.media.check.repair import open_archive
from appliance.media.check.words import Violation
from appliance.media.ring.recovery import hour_dirs, stream_dirs
from appliance.media.ring.volume import Identity, read_identity
from appliance.store import garbage, locks, segments, settings, volumes
from appliance.store.database import Database

__all__ = ["Violation", "check", "open_archive"]

log = logging.getLogger(__name__)

LOOKS = 3  # a violation counts when it is there each time
PAUSE_S = 1.5  # longer than a row takes from a closed file to the index

Progress = Callable[[int], None]
Stream = tuple[str, str]


def check(
    db: Database,
    archive: Database,
    volume_paths: Iterable[Path],
    *,
    quick: bool = False,
    repair: bool = False,
    progress: Progress | None = None,
) -> list[Violation]:
    """All violations, by rule; with ``repair`` those that were mended say so.

    ``volume_paths`` are the configured ones; those that appliance.db knows are added.
    ``progress`` is called with the number of files read so far. Blocks; reads all footage
    unless ``quick``.
    """
    roots, found = _roots(db, volume_paths)
    found += _garbage(db, roots)
    files = FileCheck(quick=quick, progress=progress)
    suspects: dict[Stream, list[Violation]] = {}
    for key in _streams(db, archive, roots):
        suspects[key] = _of_stream(db, look_at(db, archive, roots, files, *key))
        files.keep(bool(suspects[key]))
    for _ in range(LOOKS - 1):
        suspects = {key: faults for key, faults in suspects.items() if faults}
        if suspects:
            threading.Event().wait(PAUSE_S)
        for key, faults in suspects.items():
            still = {fault.same for fault in _of_stream(db, look_at(db, archive, roots, files, *key))}
            suspects[key] = [fault for fault in faults if fault.same in still]
    for key, faults in suspects.items():
        if faults and repair:
            seen = look_at(db, archive, roots, files, *key)
            found += check_repair.mend_stream(db, archive, roots, files, seen, faults)
        else:
            found += faults
    return sorted(found, key=lambda fault: (fault.rule, fault.stream or "", fault.path or ""))


def _of_stream(db: Database, seen: Found) -> list[Violation]:
    return seen.faults + check_ledger.check_ledger(db, seen)


def _roots(db: Database, paths: Iterable[Path]) -> tuple[dict[str, Path], list[Violation]]:
    """R7: which volume lies where."""
    device_id = db.read_now(settings.device_id)
    known = {Path(row.path): row.id for row in db.read_now(volumes.list_volumes)}
    roots: dict[str, Path] = {}
    found = []
    for path in dict.fromkeys([*paths, *known]):
        try:
            identity = read_identity(path)
        except ApplianceError as error:
            found.append(Violation("R7", "error", error.message, path=str(path)))
            continue
        except OSError:
            identity = None
        fault = _identity_fault(identity, known.get(path), device_id)
        if fault is not None:
            found.append(Violation("R7", "error", f"{path}: {fault}", path=str(path)))
        elif identity is not None:
            roots[identity.id] = path
    return roots, found


def _identity_fault(identity: Identity | None, known_id: str | None, device_id: str) -> str | None:
    if identity is None:
        return None if known_id is None else "the volume is not there; its footage was not checked"
    if known_id is not None and identity.id != known_id:
        return "another disk is mounted here"
    if device_id and identity.device_id != device_id:
        return "the volume belongs to another box"
    return None


def _garbage(db: Database, roots: dict[str, Path]) -> list[Violation]:
    """R5 and R6 of what is listed: a deletion that was begun may not hit what is locked."""
    found = []
    for item in db.read_now(garbage.list_garbage):
        held = db.read_now(
            partial(locks.overlapping, camera_id=item.camera_id, start_ns=item.start_ns, end_ns=item.end_ns)
        )
        is_there = item.volume_id in roots and (roots[item.volume_id] / item.path).exists()
        if held and is_there:
            text = "listed as garbage, and locked"
            found.append(Violation("R6", "error", text, item.path, f"{item.camera_id}/{item.stream}"))
    return found


def _streams(db: Database, archive: Database, roots: dict[str, Path]) -> list[tuple[str, str]]:
    """Every stream that has a row, a gap or a folder."""
    known = set(archive.read_now(segments.streams)) | set(db.read_now(check_ledger.streams))
    for root in roots.values():
        known |= {(folder.parent.name, folder.name) for folder in stream_dirs(root) if hour_dirs(folder)}
    return sorted(known)
