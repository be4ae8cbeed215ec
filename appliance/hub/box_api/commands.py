"""GET /commands: what the box is ordered, as soon as there is something (long poll)."""

import asyncio

from aiohttp import web

from appliance.base.clock import SECOND_NS
from appliance.hub.box_api import body
from appliance.hub.box_api.door import Caller
from appliance.hub.store import commands
from appliance.sync.protocol.command import LONGEST_WAIT_S, Commands
from appliance.web.params import number_of


async def pull(caller: Caller) -> web.StreamResponse:
    """Asks the table at once, and again when the instance's look at it (``running.look``) has seen
    something for this box."""
    hub, box_id = caller.hub, caller.box.id
    wait_s = number_of(caller.request, "wait", 0, LONGEST_WAIT_S) or 0.0
    end_ns = hub.clock.monotonic_ns() + round(wait_s * SECOND_NS)
    while True:
        now_ns = caller.now_ns
        found = await hub.store.read(lambda at=now_ns: commands.waiting(box_id, at))  # type: ignore[misc]  # mypy cannot type a lambda's default
        left_s = (end_ns - hub.clock.monotonic_ns()) / SECOND_NS
        if found or left_s <= 0 or hub.stopping.is_set():
            return body.answer(Commands(found))
        await _rung(caller, left_s)


async def _rung(caller: Caller, left_s: float) -> None:
    try:
        async with asyncio.timeout(left_s):
            while caller.box.id not in caller.hub.ordered and not caller.hub.stopping.is_set():
                await caller.hub.bell.wait()
    except TimeoutError:
        pass  # nothing was ordered: the answer is an empty list
