"""Is this an order for us? Signature, box, times, life, replay, allowance, in this order.

The outcome is an ``Order`` or a ``NotObeyed``. An order that is authentic (the hub signed it for this box)
and is refused all the same gets an answer; what is forged, foreign or known already gets none: whoever sent
it learns nothing, and an answer to it would be a change.
"""

import sqlite3
from typing import Literal, get_args

import msgspec

from appliance.base.clock import SECOND_NS, Clock, parse_rfc3339, rfc3339
from appliance.base.errors import ApplianceError
from appliance.store import commands, hub_link
from appliance.store.hub_link import HubLink
from appliance.sync.protocol import signing
from appliance.sync.protocol.batch import RowId
from appliance.sync.protocol.command import LONGEST_LIFE_S, Command, Kind, Signed

AHEAD_NS = 300 * SECOND_NS  # a hub's clock may be before ours by so much
SEQ_WINDOW = 64  # orders of several people at once may overtake each other, but not by more
LONGEST_BY = 100
DAY_NS = 86_400 * SECOND_NS
SEQ_AHEAD_S = 86_400  # hubs count in seconds of the clock, and on from there: one number bars no later ones
MOST_A_DAY = 2_000  # people order some; a hub in the wrong hands must not fill this box's disk with answers
KINDS: tuple[str, ...] = get_args(Kind)

Reason = Literal[
    "malformed", "forged", "foreign", "replayed", "overtaken", "too_long_lived", "not_yet_valid", "expired",
    "clock_unsure", "out_of_turn", "unknown_kind", "not_allowed", "no_hub", "too_many",
]  # fmt: skip


class Order(msgspec.Struct, frozen=True):
    """An order that passed. ``link`` as it was then."""

    command: Command
    key_id: str
    expires_ns: int
    link: HubLink


class NotObeyed(Exception):
    """``order`` None: not authentic, or answered before."""

    def __init__(
        self, reason: Reason, message: str, command_id: str = "", order: Order | None = None
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.command_id, self.order = reason, message, command_id, order


class _Id(msgspec.Struct):
    id: RowId


def read(raw: msgspec.Raw) -> Signed:
    """One of a hub's answer; raises ``NotObeyed``. Each is read for itself: one that is broken does not
    keep the others from us."""
    try:
        return msgspec.json.decode(raw, type=Signed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotObeyed("malformed", "it is no signed order") from None


def judge(conn: sqlite3.Connection, signed: Signed, clock: Clock) -> Order:
    """Raises ``NotObeyed``. Reads only."""
    link = hub_link.get(conn)
    if link is None:
        raise NotObeyed("no_hub", "this box belongs to no hub")
    try:
        command = signing.verify_command(signed, {signing.key_id(link.command_key): link.command_key})
        msgspec.convert({"id": command.id}, _Id)
    except ApplianceError as error:
        raise NotObeyed("forged" if error.kind == "denied" else "malformed", error.message) from None
    except msgspec.ValidationError:
        raise NotObeyed("malformed", "its id is none") from None
    if command.box_id != link.box_id:
        raise NotObeyed("foreign", "it is signed by this box's hub, for another box", command.id)
    known = commands.get(conn, command.id)
    if known is not None:
        raise NotObeyed("replayed", f"it came before, and is {known.state}", command.id)
    order = _timed(command, signed.key_id, link, clock)
    newest = commands.newest_seq(conn, signed.key_id, link.enrolled_ns)
    if command.seq <= newest - SEQ_WINDOW:
        raise NotObeyed(
            "overtaken", f"its number {command.seq} is long past, {newest} was the last", command.id, order
        )
    if commands.received_since(conn, clock.now_ns() - DAY_NS) >= MOST_A_DAY:
        raise NotObeyed("too_many", f"that would be more than {MOST_A_DAY} orders in a day", command.id)
    must_be_allowed(conn, order)
    return order


def must_be_allowed(conn: sqlite3.Connection, order: Order) -> None:
    """Also asked again in the transaction that applies it: an admin may just have said no."""
    kind, id_ = order.command.kind, order.command.id
    if kind not in KINDS:
        raise NotObeyed(
            "unknown_kind", f"this box does not know orders of the kind {kind[:40]!r}", id_, order
        )
    if kind not in hub_link.allowed(conn):
        raise NotObeyed("not_allowed", f"this box's admin has not allowed {kind!r}", id_, order)
    if hub_link.get(conn) != order.link:
        raise NotObeyed("no_hub", "the box has left that hub", id_)


def _timed(command: Command, key_id: str, link: HubLink, clock: Clock) -> Order:
    """Raises ``NotObeyed`` where this is not the time for it."""
    try:
        issued_ns = parse_rfc3339(command.issued_at)
        expires_ns = parse_rfc3339(command.expires_at)
    except (ApplianceError, OverflowError):
        raise NotObeyed("malformed", "it does not say when it expires", command.id) from None
    if not 0 <= expires_ns < 1 << 62 or not 0 <= command.seq < 1 << 53 or len(command.by) > LONGEST_BY:
        raise NotObeyed("malformed", "its numbers are out of range", command.id)
    order = Order(command, key_id, expires_ns, link)
    now_ns = clock.now_ns()
    if not 0 < expires_ns - issued_ns <= LONGEST_LIFE_S * SECOND_NS:
        raise NotObeyed(
            "too_long_lived", "it is valid for longer than 7 days, or for no time", command.id, order
        )
    if clock.unsure:
        raise NotObeyed(
            "clock_unsure",
            "the box's clock is not set yet: it cannot tell old orders from new",
            command.id,
            order,
        )
    if issued_ns > now_ns + AHEAD_NS:
        raise NotObeyed(
            "not_yet_valid", f"it is of {command.issued_at}, here it is {rfc3339(now_ns)}", command.id, order
        )
    if now_ns >= expires_ns:
        raise NotObeyed(
            "expired", f"it expired {command.expires_at}, here it is {rfc3339(now_ns)}", command.id, order
        )
    if command.seq > now_ns // SECOND_NS + SEQ_AHEAD_S:
        uncounted = msgspec.structs.replace(order, command=msgspec.structs.replace(command, seq=0))
        raise NotObeyed(
            "out_of_turn",
            f"its number {command.seq} is more than a day ahead of the clock, here it is {rfc3339(now_ns)}",
            command.id,
            uncounted,
        )
    return order
