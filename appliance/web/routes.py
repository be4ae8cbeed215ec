"""What a route is: a row of one table, with its role, its body and its answer."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from aiohttp import hdrs, web

from appliance.base.errors import ApplianceError, not_found
from appliance.base.model import ROLES, Role, User
from appliance.web import params
from appliance.web.box import BOX, Box
from appliance.web.errors import denied, not_signed_in
from appliance.web.people import auth
from appliance.web.people.access import sees
from appliance.web.people.sessions import Who

log = logging.getLogger(__name__)

T = TypeVar("T")
API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Query:
    """One query parameter, for openapi.json."""

    name: str
    about: str
    kind: str = "string"  # string | integer | number | boolean
    required: bool = False
    repeats: bool = False


TIME = "RFC 3339 with an offset"
INTERVAL = (
    Query("start_time", f"{TIME}; included", required=True),
    Query("end_time", f"{TIME}; not included", required=True),
)
PAGE = (
    Query("limit", "how many, 1 to 1000 (default 100)", "integer"),
    Query("cursor", "next_cursor of the page before"),
)
STREAM = Query("stream", "main (default) or sub")


@dataclass(slots=True)
class Call:
    """One request, with who asks and the box that answers."""

    request: web.Request
    box: Box
    who: Who | None

    @property
    def user(self) -> User:
        if self.who is None:
            raise not_signed_in()
        return self.who.user

    @property
    def now_ns(self) -> int:
        return self.box.clock.now_ns()

    def name(self, key: str) -> str:
        """A piece of the path; its pattern stands in the route."""
        return self.request.match_info[key]

    async def body(self, kind: type[T]) -> T:
        return await params.read_body(self.request, kind)

    async def changed(self, noun: str) -> None:
        """It is stored: let the box apply it. What fails there is a state of the box (a camera that
        cannot be reached, say), and no reason to tell the person that nothing was saved."""
        try:
            await self.box.changed(noun)
        except Exception:  # any room may fail here; the docstring says why the answer stays
            log.exception("a change of %s was stored but not applied", noun)

    def must_see(self, camera_id: str, noun: str = "camera", name: str | None = None) -> None:
        """A camera that a person may not see does not exist for them."""
        if not sees(self.user, camera_id):
            raise not_found(noun, name or camera_id)


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """``role`` None: everybody. ``answer``: a type (JSON), or a content type."""

    method: str
    path: str
    role: Role | None
    handler: Handler
    summary: str
    answer: Any = None
    body: Any = None
    query: tuple[Query, ...] = ()
    status: int = 200
    with_old_password: bool = False  # also for those who must first set a new password
    also: tuple[int, ...] = field(default=())  # statuses beside the usual ones, e.g. 206, 409


def mount(app: web.Application, route: Route) -> None:
    """Add ``route`` with its guard: signed in, not foreign, allowed."""

    async def handle(request: web.Request) -> web.StreamResponse:
        who = None if route.role is None else await auth.required(request)
        if who is not None and route.role is not None:
            check_role(who.user, route)
        return await route.handler(Call(request, request.app[BOX], who))

    allow_head = route.method == hdrs.METH_GET and not route.path.startswith("/ws/")
    if allow_head:
        app.router.add_get(route.path, handle)
    else:
        app.router.add_route(route.method, route.path, handle)


def check_role(user: User, route: Route) -> None:
    if user.must_change_password and not route.with_old_password:
        raise denied(
            "this password was for one sign-in only",
            "set your own first: POST /api/v1/auth/password {current_password, new_password}",
        )
    if route.role is not None and ROLES.index(user.role) < ROLES.index(route.role):
        raise denied(f"this needs the role {route.role}; yours is {user.role}", "ask an admin")


def answer(value: Any, status: int = 200) -> web.Response:
    """JSON; never kept by a cache."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def nothing() -> web.Response:
    """204, after a DELETE."""
    return web.Response(status=204)


def there(part: T | None, name: str) -> T:
    """The part, or ``unavailable`` where the box runs without it."""
    if part is None:
        raise ApplianceError("unavailable", f"this box runs without {name} just now", "try again later")
    return part
