"""The screen's routes: HTML for people, on the same sign-in as the API.

A page reads what it shows in one look at the database, renders, and leaves the rest to its scripts,
which speak to ``/api/v1`` and the two WebSockets. Refusals are pages too: what, why, what next.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError
from appliance.base.model import ROLES, SEVERITIES
from appliance.base.wire import camera_json
from appliance.store import alerts, events
from appliance.vision.packs import licences
from appliance.web import update
from appliance.web.asked import Asked, Page, theme_of
from appliance.web.box import Box
from appliance.web.pages import data, words
from appliance.web.pages.care import PAGES as CARE
from appliance.web.pages.connections import PAGES as CONNECTIONS
from appliance.web.pages.view import render, ui_path
from appliance.web.people.auth import page_user

EVENTS_PER_PAGE = 60
_STATUS = {"not_found": 404, "denied": 403, "invalid": 400, "conflict": 409, "unavailable": 503}


def add_pages(app: web.Application, box: Box) -> None:
    """Mount every page, the static files and ``/clock`` on ``app``."""

    async def login(request: web.Request) -> web.Response:
        target = _local(request.query.get("next", "/"))
        return _html(
            render("login.html", theme=theme_of(request), next=target, username="", must_change=True)
        )

    async def password(request: web.Request) -> web.Response:
        user = await page_user(request, with_old_password=True)
        known = {"username": user.username, "must_change": user.must_change_password}
        return _html(render("login.html", theme=theme_of(request), next="/", **known))

    async def clock(request: web.Request) -> web.Response:
        await page_user(request, with_old_password=True)
        return web.json_response({"now_ms": box.clock.now_ns() / 1e6}, headers={"Cache-Control": "no-store"})

    def route(page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            user = await page_user(request)
            asked = Asked(box, request, await data.frame(box, user))
            try:
                return _html(await page(asked))
            except ApplianceError as error:
                status = _STATUS.get(error.kind, 500)
                return _html(asked.page("refused.html", "", "Not here", status=status, error=error), status)

        return answer

    app.router.add_get("/login", login)
    app.router.add_get("/password", password)
    app.router.add_get("/clock", clock)
    for path, place in ELSEWHERE:
        app.router.add_get(path, _elsewhere(place))
    for path, page in PAGES:
        app.router.add_get(path, route(page))
    app.router.add_static("/static", ui_path() / "static", append_version=False)


def _elsewhere(place: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        raise web.HTTPSeeOther(place)

    return answer


async def wall(asked: Asked) -> str:
    cameras = data.camera_views(asked.box, asked.frame.cameras)
    return asked.page("wall.html", "wall", "Wall", cameras=cameras)


async def camera(asked: Asked) -> str:
    found = asked.camera()
    ids = [c.id for c in asked.frame.cameras]
    at = ids.index(found.id)
    return asked.page(
        "camera.html",
        "wall",
        found.name,
        camera=camera_json(found, data.status_of(asked.box, found)),
        before=ids[at - 1] if at > 0 else None,
        after=ids[at + 1] if at + 1 < len(ids) else None,
        has_sub=data.has_sub(asked.box, found),
        today=words.site_now(asked.frame.zone, asked.box.clock.now_ns()).date().isoformat(),
    )


async def event_list(asked: Asked) -> str:
    query = asked.request.query
    today = words.site_now(asked.frame.zone, asked.box.clock.now_ns()).date()
    date = query.get("date", "")
    start_ns, end_ns = _day(date, asked)
    asked_for = query.getall("severity", [])
    wanted = events.EventFilter(
        camera_ids=tuple(filter(None, query.getall("camera_id", []))),
        types=tuple(filter(None, query.getall("type", []))),
        severities=tuple(severity for severity in SEVERITIES if severity in asked_for),
        start_ns=start_ns,
        end_ns=end_ns,
        allowed_camera_ids=asked.user.camera_ids,
    )
    found, more, total = await data.events_page(asked.box, wanted, EVENTS_PER_PAGE, query.get("cursor"))
    return asked.page(
        "events.html",
        "events",
        "Events",
        events=found,
        total=total,
        wanted=wanted,
        date=date,
        today=today.isoformat(),
        yesterday=(today - timedelta(days=1)).isoformat(),
        filtered=bool(wanted.camera_ids or wanted.types or wanted.severities or date),
        first_page="cursor" not in query,
        older=None if more is None else str(asked.request.rel_url.update_query(cursor=more)),
    )


async def event(asked: Asked) -> str:
    found, older, newer = await data.event_view(asked.box, asked.user, asked.request.match_info["id"])
    return asked.page(
        "event.html",
        "events",
        words.event_title(found, asked.frame.names.zones),
        event=found,
        older=older,
        newer=newer,
        is_live=any(c.id == found["camera_id"] for c in asked.frame.cameras),
    )


async def alert_list(asked: Asked) -> str:
    query = asked.request.query
    status = query.get("status", "open")
    statuses: dict[str, tuple[alerts.AlertStatus, ...]] = {
        "open": ("new", "acknowledged"),
        "resolved": ("resolved",),
        "all": (),
    }
    if status not in statuses:
        status = "open"
    wanted = alerts.AlertFilter(statuses=statuses[status], allowed_camera_ids=asked.user.camera_ids)
    found, more, total = await data.alerts_page(asked.box, wanted, EVENTS_PER_PAGE, query.get("cursor"))
    if status == "open":
        # What nobody has seen yet stands first, the gravest on top.
        grave = list(words.SEVERITIES)
        found.sort(
            key=lambda a: (a["status"] != "new", grave.index(a["severity"]) if a["status"] == "new" else 0)
        )
    older = None if more is None else str(asked.request.rel_url.update_query(cursor=more))
    return asked.page(
        "alerts.html", "alerts", "Alerts", alerts=found, total=total, status=status, older=older
    )


async def settings_home(asked: Asked) -> str:
    cameras = data.camera_views(asked.box, asked.frame.cameras)
    return asked.page("settings_cameras.html", "settings", "Cameras", cameras=cameras)


async def camera_new(asked: Asked) -> str:
    asked.need("installer")
    return asked.page("settings_camera.html", "settings", "Add a camera", camera=None)


async def camera_edit(asked: Asked) -> str:
    asked.need("installer")
    found = asked.camera()
    view = camera_json(found, data.status_of(asked.box, found))
    return asked.page("settings_camera.html", "settings", found.name, camera=view)


async def camera_zones(asked: Asked) -> str:
    found = asked.camera()
    zones, rules = await data.rules_view(asked.box, asked.user)
    mine = [zone for zone in zones if zone["camera_id"] == found.id]
    ids = {zone["id"] for zone in mine}
    about = [r for r in rules if ids & set(r["zone_ids"]) or found.id in r["camera_ids"]]
    view = camera_json(found, data.status_of(asked.box, found))
    return asked.page("settings_zones.html", "settings", found.name, camera=view, zones=mine, rules=about)


async def users(asked: Asked) -> str:
    asked.need("admin")
    found = await data.users_view(asked.box)
    return asked.page("settings_users.html", "settings", "People", users=found, roles=ROLES)


async def notifications(asked: Asked) -> str:
    asked.need("admin")
    night = (await data.settings_view(asked.box))["night"]
    example = "https://alarm.example.com/in"
    return asked.page(
        "settings_notifications.html", "settings", "Notifications", night=night, hook_example=example
    )


async def site(asked: Asked) -> str:
    settings = await data.settings_view(asked.box)
    deletes_from = await data.deletes_from(asked.box)
    return asked.page("settings_site.html", "settings", "Site", settings=settings, deletes_from=deletes_from)


async def models(asked: Asked) -> str:
    """Raises ``unavailable`` where the box runs without analysis."""
    overview = await data.models_view(asked.box)
    notes = {m["name"]: licences.meaning(m["licence"]) for m in overview["models"]}
    return asked.page("settings_models.html", "settings", "Models", overview=overview, notes=notes)


async def health(asked: Asked) -> str:
    return asked.page("settings_health.html", "settings", "Health", device_id=asked.box.device_id)


async def software(asked: Asked) -> str:
    """Raises ``unavailable`` where the box runs without it."""
    return asked.page(
        "settings_update.html",
        "settings",
        "Update",
        update=msgspec.to_builtins(await update.state_of(asked.box)),
    )


# Where people look for what lies elsewhere.
ELSEWHERE = (("/settings/models", "/models"), ("/settings/cameras", "/settings"))
PAGES: tuple[tuple[str, Page], ...] = (
    ("/", wall),
    ("/cameras/{id}", camera),
    ("/events", event_list),
    ("/events/{id}", event),
    ("/alerts", alert_list),
    ("/settings", settings_home),
    ("/settings/cameras/new", camera_new),
    ("/settings/cameras/{id}", camera_edit),
    ("/settings/cameras/{id}/zones", camera_zones),
    ("/settings/users", users),
    ("/settings/notifications", notifications),
    ("/settings/site", site),
    ("/settings/health", health),
    ("/settings/update", software),
    ("/models", models),
    *CARE,
    *CONNECTIONS,
)


def _day(date: str, asked: Asked) -> tuple[int | None, int | None]:
    if not date:
        return None, None
    try:
        return words.site_day(date, asked.frame.zone)
    except (ValueError, OverflowError):
        raise ApplianceError("invalid", f"{date[:20]!r} is not a day", "write it as 2026-01-20") from None


def _local(target: str) -> str:
    """Where to go after signing in: a path of this box, never another site."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if safe and target.isprintable() else "/"


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(
        text=text,
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )
