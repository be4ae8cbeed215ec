"""An order: numbered, signed and stored in the transaction that causes it. The box asks for it."""

from typing import Any

import msgspec

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError, invalid
from appliance.base.ids import uuid7
from appliance.hub.hub import Hub
from appliance.hub.store import boxes, commands
from appliance.hub.store.commands import OutgoingCommand
from appliance.hub.store.steps import Steps
from appliance.hub.store.users import ROLES, Role
from appliance.sync.protocol.command import LONGEST_LIFE_S, MOST_WAITING, Command, Kind
from appliance.web.errors import denied

ROLE: dict[Kind, Role] = {
    "ping": "operator",
    "fetch_clip": "operator",
    "acknowledge_alert": "operator",
    "patch_settings": "admin",
    "install_model": "admin",
    "update": "admin",
    "open_screen": "admin",
    "rotate_tunnel": "admin",
}
HOUR_S, DAY_S = 3_600.0, 86_400.0
LIFE_S: dict[Kind, float] = {  # of a box that is away: a clip is still wanted on Monday, a screen is not
    "ping": HOUR_S,
    "fetch_clip": 7 * DAY_S,
    "acknowledge_alert": 7 * DAY_S,
    "patch_settings": DAY_S,
    "install_model": 7 * DAY_S,
    "update": 7 * DAY_S,
    "open_screen": HOUR_S / 4,
    "rotate_tunnel": DAY_S,
}
SHORTEST_LIFE_S = 60.0
LONGEST_QUEUE = 10 * MOST_WAITING
LONGEST_BY = 100


def must_be_allowed(role: Role, kind: Kind) -> None:
    """Raises ``denied``."""
    if ROLES.index(role) < ROLES.index(ROLE[kind]):
        raise denied(f"to order {kind} needs the role {ROLE[kind]}; yours is {role}", "ask an admin")


def order(
    hub: Hub, box_id: str, kind: Kind, body: dict[str, Any], by: str, *, life_s: float | None = None
) -> Steps[OutgoingCommand]:
    """For a box that the caller has found, by a person whom the caller has checked. Raises ``conflict``
    where the box was revoked, ``exhausted`` where too many orders wait for it already, ``invalid``."""
    known = yield from boxes.identity(box_id)
    if known is None or known.token_hash is None:
        raise ApplianceError("conflict", "this box is revoked: it will not ask", "enrol it again first")
    life_s = LIFE_S[kind] if life_s is None else life_s
    if not SHORTEST_LIFE_S <= life_s <= LONGEST_LIFE_S:
        raise invalid("an order lives a minute to 7 days", "ask again when it has expired", field="life_s")
    now_ns = hub.clock.now_ns()
    if (yield from commands.count_waiting(box_id, now_ns)) >= LONGEST_QUEUE:
        raise ApplianceError(
            "exhausted", "too many orders wait for this box", "wait until it was heard again"
        )
    seq = yield from commands.next_seq(box_id, now_ns // SECOND_NS)
    expires_ns = now_ns + round(life_s * SECOND_NS)
    command = Command(
        uuid7(now_ns), box_id, seq, kind, rfc3339(now_ns), rfc3339(expires_ns), by[:LONGEST_BY],
        msgspec.Raw(msgspec.json.encode(body)),
    )  # fmt: skip
    signed = hub.command_key.sign(command)
    made = OutgoingCommand(
        command.id, box_id, seq, kind, signed.payload, signed.signature, signed.key_id, now_ns, expires_ns, by
    )
    yield from commands.add(made)
    return made
