"""What a route is: a row of one table, with its role."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import hdrs, web

from appliance.hub.box_api.body import answer
from appliance.hub.hub import HUB, Hub
from appliance.hub.people import door
from appliance.hub.people.door import Who
from appliance.hub.store import audit
from appliance.hub.store.steps import Steps
from appliance.hub.store.users import ROLES, Person, Role
from appliance.web import params
from appliance.web.errors import denied, not_signed_in

T = TypeVar("T")
API = "/api/v1"
ID = r"{id:[A-Za-z0-9_-]{1,64}}"
BOX = r"{box:[A-Za-z0-9_-]{1,64}}"

__all__ = ["API", "BOX", "ID", "Call", "Route", "answer", "mount", "nothing"]


@dataclass(slots=True)
class Call:
    """One request, with who asks and the hub that answers."""

    request: web.Request
    hub: Hub
    who: Who | None

    @property
    def person(self) -> Person:
        if self.who is None:
            raise not_signed_in()
        return self.who.person

    @property
    def now_ns(self) -> int:
        return self.hub.clock.now_ns()

    @property
    def page(self) -> tuple[int, str | None]:
        """(limit, cursor)"""
        return params.limit_of(self.request), params.cursor_of(self.request)

    def name(self, key: str) -> str:
        """A piece of the path; its pattern stands in the route."""
        return self.request.match_info[key]

    async def body(self, kind: type[T]) -> T:
        return await params.read_body(self.request, kind)

    def audit(self, action: str, thing: str, detail: dict[str, Any] | None = None) -> Steps[None]:
        """A row of the audit log, in this person's name."""
        yield from audit.add(self.now_ns, self.person.id, self.person.username, action, thing, detail)


@dataclass(frozen=True, slots=True)
class Route:
    """``role`` None: everybody. ``all_sites``: not for people who are limited to some: who makes people,
    sites and codes gives away all of them."""

    method: str
    path: str
    role: Role | None
    handler: Callable[[Call], Awaitable[web.StreamResponse]]
    all_sites: bool = False
    with_old_password: bool = False  # also for those who must first set a new password


def mount(app: web.Application, route: Route) -> None:
    """Add ``route`` with its guard."""

    async def handle(request: web.Request) -> web.StreamResponse:
        who = None
        if route.role is not None:
            who = await door.required(request)
            check_role(who.person, route)
        return await route.handler(Call(request, request.app[HUB], who))

    if route.method == hdrs.METH_GET:
        app.router.add_get(route.path, handle)
    else:
        app.router.add_route(route.method, route.path, handle)


def check_role(person: Person, route: Route) -> None:
    if person.must_change_password and not route.with_old_password:
        raise denied(
            "this password was for one sign-in only",
            "set your own first: POST /api/v1/auth/password {current_password, new_password}",
        )
    if route.role is not None and ROLES.index(person.role) < ROLES.index(route.role):
        raise denied(f"this needs the role {route.role}; yours is {person.role}", "ask an admin")
    if route.all_sites and person.site_ids is not None:
        raise denied("your account is limited to some sites", "ask an admin who sees all of them")


def nothing() -> web.Response:
    """204, after a DELETE."""
    return web.Response(status=204)
