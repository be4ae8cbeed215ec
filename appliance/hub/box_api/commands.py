"""GET /commands: what the box is ordered, as soon as there is something (long poll)."""

import asyncio

from aiohttp import web

from appliance.base.clock import SECOND_NS
from appliance.base.errors import invalid
from appliance.hub.box_api import body
from appliance.hub.box_api.door import Caller
from appliance.hub.store import commands
from appliance.sync.protocol.command import LONGEST_WAIT_S, Commands
from appliance.web.params import number_of


async def pull(caller: Caller) -> web.StreamResponse:
    """Asks the table at once, and again when the instance's look at it (``running.look``) has seen
    something for this box."""
    hub, box_id, after = caller.hub, caller.box.id, _after(caller)
    wait_s = number_of(caller.request, "wait", 0, LONGEST_WAIT_S) or 0.0
    end_ns = hub.clock.monotonic_ns() + round(wait_s * SECOND_NS)
    while True:
        now_ns = caller.now_ns
        found = await hub.store.read(lambda at=now_ns: commands.waiting(box_id, at, after))  # type: ignore[misc]  # mypy cannot type a lambda's default
        left_s = (end_ns - hub.clock.monotonic_ns()) / SECOND_NS
        if found or left_s <= 0 or hub.stopping.is_set():
            return body.answer(Commands(found))
        await _rung(caller, left_s, after)


def _after(caller: Caller) -> int:
    """The newest ``seq`` that the box has. It asks on as soon as it has taken an order, and before the
    answer is here."""
    text = caller.request.query.get("after", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        raise invalid("after is a number", "seq of the newest order that you have", field="after")
    return int(text)


async def _rung(caller: Caller, left_s: float, after: int) -> None:
    try:
        async with asyncio.timeout(left_s):
            while caller.hub.ordered.get(caller.box.id, 0) <= after and not caller.hub.stopping.is_set():
                await caller.hub.bell.wait()
    except TimeoutError:
        pass  # nothing was ordered: the answer is an empty list
