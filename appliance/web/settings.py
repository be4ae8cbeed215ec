"""/settings: what people set for the whole box."""

import math
import re
import sqlite3
import zoneinfo

from aiohttp import web

from appliance.base.errors import invalid
from appliance.base.settings import Settings
from appliance.store import audit, settings
from appliance.web.params import PLAIN
from appliance.web.routes import API, Call, Route, answer
from appliance.web.shapes import SettingsAnswer

_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_PLAIN = re.compile(PLAIN)
LARGEST_BYTES = 1 << 60


async def show(call: Call) -> web.StreamResponse:
    return answer({"settings": await call.box.db.read(settings.load)})


async def replace(call: Call) -> web.StreamResponse:
    body = await call.body(Settings)
    check(body)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        before = settings.load(conn)
        settings.save(conn, body)
        changed = [f for f in body.__struct_fields__ if getattr(body, f) != getattr(before, f)]
        audit.add(conn, now_ns, call.user, "changed", "settings", {"changed": changed})

    await call.box.db.write(work)
    await call.changed("settings")
    return answer({"settings": body})


def check(wanted: Settings) -> None:
    """Raises ``invalid`` naming the field."""
    retention, site, night = wanted.retention, wanted.site, wanted.night
    _within("retention.days", retention.days, 1 / 24, 3650)
    _within("retention.event_days", retention.event_days, 1, 3650)
    _within("retention.reserve_percent", retention.reserve_percent, 0, 90)
    _within("retention.reserve_bytes", retention.reserve_bytes, 0, LARGEST_BYTES)
    if retention.max_bytes is not None:
        _within("retention.max_bytes", retention.max_bytes, 1_000_000, LARGEST_BYTES)
    if not 1 <= len(site.name) <= 100 or not _PLAIN.match(site.name):
        raise invalid("the site's name is 1 to 100 characters on one line", "shorten it", field="site.name")
    if site.time_zone not in zoneinfo.available_timezones():
        raise invalid(
            f"{site.time_zone[:40]!r} is no time zone",
            "use an IANA name, e.g. Europe/Berlin",
            field="site.time_zone",
        )
    for name, text in (("from", night.start), ("to", night.end)):
        if not _TIME_OF_DAY.fullmatch(text):
            raise invalid(f"{text[:20]!r} is not a time of day", "write it as 22:00", field=f"night.{name}")


def _within(field: str, value: float, low: float, high: float) -> None:
    if not math.isfinite(value) or not low <= value <= high:
        raise invalid(f"{field} is out of range", f"{low:g} to {high:g}", field=field)


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
