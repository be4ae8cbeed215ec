"""/settings: what people set for the whole box."""

import sqlite3

from aiohttp import web

from appliance.base.settings import Settings, check
from appliance.store import audit, retention_held, settings
from appliance.web.routes import API, Call, Route, answer
from appliance.web.shapes import SettingsAnswer


async def show(call: Call) -> web.StreamResponse:
    return answer({"settings": await call.box.db.read(settings.load)})


async def replace(call: Call) -> web.StreamResponse:
    body = await call.body(Settings)
    check(body)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        before = settings.load(conn)
        settings.save(conn, body)
        if body.retention != before.retention:  # somebody at the box has decided
            retention_held.let_go(conn)
        changed = [f for f in body.__struct_fields__ if getattr(body, f) != getattr(before, f)]
        audit.add(conn, now_ns, call.user, "changed", "settings", {"changed": changed})

    await call.box.db.write(work)
    await call.changed("settings")
    return answer({"settings": body})


_PATH = f"{API}/settings"
ROUTES = (
    Route("GET", _PATH, "viewer", show, "The box's settings", SettingsAnswer),
    Route(
        "PUT",
        _PATH,
        "admin",
        replace,
        "Replace them; what is left out is as shipped",
        SettingsAnswer,
        Settings,
    ),
)
