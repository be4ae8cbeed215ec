"""What a box tells of itself beside what it saw: rows of the kinds ``ledger`` and ``metrics``.

Times are RFC 3339, UTC, by the box's clock. Both sides ignore fields that they do not know.
"""

import msgspec

MOST_GAPS = 1_000  # named in one report: some 100 kB; the sums hold all of them


class LedgerGap(msgspec.Struct, frozen=True, omit_defaults=True):
    """Inside of the report's time; ``end_time`` None: it lasts still. ``cause``: as in R4."""

    start_time: str
    cause: str
    end_time: str | None = None


class StreamLedger(msgspec.Struct, frozen=True, omit_defaults=True):
    """``expected_s``: how long this stream was known in the report's time; ``recorded_s``: of that, with
    footage. ``missing_s``: the rest by cause, a moment with two causes counted for both (after a clock step
    a time is lived twice). ``gaps``: the longest of ``gaps_total``, by start."""

    camera_id: str
    stream: str
    expected_s: float
    recorded_s: float
    missing_s: dict[str, float] = {}
    gaps_total: int = 0
    gaps: tuple[LedgerGap, ...] = ()


class LedgerReport(msgspec.Struct, frozen=True):
    """What was recorded in [``start_time``, ``end_time``), and what was not, and why. Reports of a box
    follow each other without hole or overlap, also over the time when it was off."""

    start_time: str
    end_time: str
    streams: tuple[StreamLedger, ...]


class StreamMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    camera_id: str
    stream: str
    state: str
    fps: float = 0.0
    bitrate_bps: int = 0
    reconnects: int = 0


class AnalysisMetrics(msgspec.Struct, frozen=True):
    camera_id: str
    fps: float
    wanted_fps: float


class DiskMetrics(msgspec.Struct, frozen=True):
    volume: str
    free_bytes: int


class MetricsReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """At ``time``. ``cpu_percent``: of all cores, since the report before; ``process_cpu_percent``: the
    daemon's, of one core. ``waiting``: rows in the outbox, of all targets."""

    time: str
    uptime_s: float
    cpu_percent: float = 0.0
    process_cpu_percent: float = 0.0
    process_rss_bytes: int = 0
    memory_used_percent: float = 0.0
    alerts_active: int = 0
    waiting: int = 0
    disks: tuple[DiskMetrics, ...] = ()
    streams: tuple[StreamMetrics, ...] = ()
    analysis: tuple[AnalysisMetrics, ...] = ()
