"""What people ask, and the programs that ask for them: ``/api/v1`` with a sign-in.

Objective: the fleet worst first, events over all sites, alerts, clips that can be watched while they
arrive, both ends' figures of delivery, codes, users, and who did what.
Invariants: a person limited to some sites cannot tell that others exist, which the statements themselves
see to; nothing a stranger sends ends in a traceback; no credential is returned but a code, once.
Non-goals: what boxes say (``hub.box_api``); pages.
Read next: ``door`` (who asks), ``routes``, ``openapi``.
"""

from aiohttp import web

from appliance.hub.control import routes as control
from appliance.hub.people import admin, boxes, clips, events, health, invitations, openapi, routes, signin
from appliance.hub.screens import routes as screens

ROUTES = (
    *signin.ROUTES,
    *boxes.ROUTES,
    *control.ROUTES,
    *screens.ROUTES,
    *events.ROUTES,
    *clips.ROUTES,
    *admin.ROUTES,
    *invitations.ROUTES,
    *health.ROUTES,
    *openapi.ROUTES,
)


def mount(app: web.Application) -> None:
    app[openapi.DOCUMENT] = openapi.told(ROUTES)
    for route in ROUTES:
        routes.mount(app, route)
