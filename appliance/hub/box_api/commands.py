"""GET /commands: what the box is ordered, as soon as there is something (long poll)."""

import asyncio

from aiohttp import web

from appliance.base.errors import invalid
from appliance.hub.box_api import body
from appliance.hub.box_api.door import Caller
from appliance.hub.store import commands
from appliance.sync.protocol.command import LONGEST_WAIT_S, Commands, Signed
from appliance.web.params import number_of


async def pull(caller: Caller) -> web.StreamResponse:
    """Asks the table at once, and again when the instance's look at it (``running.look``) has seen
    something for this box."""
    after = _after(caller)
    wait_s = number_of(caller.request, "wait", 0, LONGEST_WAIT_S) or 0.0
    found = await _waiting(caller, after)
    if not found and wait_s > 0 and await _rung(caller, wait_s, after):
        found = await _waiting(caller, after)
    return body.answer(Commands(found))


def _after(caller: Caller) -> int:
    """The newest ``seq`` that the box has. It asks on as soon as it has taken an order, and before the
    answer is here."""
    text = caller.request.query.get("after", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        raise invalid("after is a number", "seq of the newest order that you have", field="after")
    return int(text)


async def _waiting(caller: Caller, after: int) -> list[Signed]:
    now_ns, box_id = caller.now_ns, caller.box.id
    return await caller.hub.store.read(lambda: commands.waiting(box_id, now_ns, after))


async def _rung(caller: Caller, wait_s: float, after: int) -> bool:
    """Something was ordered. Not by the clock of the hub: who waits is on the network."""
    try:
        async with asyncio.timeout(wait_s):
            while caller.hub.ordered.get(caller.box.id, 0) <= after and not caller.hub.stopping.is_set():
                await caller.hub.bell.wait()
    except TimeoutError:
        return False
    return True
