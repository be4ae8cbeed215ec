"""What became of an order: to the hub through the outbox (D1), and into the box's own audit log."""

import sqlite3

import msgspec

from appliance.base.ids import uuid7
from appliance.store import audit, hub_link, outbox, targets
from appliance.store.commands import State
from appliance.sync.protocol.command import CommandResult


def owe(
    conn: sqlite3.Connection,
    command_id: str,
    state: State,
    message: str,
    result: dict[str, object],
    now_ns: int,
) -> None:
    """The answer, to the hub alone (D1)."""
    assert state != "taken"
    link = hub_link.get(conn)
    if link is None or targets.get(conn, link.target_id) is None:
        return
    said = msgspec.json.encode(CommandResult(command_id, state, message, result))
    outbox.enqueue(conn, [link.target_id], uuid7(now_ns), "command_result", said, now_ns)


def note(
    conn: sqlite3.Connection,
    command_id: str,
    kind: str,
    by: str,
    state: State,
    message: str,
    detail: dict[str, object],
    now_ns: int,
) -> None:
    """What was ordered, by whom, and what came of it."""
    told = {"kind": kind, "by": by, "state": state, "message": message} | detail
    audit.add(conn, now_ns, None, "commanded", f"command/{command_id}", told)
