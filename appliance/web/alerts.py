"""/alerts: what a person should know, and what they decided."""

import sqlite3
from typing import Literal

import msgspec
from aiohttp import web

from appliance.base.errors import not_found
from appliance.base.model import SEVERITIES, Alert
from appliance.base.wire import alert_json
from appliance.store import alerts
from appliance.web import params
from appliance.web.params import Note
from appliance.web.routes import API, PAGE, Call, Query, Route, answer, there
from appliance.web.shapes import AlertAnswer, AlertsAnswer

STATUSES: tuple[Literal["new", "acknowledged", "resolved"], ...] = ("new", "acknowledged", "resolved")


class AckBody(msgspec.Struct, forbid_unknown_fields=True):
    note: Note | None = None


class ResolveBody(msgspec.Struct, forbid_unknown_fields=True):
    resolution: Literal["true_alarm", "false_alarm", "test"]
    note: Note | None = None


async def list_alerts(call: Call) -> web.StreamResponse:
    request = call.request
    wanted = alerts.AlertFilter(
        statuses=params.one_of(request, "status", STATUSES),
        severities=params.one_of(request, "severity", SEVERITIES),
        camera_ids=params.choices_of(request, "camera_id"),
        allowed_camera_ids=call.user.camera_ids,
    )
    limit, cursor = params.limit_of(request), params.cursor_of(request)
    found, more, total = await call.box.db.read(lambda conn: alerts.page(conn, wanted, limit, cursor))
    return answer({"alerts": [alert_json(a) for a in found], "next_cursor": more, "total": total})


async def show(call: Call) -> web.StreamResponse:
    return answer({"alert": alert_json(await _existing(call))})


async def acknowledge(call: Call) -> web.StreamResponse:
    # A bare POST acknowledges: no body is a body without a note.
    body = await call.body(AckBody) if call.request.can_read_body else AckBody()
    alert = await _existing(call)
    desk = there(call.box.desk, "alerts")
    changed = await desk.acknowledge(alert.id, call.user, body.note)
    if alert.acknowledged_ns is None and changed.acknowledged_ns is not None:
        call.box.metrics.acknowledged((changed.acknowledged_ns - alert.created_ns) / 1e9)
    return answer({"alert": alert_json(changed)})


async def resolve(call: Call) -> web.StreamResponse:
    body = await call.body(ResolveBody)
    alert = await _existing(call)
    desk = there(call.box.desk, "alerts")
    return answer({"alert": alert_json(await desk.resolve(alert.id, call.user, body.resolution, body.note))})


async def _existing(call: Call) -> Alert:
    id_ = call.name("id")

    def look(conn: sqlite3.Connection) -> Alert | None:
        return alerts.get(conn, id_)

    alert = await call.box.db.read(look)
    if alert is None:
        raise not_found("alert", id_)
    call.must_see(alert.camera_id, "alert", id_)
    return alert


_ONE = f"{API}/alerts/{{id:[A-Za-z0-9-]{{1,64}}}}"
ROUTES = (
    Route(
        "GET",
        f"{API}/alerts",
        "viewer",
        list_alerts,
        "Alerts, newest first",
        AlertsAnswer,
        query=(
            Query("status", "new, acknowledged, resolved", repeats=True),
            Query("severity", "info, warning, critical", repeats=True),
            Query("camera_id", "only of these", repeats=True),
            *PAGE,
        ),
    ),
    Route("GET", _ONE, "viewer", show, "One alert", AlertAnswer),
    Route("POST", f"{_ONE}/ack", "operator", acknowledge, "Acknowledge", AlertAnswer, AckBody, also=(409,)),
    Route("POST", f"{_ONE}/resolve", "operator", resolve, "Resolve", AlertAnswer, ResolveBody, also=(409,)),
)
