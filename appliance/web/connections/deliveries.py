"""/deliveries: how far each target is and what holds it up, in the words that the screen shows.

Where it goes is with the target, for admins. What a peer said may name it, so it is for admins, too.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Literal

import msgspec
from aiohttp import web

from appliance.base.clock import SECOND_NS
from appliance.base.wire import time_or_none
from appliance.store import outbox, outbox_counts, targets
from appliance.store.outbox_counts import TargetFigures
from appliance.store.targets import Target
from appliance.web.box import Box
from appliance.web.connections.targets import figures_json
from appliance.web.ports import SenderState
from appliance.web.routes import API, Call, Route, answer

Word = Literal[
    "off", "starting", "broken", "refused", "unreachable", "failing", "waiting", "resting", "held",
    "delivering", "delivered",
]  # fmt: skip
SHORT_NS = 600 * SECOND_NS  # a pause that needs nobody, of a target that has worked
URGENT = ("alert", "alert_update", "event")
URGENT_LATE_NS = 3_600 * SECOND_NS  # then an admin is told, calmly
PARKED_LOOKED_AT, MOST_REASONS = 1_000, 5  # a few reasons stand behind a million rows
LATE_NS = 86_400 * SECOND_NS  # of the rest: a nightly window or a slow link is no news


class Figures(msgspec.Struct, forbid_unknown_fields=True):
    """owed = acknowledged + tombstoned + waiting + in_flight + parked. ``oldest``: of the undelivered."""

    owed: int
    acknowledged: int
    tombstoned: int
    waiting: int
    in_flight: int
    parked: int
    oldest: str | None


class KindFigures(Figures, forbid_unknown_fields=True):
    kind: str


class DeliveryState(msgspec.Struct, forbid_unknown_fields=True):
    """``waiting``: it failed and is tried again at ``until``; ``resting``: it failed so often that its
    breaker is open until then. Where it never worked, or has not for ten minutes, it is ``unreachable``, or
    ``failing`` if it does answer; ``refused``: it said no. ``since``: when that began. ``held``: its
    budget lets nothing go that waits. ``broken``: a person has to mend it first. ``error``, of files
    ``file_error``: what is wrong and the next step; null also for those who may not know where it goes.
    ``day_bytes``, ``hour_bytes``: what the site's day and hour have cost so far."""

    word: Word
    since: str | None
    until: str | None
    delivered_at: str | None
    error: str | None
    file_error: str | None
    day_bytes: int
    hour_bytes: int


class ParkedReason(msgspec.Struct, forbid_unknown_fields=True):
    """``count``: among the rows that were looked at."""

    reason: str
    count: int


class Delivery(Figures, forbid_unknown_fields=True):
    """``is_late``: worth an admin's look."""

    id: str
    kind: str
    enabled: bool
    state: DeliveryState
    is_late: bool
    kinds: list[KindFigures]
    parked_reasons: list[ParkedReason]


class DeliveriesAnswer(msgspec.Struct, forbid_unknown_fields=True):
    deliveries: list[Delivery]


class Known(msgspec.Struct, frozen=True):
    """Of one target, read in one look. ``lane``: the most urgent that something waits in."""

    target: Target
    figures: TargetFigures
    kinds: dict[str, TargetFigures]
    lane: int | None = None
    reasons: tuple[tuple[str, int], ...] = ()


def look(conn: sqlite3.Connection) -> list[Known]:
    return [_known(conn, target) for target in targets.list_targets(conn)]


def _known(conn: sqlite3.Connection, target: Target) -> Known:
    lanes = outbox_counts.lanes(conn, target.id)
    kinds: dict[str, TargetFigures] = {}
    for row in lanes:
        kinds[row.kind] = kinds.get(row.kind, TargetFigures()) + row.figures
    lane = min((row.lane for row in lanes if row.figures.waiting or row.figures.in_flight), default=None)
    reasons = Counter(why for _, _, why in outbox.refused(conn, target.id, PARKED_LOOKED_AT))
    figures = sum(kinds.values(), TargetFigures())
    return Known(target, figures, kinds, lane, tuple(reasons.most_common(MOST_REASONS)))


def word_of(known: Known, state: SenderState | None, now_ns: int) -> Word:
    """``state`` None: nothing sends to it (yet)."""
    if not known.target.enabled:
        return "off"
    if state is None:
        return "starting"
    if state.error is not None:
        if state.next_attempt_ns is None:
            return "broken"
        return _word_of_failure(known, state, now_ns)
    if known.lane is None:
        return "delivered"
    return "held" if known.lane > state.most_lane else "delivering"


def _word_of_failure(known: Known, state: SenderState, now_ns: int) -> Word:
    if state.refused:
        return "refused"
    worked = state.delivered_ns is not None or known.figures.acknowledged + known.figures.tombstoned > 0
    is_short = state.failing_ns is None or now_ns - state.failing_ns <= SHORT_NS
    if worked and is_short:
        return "resting" if state.breaker == "open" else "waiting"
    return "failing" if state.answered else "unreachable"


def is_late(target: Target, kinds: Mapping[str, TargetFigures], now_ns: int) -> bool:
    """Something was refused, or has waited for longer than a poor link explains."""
    if not target.enabled:
        return False
    for kind, figures in kinds.items():
        most_ns = URGENT_LATE_NS if kind in URGENT else LATE_NS
        if figures.parked or (figures.oldest_ns is not None and now_ns - figures.oldest_ns > most_ns):
            return True
    return False


def late(conn: sqlite3.Connection, now_ns: int) -> tuple[str, ...]:
    """The targets that an admin is told of, calmly, on every page."""
    return tuple(
        target.id
        for target in targets.enabled(conn)
        if is_late(target, outbox_counts.by_kind(conn, target.id), now_ns)
    )


def delivery_of(known: Known, state: SenderState | None, now_ns: int, *, may_know: bool) -> Delivery:
    target = known.target
    return Delivery(
        **figures_json(known.figures),
        id=target.id,
        kind=target.kind,
        enabled=target.enabled,
        state=DeliveryState(
            word=word_of(known, state, now_ns),
            since=time_or_none(state.failing_ns) if state else None,
            until=time_or_none(state.next_attempt_ns) if state else None,
            delivered_at=time_or_none(state.delivered_ns) if state else None,
            error=state.error if state and may_know else None,
            file_error=state.upload_error if state and may_know else None,
            day_bytes=state.day_bytes if state else 0,
            hour_bytes=state.hour_bytes if state else 0,
        ),
        is_late=is_late(target, known.kinds, now_ns),
        kinds=[KindFigures(kind=kind, **figures_json(figures)) for kind, figures in known.kinds.items()],
        parked_reasons=[ParkedReason(why, count) for why, count in known.reasons] if may_know else [],
    )


def states_of(box: Box) -> Mapping[str, SenderState]:
    return {} if box.senders is None else box.senders.states()


async def show(call: Call) -> web.StreamResponse:
    found, states, now_ns = await call.box.db.read(look), states_of(call.box), call.now_ns
    may_know = call.user.role == "admin"
    rows = [delivery_of(k, states.get(k.target.id), now_ns, may_know=may_know) for k in found]
    return answer({"deliveries": rows})


ROUTES = (Route("GET", f"{API}/deliveries", "installer", show, "How far each target is", DeliveriesAnswer),)
