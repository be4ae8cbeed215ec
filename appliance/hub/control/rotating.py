"""New keys of a box's tunnel, in two orders: the box announces one (``{}``), the hub knows it and says so
(``{"use": KEY}``), the box changes over, and the old one goes once the new one has shaken hands.

What follows from an answer is done in the transaction that takes the answer in: a hub that dies in between
has either both or neither.
"""

import logging
from collections.abc import Iterable
from typing import Final

from appliance.base.errors import ApplianceError
from appliance.hub import tunnel_keys
from appliance.hub.control import ordering
from appliance.hub.hub import Hub
from appliance.hub.store import audit, boxes, commands
from appliance.hub.store.rows import NewRow
from appliance.hub.store.steps import Steps, lock
from appliance.sync.protocol.command import CommandResult

log = logging.getLogger(__name__)

KIND: Final = "rotate_tunnel"


def follow(hub: Hub, box_id: str, rows: Iterable[NewRow]) -> Steps[None]:
    """After ``rows.take``, in its transaction. Answers that were given before change nothing again."""
    for row in rows:
        if row.result is not None and row.result.state == "done":
            yield from _follow(hub, box_id, row.result)


def _follow(hub: Hub, box_id: str, result: CommandResult) -> Steps[None]:
    command = yield from commands.get(box_id, result.command_id)
    if command is None or command.kind != KIND:
        return
    used = commands.body_of(command).get("use")
    if isinstance(used, str):
        yield from boxes.uses_next(box_id, used)
        return
    key = result.result.get("tunnel_key")
    if not isinstance(key, str) or not tunnel_keys.fits(key, hub.settings):
        return
    yield from lock("tunnel numbers")  # of two boxes that bring one key at once
    now_ns = hub.clock.now_ns()
    if not (yield from boxes.announce(box_id, key)) or (yield from commands.waits(box_id, KIND, now_ns)):
        return
    try:
        yield from ordering.order(hub, box_id, KIND, {"use": key}, command.issued_by)
    except ApplianceError as error:  # its queue is full: the rows are taken all the same; order it again
        log.warning("box %s has a new tunnel key and was not told to use it: %s", box_id, error)
        return
    yield from audit.add(now_ns, None, None, "changed", f"box/{box_id}", {"tunnel_key": "announced"})
