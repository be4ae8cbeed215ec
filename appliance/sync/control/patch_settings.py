"""``patch_settings``: a change of settings from afar: versioned, previewed, and on trial first."""

import sqlite3
from typing import Annotated, Any

import msgspec

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError, invalid
from appliance.store import commands, hub_link, retention_held
from appliance.store.commands import Trial
from appliance.store.database import rehearsal
from appliance.sync.control import document
from appliance.sync.control.applier import Outcome, Work, body_of
from appliance.sync.control.document import Change
from appliance.sync.control.order import Order
from appliance.sync.control.permissions import must_be_permitted, shortens


class _Body(msgspec.Struct):
    """``based_on``: the version that the patch was made for; an order without it is a preview's."""

    patch: dict[str, Any]
    based_on: int | None = None
    preview: bool = False
    confirm_s: Annotated[float, msgspec.Meta(ge=30, le=3_600)] = 300.0


class PatchSettings:
    """Answers with what would be, or is, changed. A change is ``pending``: the old values and a deadline are
    stored with it, and ``Trials`` does the rest."""

    async def prepare(self, order: Order) -> Work:
        body = body_of(order.command, _Body)
        if body.based_on is None and not body.preview:
            raise invalid("the patch does not say what it is based on", "preview it first", field="based_on")

        def work(conn: sqlite3.Connection, now_ns: int) -> Outcome:
            return _patch(conn, order, body, now_ns)

        return work


def _patch(conn: sqlite3.Connection, order: Order, body: _Body, now_ns: int) -> Outcome:
    before = document.read(conn)
    version = document.version(before)
    result: dict[str, object]
    if body.based_on not in (None, version):
        raise ApplianceError("conflict", "the settings were changed since", "preview the patch again")
    if commands.trial(conn) is not None:
        raise ApplianceError(
            "conflict", "another change is still on trial", "wait until it is confirmed or undone"
        )
    after = document.merged(before, body.patch)
    if body.preview:
        with rehearsal(conn):  # whatever would refuse the change refuses its preview
            document.write(conn, after)
            changes = document.differences(before, document.read(conn))
        _must_be_permitted(conn, order, changes)
        result = {"settings": before, "settings_version": version, "changes": [told(c) for c in changes]}
        return Outcome(message=f"{len(changes)} would change", result=result)
    kept = retention_held.in_force(conn, now_ns)
    changed = document.write(conn, after)
    now = document.read(conn)
    changes = document.differences(before, now)
    _must_be_permitted(conn, order, changes)
    result = {"settings_version": document.version(now), "changes": [told(c) for c in changes]}
    if not changes:
        return Outcome(message="nothing changes", result=result)
    if any(change.path[0] == "retention" and shortens(change) for change in changes):
        until_ns = retention_held.hold(conn, kept, now_ns)
        result["deletes_from"] = rfc3339(until_ns)  # an order may be a thief's; footage does not come back
    deadline_ns = now_ns + round(body.confirm_s * SECOND_NS)
    stored = msgspec.json.encode(changes).decode()
    commands.begin_trial(conn, Trial(order.command.id, stored, now_ns, deadline_ns))
    return Outcome(
        "pending",
        f"{len(changes)} changed, undone at {rfc3339(deadline_ns)} unless the hub is heard before",
        result | {"undone_at": rfc3339(deadline_ns)},
        {name: result[name] for name in ("changes", "deletes_from") if name in result},
        changed,
    )


def _must_be_permitted(conn: sqlite3.Connection, order: Order, changes: list[Change]) -> None:
    must_be_permitted(changes, order.link.target_id, hub_link.allowed(conn))


def told(change: Change) -> dict[str, object]:
    return {"field": ".".join(change.path), "before": change.before, "after": change.after}
