"""Where the pauses after failed sign-ins and enrolments are kept: per instance, as a speed limit only."""

from aiohttp import web

from appliance.web.throttle import Throttle

THROTTLE: web.AppKey[Throttle] = web.AppKey("throttle", Throttle)
