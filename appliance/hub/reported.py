"""A box's own reports, read and summed up: what was recorded in the last days, how the machine does.

What a box says may be anything: a report that cannot be read is left out.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import msgspec

from appliance.base.clock import SECOND_NS, parse_rfc3339
from appliance.base.errors import ApplianceError
from appliance.hub.store import reports
from appliance.hub.store.steps import Steps
from appliance.sync.protocol.report import LedgerReport, MetricsReport
from appliance.web.params import LATEST_NS

DAY_NS: Final = 86_400 * SECOND_NS
LEDGER_DAYS: Final = 7
MOST_LEDGERS: Final = 400  # hours of a week, and some days of a box that was off
MOST_FIGURES: Final = 200  # quarters of a day, and more
MOST_STREAMS: Final = 200
MOST_GAPS: Final = 20
# Wanted so by somebody, or the ring's own way: nothing was lost by it.
PLANNED: Final = frozenset(("disabled", "schedule", "expired"))

_T = TypeVar("_T")


class StreamRecorded(msgspec.Struct, frozen=True):
    """Seconds; ``missing_s`` by cause, planned ones too."""

    camera_id: str
    stream: str
    expected_s: float
    recorded_s: float
    missing_s: dict[str, float]
    gaps_total: int

    @property
    def lost_s(self) -> float:
        """Without what was planned. At least zero, at most all of it."""
        planned = sum(each for cause, each in self.missing_s.items() if cause in PLANNED)
        return min(max(0.0, self.expected_s - self.recorded_s - planned), self.expected_s)

    @property
    def kept_percent(self) -> float:
        """Of what should have been recorded."""
        planned = sum(each for cause, each in self.missing_s.items() if cause in PLANNED)
        wanted_s = max(self.expected_s - planned, self.recorded_s)
        return 100.0 if wanted_s <= 0 else 100.0 * self.recorded_s / wanted_s


class StreamGap(msgspec.Struct, frozen=True):
    """``end_time`` None: it lasted still when the last report was made."""

    camera_id: str
    stream: str
    start_time: str
    end_time: str | None
    cause: str


class Recorded(msgspec.Struct, frozen=True):
    """From the first report's start to the last one's end; RFC 3339, empty where nothing was told.
    ``gaps``: the newest unplanned ones."""

    start_time: str = ""
    end_time: str = ""
    streams: tuple[StreamRecorded, ...] = ()
    gaps: tuple[StreamGap, ...] = ()


def recorded(box_id: str, now_ns: int) -> Steps[Recorded]:
    """The last ``LEDGER_DAYS`` days."""
    bodies = yield from reports.bodies(box_id, "ledger", now_ns - LEDGER_DAYS * DAY_NS, MOST_LEDGERS)
    return summed(_readable(bodies, LedgerReport))


def figures(box_id: str, now_ns: int) -> Steps[list[MetricsReport]]:
    """Of the last day, newest first."""
    bodies = yield from reports.bodies(box_id, "metrics", now_ns - DAY_NS, MOST_FIGURES)
    return [
        report
        for report in _readable(bodies, MetricsReport)
        if _time_ns(report.time) is not None and all(map(_is_figure, _shown_figures(report)))
    ]


def summed(newest_first: Iterable[LedgerReport]) -> Recorded:
    told = [
        r for r in newest_first if _time_ns(r.start_time) is not None and _time_ns(r.end_time) is not None
    ]
    if not told:
        return Recorded()
    sums: dict[tuple[str, str], list[float]] = {}
    missing: dict[tuple[str, str], Counter[str]] = {}
    found: list[StreamGap] = []
    for report in reversed(told):
        for row in report.streams:
            if not all(map(_is_figure, (row.expected_s, row.recorded_s, *row.missing_s.values()))):
                continue
            key = (row.camera_id, row.stream)
            if key not in sums and len(sums) >= MOST_STREAMS:
                continue
            total = sums.setdefault(key, [0.0, 0.0, 0])
            total[0] += row.expected_s
            total[1] += min(row.recorded_s, row.expected_s)
            total[2] += max(0, row.gaps_total)
            missing.setdefault(key, Counter()).update(row.missing_s)
            for gap in row.gaps:
                _join(found, StreamGap(*key, gap.start_time, gap.end_time, gap.cause), report)
    streams = tuple(
        StreamRecorded(*key, total[0], total[1], dict(missing[key]), int(total[2]))
        for key, total in sorted(sums.items())
    )
    lost = sorted((gap for gap in found if gap.cause not in PLANNED), key=lambda gap: gap.start_time)
    return Recorded(
        min(report.start_time for report in told), max(report.end_time for report in told),
        streams, tuple(reversed(lost[-MOST_GAPS:])),
    )  # fmt: skip


def _join(found: list[StreamGap], gap: StreamGap, report: LedgerReport) -> None:
    """One that went on over the hour is one gap: its first part has no end, the next begins on the hour."""
    if gap.start_time == report.start_time:
        for at in range(len(found) - 1, -1, -1):
            before = found[at]
            if (before.camera_id, before.stream, before.cause, before.end_time) == (
                gap.camera_id, gap.stream, gap.cause, None,
            ):  # fmt: skip
                found[at] = msgspec.structs.replace(before, end_time=gap.end_time)
                return
    if _time_ns(gap.start_time) is not None and (gap.end_time is None or _time_ns(gap.end_time) is not None):
        found.append(gap)


def _readable(bodies: Iterable[str], kind: type[_T]) -> Iterator[_T]:
    for body in bodies:
        try:
            yield msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue


def _shown_figures(report: MetricsReport) -> tuple[float, ...]:
    return (
        report.uptime_s, report.cpu_percent, report.process_cpu_percent, report.memory_used_percent,
        *(each.fps for each in report.streams),
    )  # fmt: skip


def _is_figure(value: float) -> bool:
    return math.isfinite(value) and 0 <= value < 1e12


def _time_ns(text: str) -> int | None:
    try:
        found_ns = parse_rfc3339(text, "time")
    except ApplianceError:
        return None
    return found_ns if 0 <= found_ns < LATEST_NS else None
