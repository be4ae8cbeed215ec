"""The application put together: the table of all routes, and what surrounds each of them."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import hdrs, web

from appliance.system.figures import Gauges
from appliance.web import (
    alerts,
    care,
    channels,
    events,
    headers,
    health,
    model_install,
    models,
    openapi,
    rules,
    scrape,
    settings,
    update,
)
from appliance.web.box import BOX, Box
from appliance.web.cameras import cameras, devices, files, recordings, zones
from appliance.web.connections import deliveries, hub_link, parked, target_actions, targets, tunnel
from appliance.web.errors import answer_errors
from appliance.web.live import ws_events, ws_live
from appliance.web.live.feed import Feed
from appliance.web.live.sockets import SOCKETS, Sockets
from appliance.web.pages import routes as pages
from appliance.web.params import LARGEST_BODY_BYTES
from appliance.web.people import audit, identity, signin, users
from appliance.web.people.throttle import Throttle
from appliance.web.routes import Route, mount

ROUTES: tuple[Route, ...] = (
    *signin.ROUTES,
    *users.ROUTES,
    *settings.ROUTES,
    *cameras.ROUTES,
    *devices.ROUTES,
    *recordings.ROUTES,
    *events.ROUTES,
    *alerts.ROUTES,
    *zones.ROUTES,
    *rules.ROUTES,
    *channels.ROUTES,
    *targets.ROUTES,
    *hub_link.ROUTES,
    *identity.ROUTES,
    *target_actions.ROUTES,
    *parked.ROUTES,
    *deliveries.ROUTES,
    *tunnel.ROUTES,
    *models.ROUTES,
    *model_install.ROUTES,
    *audit.ROUTES,
    *health.ROUTES,
    *care.ROUTES,
    *scrape.ROUTES,
    *ws_events.ROUTES,
    *ws_live.ROUTES,
    *update.ROUTES,
    *openapi.ROUTES,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(box: Box) -> web.Application:
    """Outermost first: the time is taken around the errors, so that refusals count too."""
    app = web.Application(middlewares=(_timed, answer_errors), client_max_size=LARGEST_BODY_BYTES)
    app[BOX] = box
    app[signin.THROTTLE] = Throttle(box.clock)
    app[ws_events.FEED] = Feed(box.db, box.clock, box.metrics)
    app[scrape.GAUGES] = Gauges()
    app[SOCKETS] = Sockets()
    app[files.STEADY] = OrderedDict()
    app[openapi.DOCUMENT] = msgspec.json.encode(openapi.document(ROUTES, box.version))
    for route in ROUTES:
        mount(app, route)
    pages.add_pages(app, box)
    app.on_response_prepare.append(headers.secure)
    app.on_startup.append(_start)
    app.on_shutdown.append(_stop_sockets)
    app.on_cleanup.append(_stop)
    return app


@web.middleware
async def _timed(request: web.Request, handler: Handler) -> web.StreamResponse:
    # A duration of this very process: no box clock, which may be slewed or simulated.
    began = time.perf_counter()
    status = 499  # the client left before there was an answer
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        if not route.startswith("/ws/"):  # they last as long as people watch
            seconds = time.perf_counter() - began
            method = request.method if request.method in hdrs.METH_ALL else "other"
            request.app[BOX].metrics.answered(method, route, status, seconds)


async def _start(app: web.Application) -> None:
    box = app[BOX]
    await app[ws_events.FEED].start(box.bell)


async def _stop_sockets(app: web.Application) -> None:
    app[SOCKETS].stopping.set()


async def _stop(app: web.Application) -> None:
    await app[ws_events.FEED].close()
