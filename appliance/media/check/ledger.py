"""Spans and gaps tile time (R4), in each pass of the clock (R8)."""

import sqlite3
from collections import Counter
from typing import get_args

from appliance.base.clock import rfc3339
from appliance.base.model import Gap, GapCause
from appliance.media.check.files import Found
from appliance.media.check.words import Violation
from appliance.media.ring.recovery import SEAMS
from appliance.media.ring.seams import find_seams
from appliance.store import gaps
from appliance.store.database import Database

CAUSES = frozenset(get_args(GapCause))
FOR_EVER_NS = 1 << 62


def streams(conn: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every stream with a ledger."""
    return gaps.streams(conn)


def check_ledger(db: Database, seen: Found) -> list[Violation]:
    """Holes, overlaps, and gaps without a cause, of one stream."""
    known = db.read_now(lambda conn: gaps.with_boots(conn, seen.camera_id, seen.stream))
    faults = []
    for gap, _ in known:
        if gap.cause not in CAUSES:
            faults.append(_fault("R4", f"a gap has the cause {gap.cause!r}", seen))
        if gap.end_ns is not None and gap.end_ns <= gap.start_ns:
            faults.append(_fault("R8", f"the gap at {rfc3339(gap.start_ns)} ends before it begins", seen))
    return faults + [_seam(start_ns, end_ns, seen) for start_ns, end_ns in broken(seen, known)]


def broken(seen: Found, known: list[tuple[Gap, str]]) -> list[tuple[int, int]]:
    """(end, start) of neighbours that do not touch: a hole where end < start, else an overlap.

    Every span must begin where another one ends. Exceptions are the first of all, and the
    ``clock_jump`` that a backward step begins with. This holds for passes that lie over each
    other too, where sorting by time would not tell them apart.
    """
    footage = [(row.start_ns, row.end_ns) for row in seen.rows]
    at_end = [
        (one.report.start_ns, one.report.end_ns)
        for one in seen.open
        if one.report.end_ns > one.report.start_ns
    ]
    known = _as_next_start_leaves_it(sorted(footage + at_end), known)
    spans = footage + at_end
    spans += [(gap.start_ns, FOR_EVER_NS if gap.end_ns is None else gap.end_ns) for gap, _ in known]
    if not spans:
        return []
    spans.sort()
    ends = Counter(end_ns for _, end_ns in spans)
    steps = Counter(gap.start_ns for gap, _ in known if gap.cause == "clock_jump")
    is_first = True
    found = []
    crashed_ns = min((start_ns for start_ns, _ in at_end), default=FOR_EVER_NS)
    for start_ns, end_ns in spans:
        if ends[start_ns] > 0:
            ends[start_ns] -= 1
        elif steps[start_ns] > 0:
            steps[start_ns] -= 1
        elif is_first:
            is_first = False  # the stream's beginning: a pass that was set back lies before it, or none
        else:
            before = max((end for start, end in spans if (start, end) < (start_ns, end_ns)), default=start_ns)
            if before < start_ns and start_ns > crashed_ns:
                continue  # a tail that was lost in a crash: the next start writes down the hole
            found.append((before, start_ns))
    return found


def _as_next_start_leaves_it(
    footage: list[tuple[int, int]], known: list[tuple[Gap, str]]
) -> list[tuple[Gap, str]]:
    """The end of a gap may still be on its way to the database when the box dies, or is looked at."""
    changed = find_seams(footage[-SEAMS:], known, FOR_EVER_NS, FOR_EVER_NS).changed
    now = {(gap.start_ns, boot): gap for gap, boot in known}
    for gap, boot in changed:
        now[gap.start_ns, boot] = gap
    return [(gap, key[1]) for key, gap in now.items() if gap.end_ns is None or gap.end_ns > gap.start_ns]


def _seam(end_ns: int, start_ns: int, seen: Found) -> Violation:
    what = "nothing is known of the time" if end_ns < start_ns else "two spans cover the time"
    first, last = sorted((end_ns, start_ns))
    length_ms = (last - first) / 1e6
    span = f"{rfc3339(first)} to {rfc3339(last)}" if last < FOR_EVER_NS else f"since {rfc3339(first)}"
    return _fault(
        "R4", f"{what} {span} ({length_ms:.6f} ms)" if last < FOR_EVER_NS else f"{what} {span}", seen
    )


def _fault(rule: str, message: str, seen: Found) -> Violation:
    return Violation("R4" if rule == "R4" else "R8", "error", message, None, seen.name)
