"""/zones: polygons and lines in a camera's picture."""

import sqlite3
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.ids import uuid7
from appliance.base.model import Zone
from appliance.base.wire import zone_json
from appliance.rules.validate import validate_zone
from appliance.store import audit, cameras, rules, zones
from appliance.web import params
from appliance.web.params import Id, Name, Share
from appliance.web.people.access import only_seen
from appliance.web.routes import API, Call, Query, Route, answer, nothing
from appliance.web.shapes import ZoneAnswer, ZonesAnswer


class ZoneBody(msgspec.Struct, forbid_unknown_fields=True):
    """A polygon is simple and has 3 to 64 points; a line has 2. ``id`` may come back as it was."""

    camera_id: Id
    name: Name
    kind: Literal["polygon", "line"]
    points: Annotated[tuple[tuple[Share, Share], ...], msgspec.Meta(max_length=100)]
    id: str | None = None


async def list_zones(call: Call) -> web.StreamResponse:
    wanted = params.choices_of(call.request, "camera_id")
    found = only_seen(call.user, await call.box.db.read(zones.list_zones))
    return answer({"zones": [zone_json(zone) for zone in found if not wanted or zone.camera_id in wanted]})


async def add(call: Call) -> web.StreamResponse:
    body = await call.body(ZoneBody)
    if body.id is not None:
        raise invalid("the box gives zones their ids", "leave it out", field="id")
    now_ns = call.now_ns
    zone = _checked(call, body, uuid7(now_ns))

    def work(conn: sqlite3.Connection) -> None:
        _check_camera(conn, zone)
        zones.insert(conn, zone)
        audit.add(conn, now_ns, call.user, "changed", f"zone/{zone.id}", {"added": zone.name})

    await call.box.db.write(work)
    await call.changed("zones")
    return answer({"zone": zone_json(zone)}, 201)


async def replace(call: Call) -> web.StreamResponse:
    body = await call.body(ZoneBody)
    before = await _existing(call)
    if body.id not in (None, before.id):
        raise invalid("a zone keeps its id", "leave it out, or send the old one", field="id")
    if body.camera_id != before.camera_id:
        raise invalid("a zone stays with its camera", "draw a new one on the other camera", field="camera_id")
    zone = _checked(call, body, before.id)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        _check_camera(conn, zone)
        if zone.kind != before.kind:
            _refuse_if_used(conn, before, "is used by", "draw a new zone, or change that rule first")
        zones.replace(conn, zone)
        audit.add(conn, now_ns, call.user, "changed", f"zone/{zone.id}", {"changed": zone.name})

    await call.box.db.write(work)
    await call.changed("zones")
    return answer({"zone": zone_json(zone)})


async def remove(call: Call) -> web.StreamResponse:
    zone = await _existing(call)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        _refuse_if_used(conn, zone, "is used by", "take it out of that rule first")
        zones.delete(conn, zone.id)
        audit.add(conn, now_ns, call.user, "changed", f"zone/{zone.id}", {"removed": zone.name})

    await call.box.db.write(work)
    await call.changed("zones")
    return nothing()


async def _existing(call: Call) -> Zone:
    id_ = call.name("id")
    zone = await call.box.db.read(lambda conn: zones.get(conn, id_))
    if zone is None:
        raise not_found("zone", id_)
    call.must_see(zone.camera_id, "zone", id_)
    return zone


def _checked(call: Call, body: ZoneBody, zone_id: str) -> Zone:
    call.must_see(body.camera_id)
    zone = Zone(zone_id, body.camera_id, body.name, body.kind, body.points)
    validate_zone(zone)
    return zone


def _check_camera(conn: sqlite3.Connection, zone: Zone) -> None:
    camera = cameras.get(conn, zone.camera_id)
    if camera is None or camera.archived_ns is not None:
        raise invalid(
            f"there is no camera {zone.camera_id!r}", "list the cameras to see their ids", field="camera_id"
        )


def _refuse_if_used(conn: sqlite3.Connection, zone: Zone, verb: str, hint: str) -> None:
    user = next((rule for rule in rules.list_rules(conn) if zone.id in rule.zone_ids), None)
    if user is not None:
        raise ApplianceError("conflict", f"this zone {verb} the rule {user.name!r}", hint)


_ONE = f"{API}/zones/{{id:[A-Za-z0-9-]{{1,64}}}}"
ROUTES = (
    Route(
        "GET",
        f"{API}/zones",
        "viewer",
        list_zones,
        "All zones",
        ZonesAnswer,
        query=(Query("camera_id", "only of these", repeats=True),),
    ),
    Route("POST", f"{API}/zones", "installer", add, "Draw a zone", ZoneAnswer, ZoneBody, status=201),
    Route("PUT", _ONE, "installer", replace, "Replace a zone", ZoneAnswer, ZoneBody, also=(409,)),
    Route("DELETE", _ONE, "installer", remove, "Remove a zone", status=204, also=(409,)),
)
