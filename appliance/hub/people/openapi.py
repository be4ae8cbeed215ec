"""openapi.json of what people ask, made of the routes that are mounted and of what is said of each here: a
route of which nothing is said is an error when the hub starts.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from appliance import __version__
from appliance.hub.control import routes as control
from appliance.hub.people import admin, boxes, clips, events, health, invitations, signin
from appliance.hub.people.routes import API, Call, Route
from appliance.hub.screens import routes as screens
from appliance.web.openapi import document
from appliance.web.routes import Query
from appliance.web.routes import Route as Told

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
DOCUMENT: web.AppKey[bytes] = web.AppKey("hub openapi", bytes)

JSON = dict[str, Any]
TIME = "RFC 3339 with an offset"
PAGE = (
    Query("limit", "how many at most: 100, up to 1000", "integer"),
    Query("cursor", "next_cursor of the page before"),
)
SPAN = (Query("start_time", f"{TIME}; included"), Query("end_time", f"{TIME}; not included"))


class Said(msgspec.Struct, frozen=True):
    """``answer``: a type (JSON), or a content type."""

    summary: str
    body: Any = None
    query: tuple[Query, ...] = ()
    answer: Any = JSON
    status: int = 200
    also: tuple[int, ...] = ()


def _some(name: str, about: str = "repeats") -> Query:
    return Query(name, about, repeats=True)


SAID: dict[Handler, Said] = {
    signin.login: Said("Sign in", signin.LoginBody, also=(429,)),
    signin.logout: Said("Sign out, everywhere that this sign-in is used"),
    signin.me: Said("Who is signed in"),
    signin.set_password: Said("Set one's own password", signin.PasswordBody),
    boxes.all_boxes: Said(
        "The fleet, worst first", query=(*PAGE, _some("site_id"), Query("q", "a piece of name or id"))
    ),
    boxes.one_box: Said("One box"),
    boxes.change: Said("Name, site and tags of a box", boxes.BoxBody),
    boxes.revoke: Said("Its token counts no more"),
    boxes.deliveries: Said("What is held of a box, and what it says that it owes"),
    boxes.names: Said("What its cameras, zones and rules are called, and which streams are recorded"),
    boxes.recording: Said("What it recorded in the last seven days, and what is missing, and why"),
    boxes.figures: Said("How the machine did in the last day, newest first"),
    boxes.ordered: Said("Orders to a box, with their answers"),
    control.give: Said("Order something; the box takes it when it asks", control.OrderBody, status=201),
    screens.lend: Said(
        "Open a box's own screen, for a while", screens.ScreenBody, status=201, also=(409, 429)
    ),
    screens.show: Said("The screen that is open: where, how long, whose certificate"),
    screens.close: Said("Close it, with all that is connected", answer=None, status=204),
    events.all_events: Said(
        "Events over all sites, newest first",
        query=(
            *PAGE,
            *SPAN,
            *map(_some, ("site_id", "box_id", "camera_id", "type", "severity")),
        ),
    ),
    events.one_event: Said("One event"),
    events.all_alerts: Said(
        "Alerts, newest first", query=(*PAGE, *map(_some, ("site_id", "box_id", "status", "severity")))
    ),
    events.acknowledge: Said(
        "Acknowledge an alert; it counts once the box says so", events.AckBody, also=(409,)
    ),
    clips.all_uploads: Said(
        "Files, newest first", query=(*PAGE, *map(_some, ("box_id", "event_id", "kind", "state")))
    ),
    clips.one_upload: Said("One file, as far as it has come"),
    clips.file: Said(
        "Its bytes, as far as they have come; Range is supported", answer="video/mp4", also=(206, 416)
    ),
    admin.all_codes: Said("Codes of enrolment"),
    admin.add_code: Said("A new code, told this once", admin.CodeBody, status=201),
    admin.revoke_code: Said("A code counts no more", answer=None, status=204),
    invitations.invite: Said("A code as a box reads it: text and QR", invitations.InvitationBody, status=201),
    admin.all_sites: Said("Sites"),
    admin.add_site: Said("A new site", admin.SiteBody, status=201),
    admin.put_site: Said("Change a site", admin.SiteBody),
    admin.delete_site: Said("A site goes; its boxes stay", answer=None, status=204),
    admin.all_users: Said("Users"),
    admin.add_user: Said("A new user", admin.UserBody, status=201, also=(409,)),
    admin.change_user: Said("Role, sites or password of a user", admin.UserChange, also=(409,)),
    admin.delete_user: Said("A user goes", answer=None, status=204, also=(409,)),
    admin.all_audit: Said("Who did what, newest first", query=PAGE),
    health.live: Said("The process answers", also=(503,)),
    health.ready: Said("Database and files answer", also=(503,)),
    health.metrics: Said("Figures as Prometheus reads them", answer="text/plain"),
}


async def show(call: Call) -> web.StreamResponse:
    return web.Response(body=call.request.app[DOCUMENT], content_type="application/json")


SAID[show] = Said("This document")
ROUTES = (Route("GET", f"{API}/openapi.json", "viewer", show),)


def told(routes: Sequence[Route]) -> bytes:
    """The document."""
    rows = [_told(route, SAID[route.handler]) for route in routes]
    made = document(rows, __version__)
    made["info"]["title"] = "Aries hub"
    made["components"]["securitySchemes"]["cookie"]["name"] = "hub_session"
    return msgspec.json.encode(made)


def _told(route: Route, said: Said) -> Told:
    return Told(
        route.method,
        route.path,
        route.role,
        route.handler,  # type: ignore[arg-type]  # only its name is read
        said.summary,
        said.answer,
        said.body,
        said.query,
        said.status,
        also=said.also,
    )
