"""What the hub's pages cost with 10 000 sites: the server's time from the request to the last byte of HTML.

One instance, asked over loopback by one client, one page after the other; both databases. 10 000 boxes,
each at a site of its own, with a heartbeat of a real box's size; one in ten has new alerts, one in fifty is
offline.
"""

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from aiohttp import web
from database import postgres

from appliance.base.clock import SECOND_NS, BoxClock, rfc3339
from appliance.base.ids import uuid7
from appliance.hub.app import make_app
from appliance.hub.hub import Hub
from appliance.hub.running import Places, open_hub
from appliance.hub.store import boxes, presence, rows, sites, users
from appliance.hub.store.alerts import AlertFacts
from appliance.hub.store.rows import EventFacts, NewRow
from appliance.hub.store.sites import Site
from appliance.hub.store.users import Person

BOXES = 10_000
ROUNDS = 25
PASSWORD = "a horse in the rain"
PAGES = {
    "fleet page": "/",
    "fleet page, only those offline": "/?state=offline",
    "fleet page, searched": "/?q=north-77",
    "fleet page, the 100th": "",  # its address is a cursor, found on the way
    "fleet page, by a person of 100 sites": "/",
    "fleet page with its map": "/?view=map",
    "delivery page": "/delivery",
    "events page": "/events",
    "alerts page": "/alerts",
}
LIMITED = "fleet page, by a person of 100 sites"


def beat(number: int, now_ns: int) -> str:
    kinds = ("event", "alert", "still", "small_clip", "clip", "ledger", "metrics")
    figures = {
        "owed": number,
        "acknowledged": number,
        "tombstoned": 0,
        "waiting": 0,
        "in_flight": 0,
        "parked": 0,
    }
    said = {
        "box_time": rfc3339(now_ns), "version": "1.4.0", "status": "ok", "detail": "",
        "boot_id": uuid7(now_ns), "uptime_s": 86_400.0, "cameras_recording": 16, "cameras_total": 16,
        "disk_free_bytes": 412_000_000_000, "settings_version": number,
        "delivery": dict.fromkeys(kinds, figures),
    }  # fmt: skip
    return json.dumps(said)


def alert_rows(number: int, now_ns: int) -> list[NewRow]:
    event_id, alert_id, at = uuid7(now_ns), uuid7(now_ns), rfc3339(now_ns)
    severity = "critical" if number % 100 == 0 else "warning"
    event = {"id": event_id, "type": "intrusion", "severity": severity, "start_time": at, "camera_id": "gate",
             "class_name": "person", "confidence": 0.9, "metadata": {}}  # fmt: skip
    alert = {"id": alert_id, "event_id": event_id, "severity": severity, "status": "new", "created_at": at,
             "camera_id": "gate", "notes": []}  # fmt: skip
    facts = EventFacts(event_id, "gate", "intrusion", severity, now_ns)
    about = AlertFacts(alert_id, event_id, "gate", severity, "new", now_ns)
    return [
        NewRow(event_id, "event", now_ns, json.dumps(event), event=facts),
        NewRow(alert_id, "alert", now_ns, json.dumps(alert), alert=about),
    ]


async def fill(hub: Hub) -> None:
    now_ns = hub.clock.now_ns()
    hashed = hub.passwords.hash_now(PASSWORD)
    some = tuple(f"s{number}" for number in range(0, BOXES, BOXES // 100))

    def work(first: int, last: int):
        for number in range(first, last):
            site = Site(
                f"s{number}", f"Site {number}", "Europe/Berlin", number % 140 - 60.0, number % 350 - 175.0
            )
            yield from sites.put(site)
            id_ = f"box-{number}"
            name = f"{'north' if number % 2 else 'south'}-{number}"
            yield from boxes.enrol(id_, name, site.id, "1.4.0", id_.encode(), f"key {id_}", "", now_ns)
            gone_ns = 600 * SECOND_NS if number % 50 == 0 else 0
            status = "degraded" if number % 40 == 1 else "ok"
            said = beat(number, now_ns)
            yield from presence.heard(id_, said, status, "1.4.0", 0, 0, number % 7, now_ns - gone_ns)
            if number % 10 == 0:
                yield from rows.take(id_, alert_rows(number, now_ns), 0, now_ns)
        yield from presence.missed(now_ns - 90 * SECOND_NS, now_ns)

    for first in range(0, BOXES, 500):
        await hub.store.write(lambda first=first: work(first, first + 500))
    for name, only in (("admin", None), ("limited", some)):
        person = Person(uuid7(now_ns), name, "admin", only)
        await hub.store.write(lambda person=person: users.put(person, hashed))


async def asked(session: aiohttp.ClientSession, path: str) -> tuple[float, str]:
    began_s = time.perf_counter()
    async with session.get(path) as response:
        text = await response.text()
        assert response.status == 200, text
    return time.perf_counter() - began_s, text


async def deep(session: aiohttp.ClientSession, pages: int) -> str:
    """The address of the ``pages``-th page."""
    path = "/"
    for _ in range(pages - 1):
        _, text = await asked(session, path)
        path = text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    return path


@contextlib.asynccontextmanager
async def signed_in(url: str, username: str):
    async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        login = {"username": username, "password": PASSWORD}
        async with session.post("/api/v1/auth/login", json=login) as response:
            assert response.status == 200, await response.text()
        yield session


async def measure(places: Places, store: str) -> None:
    async with open_hub(places, BoxClock()) as hub:
        await fill(hub)
        runner = web.AppRunner(make_app(hub), auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with signed_in(url, "admin") as admin, signed_in(url, "limited") as limited:
            for name, address in PAGES.items():
                session = limited if name == LIMITED else admin
                path = address or await deep(session, 100)
                await asked(session, path)  # templates are compiled once
                times = sorted([(await asked(session, path))[0] * 1000 for _ in range(ROUNDS)])
                for which, value in (("median", statistics.median(times)), ("slowest of 25", times[-1])):
                    line = {"name": f"{name}, 10 000 sites, {store}, {which}", "value": round(value, 1)}
                    print(json.dumps(line | {"unit": "ms"}), flush=True)
        await runner.cleanup()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Places(Path(folder) / "sqlite"), "SQLite"))
        with postgres() as address:
            if address is None:
                print("PostgreSQL is not installed here", file=sys.stderr)
            else:
                asyncio.run(measure(Places(Path(folder) / "pg", f"{address}/postgres"), "PostgreSQL"))
