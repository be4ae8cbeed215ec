"""``acknowledge_alert``: somebody at the hub has seen it."""

import sqlite3

import msgspec

from appliance.alerts.desk import acknowledge_in
from appliance.base.model import User
from appliance.sync.control.applier import Outcome, Work, body_of
from appliance.sync.control.order import Order

LONGEST_NAME = 60


class _Body(msgspec.Struct):
    alert_id: str
    by: str
    note: str | None = None


class AcknowledgeAlert:
    """An alert that somebody acknowledged before is ``done`` too: both wanted the same."""

    async def prepare(self, order: Order) -> Work:
        body = body_of(order.command, _Body)
        name = "".join(letter for letter in body.by if letter.isprintable())[:LONGEST_NAME]
        # Of the hub's people the box knows only what the hub calls them; the hub has checked their role.
        person = User(id=f"hub:{name}", username=f"{name} (hub)", role="operator")

        def work(conn: sqlite3.Connection, now_ns: int) -> Outcome:
            found = acknowledge_in(conn, body.alert_id, person, body.note, now_ns)
            detail: dict[str, object] = {"alert": body.alert_id, "for": name}
            if found.before.status != "new":
                return Outcome(message=f"it was {found.before.status} already", detail=detail)
            return Outcome(detail=detail, newest=found.newest)

        return work
