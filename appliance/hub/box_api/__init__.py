"""What boxes say, and are told: exactly ``appliance.sync.protocol``, one file per message.

Objective: everything a box sends is checked, held once and acknowledged, in that order.
Invariants: a request is one box's, by its token and, where it has a tunnel, by its address there; nothing
in a body, a path or a header names another box; a bad row is refused alone; no body costs more memory than
its limit, packed or unpacked, and all bodies of a box together no more than theirs.
Non-goals: what people see (``hub.people``).
Read next: ``door`` (who asks), ``body`` and ``holding``, ``batch``, ``uploads``, ``enrol``.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from appliance.hub.box_api import batch, commands, counts, directory, enrol, heartbeat, uploads
from appliance.hub.box_api.door import Caller, caller
from appliance.hub.box_api.holding import BUDGET, HELD, Budget
from appliance.hub.screens import box_side
from appliance.sync.protocol import PREFIX, screen

Handler = Callable[[Caller], Awaitable[web.StreamResponse]]

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/batch", batch.take),
    ("PUT", "/uploads/{id}", uploads.begin),
    ("GET", "/uploads/{id}", uploads.state),
    ("PUT", "/uploads/{id}/chunks/{offset}", uploads.chunk),
    ("POST", "/heartbeat", heartbeat.heard),
    ("PUT", "/directory", directory.take),
    ("GET", "/counts", counts.told),
    ("POST", "/missing", counts.missing),
    ("GET", "/commands", commands.pull),
    ("GET", screen.PATH + "/{session:[A-Za-z0-9_-]{43}}", box_side.come),
    ("GET", screen.PATH + "/{session:[A-Za-z0-9_-]{43}}/{number:[0-9]{1,15}}", box_side.fetch),
)


def mount(app: web.Application) -> None:
    app[BUDGET] = Budget()
    app.router.add_post(f"{PREFIX}/enrol", enrol.enrol)
    for method, path, handler in ROUTES:
        app.router.add_route(method, PREFIX + path, _guarded(handler))


def _guarded(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        asking = await caller(request)
        with request.app[BUDGET].request(asking.box.id) as held:
            request[HELD] = held
            return await handler(asking)

    return handle
