"""What a target gets, in which order and for how much: data, per target, edited by a person.

A lane is an urgency: 0 a critical alert and its event, 1 a warning and its event, and what a command
answered, 2 events and updates, 3 stills, 4 small clips, 5 clips, 6 ledger and metrics, 7 samples.
"""

import re
from typing import Annotated, Final, Literal, get_args

import msgspec

from appliance.base.errors import invalid
from appliance.base.model import SEVERITIES, ScheduleWindow, Severity

RowKind = Literal[
    "event", "event_update", "alert", "alert_update", "still", "small_clip", "clip",
    "ledger", "metrics", "command_result", "sample",
]  # fmt: skip
KINDS: Final[frozenset[str]] = frozenset(get_args(RowKind))
FILE_KINDS: Final[frozenset[str]] = frozenset(("still", "small_clip", "clip", "sample"))
TAKE_FILES: Final[frozenset[str]] = frozenset(("hub", "s3", "directory"))  # kinds of targets
CARRY_STILLS: Final[frozenset[str]] = frozenset(("mqtt", "redis", "kafka", "sqs", "pulsar", "zmq"))  # inside
JOURNALED: Final[frozenset[str]] = frozenset(("hub", "directory"))  # ... that may lose what they held
LANES: Final = 8
URGENT: Final = 1  # up to this lane nothing but the link itself makes a row wait
ROWS_FIRST: Final = 2  # up to this lane a row on its way makes files wait
LOWEST: Final = 6

LANE_OF: Final[dict[str, int]] = {
    "event": 2, "event_update": 2, "alert": 1, "alert_update": 2, "still": 3, "small_clip": 4, "clip": 5,
    "ledger": 6, "metrics": 6, "command_result": 1, "sample": 7,
}  # fmt: skip
ALARM_LANE: Final[dict[Severity, int]] = {"critical": 0, "warning": 1, "info": 2}
# Pictures for training go to nobody who did not ask for them.
OPT_IN: Final[frozenset[str]] = frozenset(("sample",))
LEAST: Final[dict[str, Severity]] = {"still": "warning", "small_clip": "warning", "clip": "warning"}

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")

Lane = Annotated[int, msgspec.Meta(ge=0, le=LANES - 1)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=1 << 50)]
Days = Annotated[float, msgspec.Meta(gt=0, le=3650)]


class KindPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one kind of rows. ``least_severity`` None: warning for files, info for the rest. ``lane`` None:
    as the kind and the severity say."""

    on: bool = True
    least_severity: Severity | None = None
    lane: Lane | None = None


class RateWindow(ScheduleWindow, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A time of day in the site's zone, and its rate; 0: nothing but the lanes up to ``URGENT``."""

    bytes_per_s: Bytes


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may go out; None: no limit. A day is the site's. ``bytes_per_s`` holds outside of all
    ``windows``, the first window that holds goes before it. ``metered``: only lanes up to
    ``metered_lane``. ``overhead_percent`` is what headers of the network cost beside what a target
    writes: 4 is TCP over Ethernet (52 of 1500 bytes), 9 the same through the tunnel (60 more)."""

    day_bytes: Bytes | None = None
    hour_bytes: Bytes | None = None
    bytes_per_s: Bytes | None = None
    windows: Annotated[tuple[RateWindow, ...], msgspec.Meta(max_length=50)] = ()
    metered: bool = False
    metered_lane: Lane = ROWS_FIRST
    overhead_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] = 4.0


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``quota_bytes``: of what waits, footage that is pinned for it included; over it the oldest of the
    lowest lane become tombstones (D5). ``body_days`` None: as long as events are kept. ``journal_*``:
    how long what was acknowledged can be owed again, where the target is one that can lose it."""

    kinds: dict[str, KindPolicy] = {}
    budget: Budget = Budget()
    quota_bytes: Bytes = 20_000_000_000
    body_days: Days | None = None
    journal_days: Days = 30.0
    journal_bytes: Bytes = 256_000_000

    def of(self, kind: str) -> KindPolicy:
        """What holds for a kind of which nothing was said, too."""
        return self.kinds.get(kind) or KindPolicy(on=kind not in OPT_IN)

    def lane_of(self, kind: str, severity: Severity = "info", *, alarms: bool = False) -> int | None:
        """Where a row of this kind goes; None: this target does not get it. ``alarms``: it is, or
        raises, an alert."""
        own = self.of(kind)
        least = own.least_severity or LEAST.get(kind, "info")
        if not own.on or SEVERITIES.index(severity) < SEVERITIES.index(least):
            return None
        if own.lane is not None:
            return own.lane
        return ALARM_LANE[severity] if alarms else LANE_OF.get(kind, LOWEST)


def check(policy: Policy) -> None:
    """Raises ``invalid`` with the field that makes no sense; numbers are bounded by their types."""
    for kind in policy.kinds:
        if kind not in KINDS:
            names = ", ".join(sorted(KINDS))
            raise invalid(f"{kind[:32]!r} is no kind of row", f"one of {names}", field="policy.kinds")
    budget = policy.budget
    if budget.day_bytes and budget.hour_bytes and budget.hour_bytes > budget.day_bytes:
        raise invalid("an hour may not have more than the day", "lower it", field="policy.budget.hour_bytes")
    for number, window in enumerate(budget.windows):
        field = f"policy.budget.windows[{number}]"
        if not window.days:
            raise invalid("a window needs a day", "name days as mon, tue, ... sun", field=f"{field}.days")
        for name, text in (("from", window.start), ("to", window.end)):
            if _CLOCK.fullmatch(text) is None or (name == "from" and text == "24:00"):
                raise invalid(
                    f"{text[:20]!r} is no time of day", "write it as HH:MM, 22:00", field=f"{field}.{name}"
                )
