"""Is the new slot good? Pure: what was seen, every few seconds, in; wait, good, or back with reasons out.

Good: for ``steady_s`` on end every camera that recorded before writes, the screen answers, the detector keeps
up and the database is migrated. Back: for as long on end the screen answers and not one of those cameras
writes, since each minute more is lost; or all is not well by ``deadline_s``. By then it is decided.
"""

from typing import Literal

import msgspec

STEADY_S = 300.0
DEADLINE_S = 1_200.0


class Rules(msgspec.Struct, frozen=True):
    """Seconds. ``steady_s`` < ``deadline_s``."""

    steady_s: float = STEADY_S
    deadline_s: float = DEADLINE_S


class Seen(msgspec.Struct, frozen=True):
    """At ``at_s`` since the judge began. ``writing``: cameras whose files grew since the last look."""

    at_s: float
    writing: frozenset[str]
    screen: bool
    detector: bool
    migrated: bool


class Watch(msgspec.Struct, frozen=True):
    """What of the past counts: since when all has been well, and since when nothing at all has been recorded
    although the screen answers; None: it is not so."""

    well_since_s: float | None = None
    idle_since_s: float | None = None


class Verdict(msgspec.Struct, frozen=True):
    decision: Literal["wait", "good", "back"]
    reasons: tuple[str, ...] = ()


def look(watch: Watch, seen: Seen, expected: frozenset[str], rules: Rules) -> tuple[Watch, Verdict]:
    """One step."""
    wrong = reasons(seen, expected)
    idle = seen.screen and bool(expected) and not expected & seen.writing
    now = Watch(
        None if wrong else _since(watch.well_since_s, seen.at_s),
        _since(watch.idle_since_s, seen.at_s) if idle else None,
    )
    if now.well_since_s is not None and seen.at_s - now.well_since_s >= rules.steady_s:
        return now, Verdict("good")
    if now.idle_since_s is not None and seen.at_s - now.idle_since_s >= rules.steady_s:
        return now, Verdict("back", wrong)
    if seen.at_s >= rules.deadline_s:
        if now.well_since_s is not None:
            wrong = (f"all was well for only {seen.at_s - now.well_since_s:.0f} s on end",)
        return now, Verdict("back", wrong)
    return now, Verdict("wait", wrong)


def _since(before_s: float | None, at_s: float) -> float:
    return at_s if before_s is None else before_s


def reasons(seen: Seen, expected: frozenset[str]) -> tuple[str, ...]:
    """What is not as it should be, for people; nothing: all is well."""
    found = []
    if not seen.screen:
        found.append("the screen does not answer")
    if not seen.migrated:
        found.append("the database was not brought to the new version")
    if silent := sorted(expected - seen.writing):
        found.append(f"not recorded: {', '.join(silent)}")
    if not seen.detector:
        found.append("the detector does not keep up")
    return tuple(found)
