"""/boxes: the fleet, worst first; one box; what both ends say of its deliveries."""

from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import invalid, not_found
from appliance.base.wire import time_or_none
from appliance.hub import reported
from appliance.hub.people.routes import API, ID, Call, Route, answer
from appliance.hub.store import boxes, commands, directory, fleet, received, sites
from appliance.hub.store.fleet import FleetBox
from appliance.hub.store.steps import Steps
from appliance.sync.protocol.heartbeat import Heartbeat, KindFigures
from appliance.web.params import Name, choices_of

PLACES = (
    "offline", "stopped", "failing", "critical", "degraded", "alerts", "parked", "never_heard", "ok",
    "revoked",
)  # fmt: skip
MOST_COMMANDS = 50


class BoxBody(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    site_id: str | None = None
    tags: Annotated[list[Name], msgspec.Meta(max_length=20)] = []


def box_json(box: FleetBox) -> dict[str, Any]:
    beat = None if box.heartbeat is None else msgspec.json.decode(box.heartbeat, type=Heartbeat)
    return {
        "id": box.id,
        "name": box.name,
        "site_id": box.site_id,
        "site_name": box.site_name,
        "tags": msgspec.Raw(box.tags.encode()),
        "state": PLACES[box.place],
        "presence": box.presence,
        "presence_since": rfc3339(box.presence_ns),
        "status": box.status or None,
        "detail": "" if beat is None else beat.detail,
        "version": box.version,
        "enrolled_at": rfc3339(box.enrolled_ns),
        "first_enrolled_at": rfc3339(box.first_enrolled_ns),
        "time_zone": directory.zone_of(box.site_zone, box.told_zone) or None,
        "last_seen_at": time_or_none(box.seen_ns),
        "heartbeat_at": time_or_none(box.heartbeat_ns),
        "clock_offset_s": round(box.clock_offset_ns / SECOND_NS, 3),
        "alerts_open": box.alerts_open,
        "alerts_critical": box.alerts_critical,
        "waiting": box.waiting,
        "parked": box.parked,
        "cameras_recording": 0 if beat is None else beat.cameras_recording,
        "cameras_total": 0 if beat is None else beat.cameras_total,
        "disk_free_bytes": 0 if beat is None else beat.disk_free_bytes,
        "settings_version": 0 if beat is None else beat.settings_version,
        "tunnel_address": box.tunnel_address,
        "revoked": bool(box.revoked),
    }


async def all_boxes(call: Call) -> web.StreamResponse:
    """``site_id`` may repeat; ``q`` looks in names, tags and ids."""
    (limit, cursor), person_id = call.page, call.person.id
    site_ids, search = choices_of(call.request, "site_id"), call.request.query.get("q", "")[:100]
    search = "".join(char for char in search if char.isprintable())

    def look() -> Steps[tuple[list[FleetBox], str | None, dict[int, int]]]:
        found, more = yield from fleet.page(person_id, limit, cursor, site_ids=site_ids, search=search)
        return found, more, (yield from fleet.tally(person_id))

    found, more, tally = await call.hub.store.read(look)
    totals = {PLACES[place]: count for place, count in sorted(tally.items())}
    return answer({"boxes": [box_json(box) for box in found], "next_cursor": more, "totals": totals})


async def one_box(call: Call) -> web.StreamResponse:
    return answer({"box": box_json(await _found(call))})


async def change(call: Call) -> web.StreamResponse:
    box, body = await _found(call), await call.body(BoxBody)
    tags = msgspec.json.encode(body.tags).decode()

    def work() -> Steps[bool]:
        seen = {site.id for site in (yield from sites.seen_by(call.person.id))}
        if body.site_id not in seen and (body.site_id is not None or call.person.site_ids is not None):
            return False  # nobody moves a box out of their own sight
        yield from boxes.change(box.id, body.name, body.site_id, tags)
        yield from call.audit("changed", f"box/{box.id}", {"name": body.name, "site_id": body.site_id})
        return True

    if not await call.hub.store.write(work):
        raise invalid("there is no such site", "make it first", field="site_id")
    return await one_box(call)


async def revoke(call: Call) -> web.StreamResponse:
    """Its token counts no more; what it sent stays."""
    box = await _found(call)

    def work() -> Steps[None]:
        yield from boxes.revoke(box.id)
        yield from call.audit("changed", f"box/{box.id}", {"what": "revoked"})

    await call.hub.store.write(work)
    return await one_box(call)


async def deliveries(call: Call) -> web.StreamResponse:
    """D6 of both ends, kind by kind: what the box said in its last heartbeat, and what we hold now."""
    box = await _found(call)
    held = await call.hub.store.read(lambda: received.figures(box.id))
    return answer({"deliveries": deliveries_json(box, held), "as_of": time_or_none(box.heartbeat_ns)})


def deliveries_json(box: FleetBox, held: dict[str, int]) -> list[dict[str, Any]]:
    """``held`` of a kind that the box never spoke of stands there too: tombstones, of all kinds."""
    beat = None if box.heartbeat is None else msgspec.json.decode(box.heartbeat, type=Heartbeat)
    said: dict[str, KindFigures] = {} if beat is None else beat.delivery
    return [
        {"kind": kind, "box": said.get(kind), "held": held.get(kind, 0)} for kind in sorted({*said, *held})
    ]


async def names(call: Call) -> web.StreamResponse:
    """Cameras, zones and rules that the box has now, as it told of them last."""
    box = await _found(call)
    found = await call.hub.store.read(lambda: directory.of_box(call.person.id, box.id))
    told: dict[str, list[dict[str, Any]]] = {"camera": [], "zone": [], "rule": []}
    for each in found:
        one: dict[str, Any] = {"id": each.id, "name": each.name}
        if each.what == "zone":
            one["camera_id"] = each.camera_id
        else:
            one["enabled"] = bool(each.enabled)
        if each.what == "camera":
            one["streams"] = msgspec.Raw(each.streams.encode())
        told[each.what].append(one)
    return answer({"names": {f"{what}s": several for what, several in told.items()}})


async def recording(call: Call) -> web.StreamResponse:
    """What the box told of its ledger in the last seven days, summed up."""
    box = await _found(call)
    found = await call.hub.store.read(lambda: reported.recorded(box.id, call.now_ns))
    return answer({"recording": found})


async def figures(call: Call) -> web.StreamResponse:
    """How the box did in the last day, by itself, newest first."""
    box = await _found(call)
    return answer({"figures": await call.hub.store.read(lambda: reported.figures(box.id, call.now_ns))})


async def ordered(call: Call) -> web.StreamResponse:
    """The newest commands and their answers."""
    box = await _found(call)
    rows = await call.hub.store.read(lambda: commands.listed_of(box.id, MOST_COMMANDS))
    found = [
        {
            "id": row["id"],
            "kind": row["kind"],
            "issued_at": rfc3339(row["issued_ns"]),
            "expires_at": rfc3339(row["expires_ns"]),
            "by": row["issued_by"],
            "state": row["state"],
            "answered_at": time_or_none(row["answered_ns"]),
            "message": row["message"],
            "result": msgspec.Raw(row["result"].encode()),
        }
        for row in rows
    ]
    return answer({"commands": found})


async def _found(call: Call) -> FleetBox:
    box_id = call.name("id")
    box = await call.hub.store.read(lambda: fleet.get(call.person.id, box_id))
    if box is None:
        raise not_found("box", box_id)
    return box


ROUTES = (
    Route("GET", f"{API}/boxes", "viewer", all_boxes),
    Route("GET", f"{API}/boxes/{ID}", "viewer", one_box),
    Route("PUT", f"{API}/boxes/{ID}", "admin", change),
    Route("POST", f"{API}/boxes/{ID}/revoke", "admin", revoke),
    Route("GET", f"{API}/boxes/{ID}/deliveries", "viewer", deliveries),
    Route("GET", f"{API}/boxes/{ID}/names", "viewer", names),
    Route("GET", f"{API}/boxes/{ID}/recording", "viewer", recording),
    Route("GET", f"{API}/boxes/{ID}/figures", "viewer", figures),
    Route("GET", f"{API}/boxes/{ID}/commands", "operator", ordered),
)
