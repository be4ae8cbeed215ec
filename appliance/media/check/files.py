"""Files against rows, and files against themselves: R1, R3, R6, R8 of one stream."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from appliance.base.errors import ApplianceError
from appliance.base.model import Segment
from appliance.media.check.words import RuleName, Violation
from appliance.media.mp4.fragmenter import ns_from_90k
from appliance.media.ring.mend import UNREADABLE_BYTES, hash_of, read_head, row_of_parts
from appliance.media.ring.recovery import hour_dirs
from appliance.media.ring.scan import Scan, scan
from appliance.store import garbage, locks, segments
from appliance.store.database import Database

FEW = 2  # files without a row that a crash leaves: the open one, and one whose row was on its way

State = Literal["whole", "torn", "empty", "unreadable"]


class FileReport(NamedTuple):
    """What a file says of itself. ``fault`` None: R1 holds. ``end_ns`` of a torn file is where its
    last whole frame ends."""

    state: State
    start_ns: int
    end_ns: int
    row: Segment | None  # as head and footer tell it
    fault: str | None


class Loose(NamedTuple):
    """A file without a row."""

    volume_id: str
    path: str
    report: FileReport


class Found(NamedTuple):
    """One look at a stream. ``open``: files that the next start indexes by itself."""

    camera_id: str
    stream: str
    rows: list[Segment]
    open: list[Loose]
    loose: list[Loose]
    faults: list[Violation]

    @property
    def name(self) -> str:
        return f"{self.camera_id}/{self.stream}"


class FileCheck:
    """Reads files, each one once as long as it does not change."""

    def __init__(self, *, quick: bool, progress: Callable[[int], None] | None) -> None:
        self._quick = quick
        self._progress = progress
        self._seen: dict[Path, tuple[tuple[int, int], FileReport]] = {}
        self._recent: list[Path] = []
        self.count = 0

    def report(self, path: Path, volume_id: str, relative: str) -> FileReport:
        """Raises ``OSError`` where the file is gone or its disk fails."""
        stat = path.stat()
        key = (stat.st_size, stat.st_mtime_ns)
        known = self._seen.get(path)
        if known is not None and known[0] == key:
            return known[1]
        made = self._read(path, volume_id, relative, stat.st_size)
        self._seen[path] = (key, made)
        self._recent.append(path)
        self.count += 1
        if self._progress is not None:
            self._progress(self.count)
        return made

    def keep(self, is_suspect: bool) -> None:
        """What was read since the last call is remembered only where it is looked at again: a ring has
        a million files."""
        if not is_suspect:
            for path in self._recent:
                self._seen.pop(path, None)
        self._recent.clear()

    def _read(self, path: Path, volume_id: str, relative: str, size: int) -> FileReport:
        try:
            found = scan(path)
        except ApplianceError:
            head = read_head(path)
            at_ns = head.start_ns if head is not None else 0
            is_small = size <= UNREADABLE_BYTES and head is None
            return FileReport("empty" if is_small else "unreadable", at_ns, at_ns, None, "it cannot be read")
        head = found.head
        if not found.video:
            return FileReport("empty", head.start_ns, head.start_ns, None, "it has no video")
        fault = _structure(found)
        if found.footer is None:
            last_ns = max(ns_from_90k(s.pts_90k) + ns_from_90k(s.duration) for s in found.video)
            end_ns = max(head.anchor_ns + last_ns, head.start_ns + 1)
            return FileReport("torn", head.start_ns, end_ns, None, fault)
        footer = found.footer
        if found.whole_bytes + found.footer_bytes != size:
            fault = fault or "bytes lie between its last frame and its footer, or behind it"
        elif len(found.video) != footer.frames or len(found.keys) != len(footer.keys):
            fault = fault or "its footer counts other frames than there are"
        elif not self._quick and hash_of(path, found.whole_bytes) != footer.sha256:
            fault = fault or "its bytes are not those that were hashed"
        row = row_of_parts(head, found.init, footer, volume_id, relative, size)
        return FileReport("whole", head.start_ns, footer.end_ns, row, fault)


def _structure(found: Scan) -> str | None:
    """R1 of what lies between head and footer."""
    if not found.init:
        return "it has no moov box before its head"
    if not found.video[0].is_key:
        return "it does not begin with a key frame"
    decodes = [sample.decode_90k for sample in found.video]
    if any(later <= earlier for earlier, later in itertools.pairwise(decodes)):
        return "its decode times go back"
    return None


def look_at(
    db: Database, archive: Database, roots: dict[str, Path], files: FileCheck, camera_id: str, stream: str
) -> Found:
    """Compare one stream's rows with its files."""
    rows = archive.read_now(lambda conn: segments.of_stream(conn, camera_id, stream))
    listed = {(item.volume_id, item.path) for item in db.read_now(garbage.list_garbage)}
    rows = [row for row in rows if (row.volume_id, row.path) not in listed]
    name = f"{camera_id}/{stream}"
    faults: list[Violation] = []
    rowed = {(row.volume_id, row.path): row for row in rows}
    loose: list[Loose] = []
    there: set[tuple[str, str]] = set()
    for volume_id, root in roots.items():
        for path in _files(root, camera_id, stream):
            relative = str(path.relative_to(root))
            there.add((volume_id, relative))
            if (volume_id, relative) in listed:
                continue
            try:
                report = files.report(path, volume_id, relative)
            except FileNotFoundError:
                continue  # deleted in between
            except OSError as error:
                faults.append(Violation("R3", "error", f"the disk fails: {error.strerror}", relative, name))
                continue
            row = rowed.get((volume_id, relative))
            if row is None:
                loose.append(Loose(volume_id, relative, report))
            else:
                faults += _compare(row, report, name)
    for row in rows:
        if row.volume_id in roots and (row.volume_id, row.path) not in there:
            faults.append(_missing(db, row, name))
    open_, loose = _split(rows, loose)
    for one in loose:
        if one.report.state == "unreadable" or one.report.fault:
            faults.append(Violation("R1", "error", one.report.fault or "", one.path, name))
        else:
            faults.append(Violation("R3", "error", "the file is not in the index", one.path, name))
    faults += _order(rows, name)
    return Found(camera_id, stream, rows, open_, loose, faults)


def _files(root: Path, camera_id: str, stream: str) -> list[Path]:
    return [path for hour in hour_dirs(root / camera_id / stream) for path in sorted(hour.glob("*.mp4"))]


def _missing(db: Database, row: Segment, name: str) -> Violation:
    held = db.read_now(lambda conn: locks.overlapping(conn, row.camera_id, row.start_ns, row.end_ns))
    rule: RuleName = "R6" if held else "R3"
    text = "the file of locked footage is gone" if held else "the file is gone"
    return Violation(rule, "error", text, row.path, name)


def _compare(row: Segment, report: FileReport, name: str) -> list[Violation]:
    if report.fault is not None or report.row is None:
        text = report.fault or "its tail is torn off"
        rule: RuleName = "R3" if report.fault and "hashed" in report.fault else "R1"
        return [Violation(rule, "error", text, row.path, name)]
    if report.row != row:
        names = [f for f in Segment.__struct_fields__ if getattr(report.row, f) != getattr(row, f)]
        return [Violation("R3", "error", f"row and file differ in {', '.join(names)}", row.path, name)]
    if row.end_ns <= row.start_ns:
        return [Violation("R8", "error", "it ends before it begins", row.path, name)]
    return []


def _split(rows: list[Segment], loose: list[Loose]) -> tuple[list[Loose], list[Loose]]:
    """What the next start indexes by itself, and what it will not find.

    It walks on from the newest row: files behind that are its work, however many a power cut has taken
    out of the index; without any row a few are, and more mean that the index was lost.
    """
    if not rows:
        return (loose, []) if len(loose) <= FEW else ([], loose)
    newest_ns = max(row.start_ns for row in rows)
    last_path = max(row.path.rpartition("/")[2] for row in rows)
    open_ = [
        one for one in loose if one.report.start_ns > newest_ns or one.path.rpartition("/")[2] > last_path
    ]
    rest = [one for one in loose if one not in open_]
    # Behind a backward step of the clock the open file is not the newest by name: let the run tell.
    torn = [one for one in rest if one.report.state in ("torn", "empty")]
    if len(torn) == 1 and not open_:
        open_, rest = torn, [one for one in rest if one is not torn[0]]
    return open_, rest


def _order(rows: list[Segment], name: str) -> list[Violation]:
    """R8: inside a run sequence and time go together, and what is missing has left a hole."""
    faults = []
    runs: dict[tuple[str, str], list[Segment]] = {}
    for row in rows:
        runs.setdefault((row.boot_id, row.run_id), []).append(row)
    for run in runs.values():
        run.sort(key=lambda row: row.sequence)
        for one, other in itertools.pairwise(run):
            if other.start_ns < one.end_ns:
                text = "it begins before the segment before it ends"
                faults.append(Violation("R8", "error", text, other.path, name))
            elif other.sequence != one.sequence + 1 and other.start_ns == one.end_ns:
                faults.append(Violation("R8", "error", "its sequence number jumps", other.path, name))
    return faults
