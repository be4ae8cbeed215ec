"""A retention that was made shorter from afar deletes nothing for a day: who is at the box sees it, and can
put it back, while all is still there.

Until then the laxer of the two counts, field by field. A person who changes the retention at the box ends
the wait: what they save counts at once. The day is of the box clock.
"""

import sqlite3
from typing import Final

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.base.settings import RetentionSettings
from appliance.store import settings

WAITS_NS: Final = 86_400 * SECOND_NS
KEY: Final = "retention_held"


class Held(msgspec.Struct, frozen=True):
    """``retention``: what was in force before."""

    retention: RetentionSettings
    until_ns: int


def held(conn: sqlite3.Connection, now_ns: int) -> Held | None:
    """None: what is saved is in force."""
    found = settings.get_value(conn, KEY)
    if found is None:
        return None
    kept, wanted = msgspec.convert(found, Held), settings.load(conn).retention
    is_shorter = _laxer(wanted, kept.retention) != wanted
    return kept if is_shorter and now_ns < kept.until_ns else None


def in_force(conn: sqlite3.Connection, now_ns: int) -> RetentionSettings:
    """What may be deleted by now: of what is saved and what is held, field by field what keeps more."""
    wanted, kept = settings.load(conn).retention, held(conn, now_ns)
    return wanted if kept is None else _laxer(wanted, kept.retention)


def hold(conn: sqlite3.Connection, before: RetentionSettings, now_ns: int) -> int:
    """``before`` stays in force for a day; until when, in ns."""
    until_ns = now_ns + WAITS_NS
    settings.set_value(conn, KEY, Held(before, until_ns))
    return until_ns


def let_go(conn: sqlite3.Connection) -> None:
    settings.set_value(conn, KEY, None)


def _laxer(one: RetentionSettings, two: RetentionSettings) -> RetentionSettings:
    limits = (one.max_bytes, two.max_bytes)
    return RetentionSettings(
        days=max(one.days, two.days),
        max_bytes=None if None in limits else max(limit for limit in limits if limit is not None),
        reserve_percent=min(one.reserve_percent, two.reserve_percent),
        reserve_bytes=min(one.reserve_bytes, two.reserve_bytes),
        event_days=max(one.event_days, two.event_days),
    )
