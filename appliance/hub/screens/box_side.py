"""GET /screens/SESSION and /screens/SESSION/NUMBER: WebSockets of the box whose screen is lent."""

import aiohttp
import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError
from appliance.hub.box_api.door import Caller
from appliance.hub.screens.lending import Lending, Screen
from appliance.sync.protocol.screen import LONGEST_MESSAGE_BYTES, Hello

HEARTBEAT_S = 20.0
LENDING: web.AppKey[Lending] = web.AppKey("lending", Lending)


def lend_screens(app: web.Application, lending: Lending) -> None:
    async def stop(_: web.Application) -> None:
        await lending.close_all()

    app[LENDING] = lending
    app.on_shutdown.append(stop)


async def come(caller: Caller) -> web.StreamResponse:
    """The box has a screen to lend, and stays until it is over."""
    screen = _screen(caller)
    if screen.wire is not None:
        raise ApplianceError("conflict", "this screen is lent already", "open another")
    wire = await _wire(caller)
    said = await wire.receive()
    if said.type is not aiohttp.WSMsgType.TEXT:
        return wire
    try:
        screen.fingerprint = msgspec.json.decode(said.data, type=Hello).fingerprint
    except msgspec.DecodeError:
        await wire.close()
        return wire
    screen.wire = wire
    screen.came.set()
    try:
        async for _ in wire:
            pass  # nothing more is said that way
    finally:
        await caller.request.app[LENDING].close(screen)
    return wire


async def fetch(caller: Caller) -> web.StreamResponse:
    """One connection of the browser."""
    screen, number = _screen(caller), int(caller.request.match_info["number"])
    if number not in screen.waiting:
        raise ApplianceError("not_found", "nobody waits for that", "nothing to do: it was too late")
    wire = await _wire(caller)
    await caller.request.app[LENDING].fetch(screen, number, wire)
    return wire


def _screen(caller: Caller) -> Screen:
    """Raises ``not_found``, also for one of another box."""
    screen = caller.request.app[LENDING].get(caller.request.match_info["session"])
    if screen is None or screen.box_id != caller.box.id:
        raise ApplianceError("not_found", "no such screen is lent here", "open it again at the hub")
    return screen


async def _wire(caller: Caller) -> web.WebSocketResponse:
    wire = web.WebSocketResponse(heartbeat=HEARTBEAT_S, compress=False, max_msg_size=LONGEST_MESSAGE_BYTES)
    await wire.prepare(caller.request)
    return wire
