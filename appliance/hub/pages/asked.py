"""One request for a page: who asks, in which time zone, and what they get where it cannot be drawn."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from aiohttp import web

from appliance.base.errors import ApplianceError
from appliance.hub.hub import HUB, Hub
from appliance.hub.pages import words
from appliance.hub.people import door
from appliance.hub.store import alerts_list
from appliance.hub.store.users import ROLES, Person, Role
from appliance.web.pages.view import render

Page = Callable[["Asked"], Awaitable[str]]

PER_PAGE = 50
REFRESH_S = 10
_STATUS = {"not_found": 404, "denied": 403, "invalid": 400, "conflict": 409, "unavailable": 503}


class Asked:
    """``zone``: the one that the person's browser is in. What happened at a site is told by the site's clock,
    with its place where that shows something else; what happened here by the reader's."""

    def __init__(self, hub: Hub, request: web.Request, person: Person, open_alerts: int) -> None:
        self.hub, self.request, self.person = hub, request, person
        self.open_alerts = open_alerts
        self.now_ns = hub.clock.now_ns()
        self.zone = words.zone_of(request.cookies.get("zone", ""))

    @property
    def user_id(self) -> str:
        return self.person.id

    def at(self, zone: str) -> ZoneInfo:
        """The site's zone; the reader's where nobody has said where the site is."""
        return words.zone_of(zone) if zone else self.zone

    def may(self, role: Role) -> bool:
        return ROLES.index(self.person.role) >= ROLES.index(role)

    def need(self, role: Role) -> None:
        """Raises ``denied`` below ``role``."""
        if not self.may(role):
            raise ApplianceError(
                "denied",
                f"this page is for the {role} role",
                "ask an admin of this hub to do it or to raise you",
            )

    def need_all_sites(self) -> None:
        """Raises ``denied`` for a person who is limited to some sites: people, codes and the audit are of
        all of them."""
        if self.person.site_ids is not None:
            raise ApplianceError(
                "denied", "your account is limited to some sites", "ask an admin who sees all of them"
            )

    def one(self, name: str, longest: int = 200) -> str:
        """A query's value, or empty."""
        return self.request.query.get(name, "").replace("\x00", "").strip()[:longest]

    def several(self, name: str) -> tuple[str, ...]:
        return tuple(value for value in self.request.query.getall(name, []) if value)[:100]

    def cursor(self) -> str | None:
        return self.request.query.get("cursor") or None

    def link(self, **changes: str | None) -> str:
        """This page's address with other filters; None takes one away. Always from its first page on."""
        query = [(key, value) for key, value in self.request.query.items() if value and key != "cursor"]
        query = [(key, value) for key, value in query if key not in changes]
        query += [(key, value) for key, value in changes.items() if value is not None]
        return str(self.request.rel_url.with_query(query))

    def further(self, cursor: str) -> str:
        """The next page of the same."""
        return self.link(cursor=cursor)

    def page(self, template: str, here: str, title: str, **values: Any) -> str:
        return render(
            f"hub/{template}",
            here=here,
            title=title,
            may=self.may,
            theme=theme(self.request),
            now_ms=self.now_ns // 1_000_000,
            refresh_s=REFRESH_S,
            zone_name=self.zone.key,
            version=self.hub.version,
            user=self.person,
            sees_all=self.person.site_ids is None,
            open_alerts=self.open_alerts,
            link=self.link,
            W=words,
            ago=lambda ns: words.ago(ns, self.now_ns),
            with_times=lambda text, zone="": words.with_times(text, self.at(zone), self.now_ns, self.zone),
            when=lambda ns, zone="": words.moment(ns, self.at(zone), self.now_ns),
            elsewhere=lambda ns, zone: words.elsewhere(ns, self.at(zone), self.zone),
            first_page=self.cursor() is None,
            **values,
        )


def add_page(app: web.Application, path: str, page: Page) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        hub = request.app[HUB]
        try:
            person = await page_person(request)
            count = await hub.store.read(lambda: alerts_list.count_new(person.id))
        except ApplianceError as error:  # nobody is known, since the database is not there
            text = render("hub/broken.html", error=error, theme=theme(request), refresh_s=REFRESH_S)
            return html(text, _STATUS.get(error.kind, 500))
        asked = Asked(hub, request, person, count)
        try:
            return html(await page(asked))
        except ApplianceError as error:
            return html(asked.page("refused.html", "", "Not here", error=error), _STATUS.get(error.kind, 500))

    app.router.add_get(path, answer)


def add_sign_in(app: web.Application) -> None:
    """``/login``, and ``/password`` for a password that must be another."""

    async def login(request: web.Request) -> web.StreamResponse:
        return html(_login(request, ""))

    async def password(request: web.Request) -> web.StreamResponse:
        person = await page_person(request, with_old_password=True)
        return html(_login(request, person.username))

    app.router.add_get("/login", login)
    app.router.add_get("/password", password)


async def page_person(request: web.Request, *, with_old_password: bool = False) -> Person:
    """The person, or a redirect to ``/login`` (to ``/password`` where it must be new)."""
    who = await door.optional(request)
    if who is None:
        path = request.rel_url.raw_path_qs
        there = path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
        raise web.HTTPSeeOther(f"/login?next={quote(there, safe='/')}")
    if who.person.must_change_password and not with_old_password:
        raise web.HTTPSeeOther("/password")
    return who.person


def _login(request: web.Request, username: str) -> str:
    target = _local(request.query.get("next", "/"))
    return render("hub/login.html", theme=theme(request), next=target, username=username)


def _local(target: str) -> str:
    """Where to go after signing in: a path of this hub, never another site."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if safe and target.isprintable() else "/"


def theme(request: web.Request) -> str:
    wanted = request.cookies.get("theme", "")
    return wanted if wanted in ("dark", "light") else ""


def html(text: str, status: int = 200) -> web.Response:
    return web.Response(
        text=text,
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )
