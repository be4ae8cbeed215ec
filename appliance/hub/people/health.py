"""/health/* for balancers, /metrics for Prometheus."""

import asyncio

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from appliance.base.errors import ApplianceError
from appliance.hub.figures import FIGURES
from appliance.hub.people import door
from appliance.hub.people.routes import Call, Route, answer
from appliance.hub.store import users
from appliance.web.errors import not_signed_in
from appliance.web.people.auth import from_loopback

PATIENCE_S = 5.0


async def live(call: Call) -> web.StreamResponse:
    """The loop turns, or nobody would answer."""
    return answer({"status": "ok", "checks": []})


async def ready(call: Call) -> web.StreamResponse:
    """The database answers. (The store of files is not written to at every look of a balancer.)"""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await call.hub.store.read(users.admin_count)
    except (ApplianceError, TimeoutError) as error:
        detail = error.message if isinstance(error, ApplianceError) else "it does not answer"
        checks = [{"name": "database", "status": "failing", "detail": detail}]
        return answer({"status": "failing", "checks": checks}, 503)
    return answer({"status": "ok", "checks": [{"name": "database", "status": "ok", "detail": ""}]})


async def metrics(call: Call) -> web.StreamResponse:
    """From this machine, or with a sign-in: of this instance alone, so a sum over all is the hub's."""
    if not from_loopback(call.request) and await door.optional(call.request) is None:
        raise not_signed_in()
    text = generate_latest(call.request.app[FIGURES].registry)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


ROUTES = (
    Route("GET", "/health/live", None, live),
    Route("GET", "/health/ready", None, ready),
    Route("GET", "/health/startup", None, ready),
    Route("GET", "/metrics", None, metrics),
)
