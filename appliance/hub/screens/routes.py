"""POST, GET, DELETE /boxes/{id}/screen: open a box's own screen, see how that goes, close it."""

from typing import Any

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError, not_found
from appliance.hub.box_api.door import address_of
from appliance.hub.control import ordering
from appliance.hub.people.routes import API, ID, Call, Route, answer, nothing
from appliance.hub.screens.box_side import LENDING
from appliance.hub.screens.lending import Screen, plain
from appliance.hub.store import commands, fleet
from appliance.hub.store.commands import OutgoingCommand
from appliance.hub.store.steps import Steps
from appliance.sync.protocol.screen import Minutes

MOST_ORDERS = 50  # the screen's is among the newest


class ScreenBody(msgspec.Struct, forbid_unknown_fields=True):
    minutes: Minutes = 15


async def lend(call: Call) -> web.StreamResponse:
    """201: it is ordered, and its port listens. The box comes within seconds, or says why not."""
    asked, box_id, person = await call.body(ScreenBody), call.name("id"), call.person
    if await call.hub.store.read(lambda: fleet.get(person.id, box_id)) is None:
        raise not_found("box", box_id)
    host, lending = _host(call, box_id), call.request.app[LENDING]
    screen = await lending.open(box_id, person.username, address_of(call.request), asked.minutes)
    body = {"session": screen.session, "minutes": asked.minutes}

    def work() -> Steps[OutgoingCommand]:
        made = yield from ordering.order(call.hub, box_id, "open_screen", body, person.username)
        said = {"command": made.id, "kind": "open_screen", "port": screen.port, "minutes": asked.minutes}
        yield from call.audit("ordered", f"box/{box_id}", said)
        return made

    screen.host = host
    try:
        screen.order_id = (await call.hub.store.write(work)).id
    except BaseException:  # nobody was ordered to come: nothing may listen
        await lending.close(screen)
        raise
    return answer({"screen": await _told(call, screen)}, 201)


async def show(call: Call) -> web.StreamResponse:
    """``screen`` null: none is open."""
    box_id, person = call.name("id"), call.person
    if await call.hub.store.read(lambda: fleet.get(person.id, box_id)) is None:
        raise not_found("box", box_id)
    screen = call.request.app[LENDING].of_box(box_id)
    return answer({"screen": None if screen is None else await _told(call, screen)})


async def close(call: Call) -> web.StreamResponse:
    screen = await _of(call)
    await call.request.app[LENDING].close(screen)
    said = {"kind": "close_screen", "port": screen.port}
    await call.hub.store.write(lambda: call.audit("ordered", f"box/{screen.box_id}", said))
    return nothing()


async def _of(call: Call) -> Screen:
    """Raises ``not_found``, also for a box that this person may not see."""
    box_id, person = call.name("id"), call.person
    screen = call.request.app[LENDING].of_box(box_id)
    if screen is None or await call.hub.store.read(lambda: fleet.get(person.id, box_id)) is None:
        raise ApplianceError("not_found", "no screen of this box is open here", "open it")
    return screen


def _host(call: Call, box_id: str) -> str:
    """Another name than the hub's own (see ``ScreenSettings``). Raises ``conflict`` where none is known."""
    said = call.hub.settings.screens.host
    here = call.request.url.host or ""
    if said:
        host = said.replace("*", box_id)
    elif here == "127.0.0.1":
        host = "localhost"
    else:
        name = call.request.transport and call.request.transport.get_extra_info("sockname")
        host = plain(str(name[0])) if name else ""
    if not host or host.lower() == here.lower():
        raise ApplianceError(
            "conflict",
            "under this address the browser would send the box your sign-in at the hub",
            "open the hub by its name instead of its address, or give another name: hub.toml, [screens] host",
        )
    return f"[{host}]" if ":" in host else host


async def _told(call: Call, screen: Screen) -> dict[str, Any]:
    """``session`` is told to the box alone. A box that refused has ended it."""
    rows = await call.hub.store.read(lambda: commands.listed_of(screen.box_id, MOST_ORDERS))
    row = next((row for row in rows if row["id"] == screen.order_id), None)
    refused = row is not None and row["state"] in ("failed", "refused")
    if refused:
        await call.request.app[LENDING].close(screen)
    state = "refused" if refused else "open" if screen.wire is not None else "waiting"
    return {
        "state": state,
        "url": f"https://{screen.host}:{screen.port}/",
        "fingerprint": screen.fingerprint,
        "only_from": screen.only_from,
        "opened_by": screen.by,
        "until": rfc3339(screen.until_ns),
        "message": row["message"] if row is not None and row["message"] else None,
    }


ROUTES = (
    Route("POST", f"{API}/boxes/{ID}/screen", "admin", lend),
    Route("GET", f"{API}/boxes/{ID}/screen", "admin", show),
    Route("DELETE", f"{API}/boxes/{ID}/screen", "admin", close),
)
