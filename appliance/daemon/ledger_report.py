"""Once an hour: what was recorded since the last report and what was not, to every target that wants it."""

import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from appliance.alerts.owing import owe
from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.base.ids import uuid7
from appliance.base.model import Gap
from appliance.store import cameras, gaps, segments, settings, targets
from appliance.store.database import Database
from appliance.sync.protocol.report import MOST_GAPS, LedgerGap, LedgerReport, StreamLedger

HOUR_NS = 3_600 * SECOND_NS
LONGEST_NS = 24 * HOUR_NS  # of one report: a box that was off for a month tells it day by day
SETTLE_NS = 120 * SECOND_NS  # a silence begins as no_video and is refined; what is open is written soon
TOLD = "ledger_told_ns"

Key = tuple[str, str]


class LedgerReports:
    """``tell`` whenever there is time: it says what is due. Where it ended is stored with the rows (D1)."""

    def __init__(self, db: Database, archive: Database, clock: Clock) -> None:
        self._db, self._archive, self._clock = db, archive, clock

    async def tell(self) -> bool:
        """Whether there was anything to tell. Raises what the databases raise."""
        now_ns = self._clock.now_ns()
        told_ns, keys = await self._db.read(_asked)
        if not isinstance(told_ns, int) or told_ns > now_ns:  # the first time; or the clock was set back
            await self._db.write(lambda conn: settings.set_value(conn, TOLD, now_ns))
            return False
        spans = list(due(told_ns, now_ns))
        if not spans:
            return False
        footage = await self._archive.read(partial(_begins, keys))

        def write(conn: sqlite3.Connection) -> None:
            owed_to = targets.enabled(conn)
            for start_ns, end_ns in spans if owed_to else ():
                report = made(conn, footage, start_ns, end_ns)
                if report.streams:
                    body = msgspec.json.encode(report)
                    owe(conn, owed_to, uuid7(now_ns), "ledger", body, now_ns)
            settings.set_value(conn, TOLD, spans[-1][1])

        await self._db.write(write)
        return True


def due(told_ns: int, now_ns: int) -> Iterator[tuple[int, int]]:
    """What is to be told now: whole hours of UTC, at least one, at most ``LONGEST_NS`` at a time."""
    last_ns = (now_ns - SETTLE_NS) // HOUR_NS * HOUR_NS
    if last_ns - told_ns < HOUR_NS:
        return
    start_ns = told_ns
    while start_ns < last_ns:
        end_ns = min((start_ns + LONGEST_NS) // HOUR_NS * HOUR_NS, last_ns)
        yield start_ns, end_ns
        start_ns = end_ns


def made(conn: sqlite3.Connection, footage: dict[Key, int], start_ns: int, end_ns: int) -> LedgerReport:
    """``footage``: when that of each stream begins. A stream is expected from its first footage or gap on."""
    rows: list[StreamLedger] = []
    named: list[tuple[int, int, Gap]] = []  # (how long, which row, gap)
    for key in sorted({*footage, *gaps.streams(conn)}):
        firsts = [ns for ns in (footage.get(key), gaps.first_start_ns(conn, *key)) if ns is not None]
        begins_ns = max(start_ns, min(firsts))
        if begins_ns >= end_ns:
            continue
        found = [_inside(gap, begins_ns, end_ns) for gap in gaps.overlapping(conn, *key, begins_ns, end_ns)]
        named += [((gap.end_ns or end_ns) - gap.start_ns, len(rows), gap) for gap in found]
        rows.append(_sums(key, found, begins_ns, end_ns))
    kept = sorted(named, key=lambda each: each[0], reverse=True)[:MOST_GAPS]
    streams = []
    for number, row in enumerate(rows):
        chosen = sorted((gap for _, at, gap in kept if at == number), key=lambda gap: gap.start_ns)
        streams.append(msgspec.structs.replace(row, gaps=tuple(_told(gap) for gap in chosen)))
    return LedgerReport(rfc3339(start_ns), rfc3339(end_ns), tuple(streams))


def _inside(gap: Gap, start_ns: int, end_ns: int) -> Gap:
    """Its part of the time; what goes on behind it has no end here, either."""
    ends_ns = gap.end_ns if gap.end_ns is not None and gap.end_ns <= end_ns else None
    return msgspec.structs.replace(gap, start_ns=max(gap.start_ns, start_ns), end_ns=ends_ns)


def _sums(key: Key, found: Sequence[Gap], start_ns: int, end_ns: int) -> StreamLedger:
    missing: Counter[str] = Counter()
    spans = []
    for gap in found:
        span = (gap.start_ns, end_ns if gap.end_ns is None else gap.end_ns)
        missing[gap.cause] += span[1] - span[0]
        spans.append(span)
    expected_ns = end_ns - start_ns
    return StreamLedger(
        *key,
        expected_s=_s(expected_ns),
        recorded_s=_s(expected_ns - _covered_ns(spans)),
        missing_s={cause: _s(ns) for cause, ns in sorted(missing.items())},
        gaps_total=len(found),
    )


def _covered_ns(spans: Sequence[tuple[int, int]]) -> int:
    """By any of them: after a clock step a time is there twice, and counts once."""
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    depth, covered = 0, 0
    for (at, step), (after, _) in itertools.pairwise(edges):
        depth += step
        covered += (after - at) * (depth > 0)
    return covered


def _told(gap: Gap) -> LedgerGap:
    end = None if gap.end_ns is None else rfc3339(gap.end_ns)
    return LedgerGap(rfc3339(gap.start_ns), gap.cause, end)


def _s(ns: int) -> float:
    return round(ns / SECOND_NS, 3)


def _asked(conn: sqlite3.Connection) -> tuple[object, set[Key]]:
    known = {(camera.id, stream) for camera in cameras.list_cameras(conn) for stream in ("main", "sub")}
    return settings.get_value(conn, TOLD), known | set(gaps.streams(conn))


def _begins(keys: set[Key], conn: sqlite3.Connection) -> dict[Key, int]:
    found = {key: segments.first_start_ns(conn, *key) for key in keys}
    return {key: start_ns for key, start_ns in found.items() if start_ns is not None}
