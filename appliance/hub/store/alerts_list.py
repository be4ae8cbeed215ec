"""How many alerts wait for a person, and what became of the acknowledgements that were sent to boxes."""

from collections.abc import Sequence

import msgspec

from appliance.hub.store.steps import Steps, every, listed, one
from appliance.hub.store.users import SEEN

MOST_COUNTED = 1_000


class AckOrder(msgspec.Struct, frozen=True):
    """The command that carries an acknowledgement to the box. ``state``: a command's."""

    state: str
    message: str
    issued_ns: int
    expires_ns: int
    answered_ns: int | None


def count_new(user_id: str) -> Steps[int]:
    """New alerts that nobody here has acknowledged; counted as far as ``MOST_COUNTED``."""
    row = yield from one(
        "SELECT count(*) AS found FROM (SELECT 1 AS there FROM alerts a JOIN boxes b ON b.id = a.box_id"
        f" WHERE a.status = 'new' AND a.wish_ns IS NULL AND {SEEN} LIMIT {MOST_COUNTED}) AS waiting",
        user_id,
    )
    return 0 if row is None else int(row["found"])


def ack_orders(user_id: str, alerts: Sequence[tuple[str, str]]) -> Steps[dict[tuple[str, str], AckOrder]]:
    """(box, alert) -> the newest order about it, where there is one."""
    box_ids = sorted({box_id for box_id, _ in alerts})
    rows = yield from every(
        "SELECT c.box_id, c.payload, c.state, c.message, c.issued_ns, c.expires_ns, c.answered_ns"
        " FROM commands c JOIN boxes b ON b.id = c.box_id"
        f" WHERE {SEEN} AND c.box_id IN EACH($2) AND c.kind = 'acknowledge_alert'"
        f" ORDER BY c.issued_ns DESC LIMIT {MOST_COUNTED}",
        user_id, listed(box_ids),
    )  # fmt: skip
    wanted = set(alerts)
    found: dict[tuple[str, str], AckOrder] = {}
    for row in rows:
        about = (row["box_id"], msgspec.json.decode(row["payload"], type=_Payload).body.alert_id)
        if about in wanted and about not in found:
            found[about] = AckOrder(
                row["state"], row["message"], row["issued_ns"], row["expires_ns"], row["answered_ns"]
            )
    return found


def event_bodies(user_id: str, events: Sequence[tuple[str, str]]) -> Steps[dict[tuple[str, str], str]]:
    """(box, event) -> its body, JSON, of those that have arrived."""
    rows = yield from every(
        "SELECT r.box_id, r.id, r.body FROM rows r JOIN boxes b ON b.id = r.box_id"
        f" WHERE {SEEN} AND r.box_id IN EACH($2) AND r.id IN EACH($3) AND r.kind = 'event'",
        user_id, listed(sorted({box_id for box_id, _ in events})), listed([id_ for _, id_ in events]),
    )  # fmt: skip
    return {(row["box_id"], row["id"]): row["body"] for row in rows}


class _Body(msgspec.Struct):
    alert_id: str = ""


class _Payload(msgspec.Struct):
    body: _Body
