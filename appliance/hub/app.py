"""The hub's application: what boxes say, what people ask, and what surrounds both."""

from aiohttp import web

from appliance.hub import box_api, pages, people
from appliance.hub.figures import FIGURES, Figures, timed
from appliance.hub.hub import HUB, Hub
from appliance.hub.screens.box_side import lend_screens
from appliance.hub.screens.lending import Lending
from appliance.hub.throttling import ENROLMENTS, NAMES, THROTTLE, Names
from appliance.sync.protocol.upload import LARGEST_CHUNK_BYTES
from appliance.web import headers
from appliance.web.errors import answer_errors
from appliance.web.people.throttle import Throttle


def make_app(hub: Hub) -> web.Application:
    """To be served with ``auto_decompress=False``: bodies are unpacked by us, and only so far as is
    allowed (``box_api.body``)."""
    app = web.Application(middlewares=(timed, answer_errors), client_max_size=LARGEST_CHUNK_BYTES)
    app[HUB] = hub
    app[THROTTLE], app[ENROLMENTS] = Throttle(hub.clock), Throttle(hub.clock)
    app[NAMES] = Names(hub.clock)
    app[FIGURES] = Figures()
    lend_screens(app, Lending(hub.clock, hub.host, hub.settings.screens.range))
    box_api.mount(app)
    people.mount(app)
    pages.mount(app)
    app.on_response_prepare.append(headers.secure)
    app.on_shutdown.append(_stop_waiting)
    return app


async def _stop_waiting(app: web.Application) -> None:
    hub = app[HUB]
    hub.stopping.set()
    hub.bell.set()
