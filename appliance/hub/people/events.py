"""/events and /alerts: over all sites that the person may see."""

from typing import Any

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError, not_found
from appliance.base.wire import time_or_none
from appliance.hub.control.ordering import order
from appliance.hub.people.clips import upload_json
from appliance.hub.people.routes import API, BOX, ID, Call, Route, answer
from appliance.hub.store import alerts, clips, events
from appliance.hub.store.alerts import AlertFilter, SeenAlert
from appliance.hub.store.events import EventFilter, SeenEvent
from appliance.hub.store.steps import Steps
from appliance.hub.store.uploads import Upload
from appliance.web.params import Note, choices_of, one_of, time_of

Files = dict[tuple[str, str], list[Upload]]


class AckBody(msgspec.Struct, forbid_unknown_fields=True):
    note: Note = ""


def event_json(event: SeenEvent, files: Files) -> dict[str, Any]:
    """``happened_at`` is by the box's clock, ``arrived_at`` by ours; ``clock_off``: the former is not to
    be believed."""
    return {
        "box_id": event.box_id,
        "box_name": event.box_name,
        "site_id": event.site_id,
        "happened_at": rfc3339(event.created_ns),
        "arrived_at": rfc3339(event.arrived_ns),
        "clock_off": bool(event.clock_off),
        "by_hub": bool(event.by_hub),
        "event": msgspec.Raw(event.body.encode()),
        "files": [upload_json(file) for file in files.get((event.box_id, event.id), [])],
    }


def alert_json(alert: SeenAlert) -> dict[str, Any]:
    """``wish``: acknowledged here, and the box has not said so yet."""
    wished = alert.wish_ns is not None and alert.status == "new"
    wish = {"by": alert.wish_by, "at": time_or_none(alert.wish_ns), "note": alert.wish_note}
    return {
        "box_id": alert.box_id,
        "box_name": alert.box_name,
        "site_id": alert.site_id,
        "arrived_at": rfc3339(alert.arrived_ns),
        "alert": msgspec.Raw(alert.body.encode()),
        "wish": wish if wished else None,
    }


async def all_events(call: Call) -> web.StreamResponse:
    (limit, cursor), request, person_id = call.page, call.request, call.person.id
    wanted = EventFilter(
        choices_of(request, "site_id"),
        choices_of(request, "box_id"),
        choices_of(request, "camera_id"),
        choices_of(request, "type"),
        one_of(request, "severity", ("info", "warning", "critical")),
        time_of(request, "start_time"),
        time_of(request, "end_time"),
    )

    def look() -> Steps[tuple[list[SeenEvent], str | None, Files]]:
        found, more = yield from events.page(person_id, wanted, limit, cursor)
        files = yield from clips.of_events(person_id, [(event.box_id, event.id) for event in found])
        return found, more, files

    found, more, files = await call.hub.store.read(look)
    return answer({"events": [event_json(event, files) for event in found], "next_cursor": more})


async def one_event(call: Call) -> web.StreamResponse:
    box_id, event_id, person_id = call.name("box"), call.name("id"), call.person.id
    event = await call.hub.store.read(lambda: events.get(person_id, box_id, event_id))
    if event is None:
        raise not_found("event", event_id)
    files = await call.hub.store.read(lambda: clips.of_events(person_id, [(box_id, event_id)]))
    return answer({"event": event_json(event, files)})


async def all_alerts(call: Call) -> web.StreamResponse:
    (limit, cursor), request, person_id = call.page, call.request, call.person.id
    wanted = AlertFilter(
        choices_of(request, "site_id"),
        choices_of(request, "box_id"),
        one_of(request, "status", ("new", "acknowledged", "resolved")),
        one_of(request, "severity", ("info", "warning", "critical")),
    )
    found, more = await call.hub.store.read(lambda: alerts.page(person_id, wanted, limit, cursor))
    return answer({"alerts": [alert_json(alert) for alert in found], "next_cursor": more})


async def acknowledge(call: Call) -> web.StreamResponse:
    """Recorded as a wish; the alert is acknowledged when the box says so."""
    box_id, alert_id, person, now_ns = call.name("box"), call.name("id"), call.person, call.now_ns
    body = await call.body(AckBody)

    def work() -> Steps[tuple[bool, SeenAlert | None]]:
        done = yield from alerts.wish(person.id, box_id, alert_id, person.username, body.note, now_ns)
        if done:
            said = {"alert_id": alert_id, "by": person.username, "note": body.note}
            yield from order(call.hub, box_id, "acknowledge_alert", said, person.username)
            yield from call.audit("acknowledged", f"alert/{alert_id}", {"box_id": box_id})
        return done, (yield from alerts.get(person.id, box_id, alert_id))

    done, alert = await call.hub.store.write(work)
    if alert is None:
        raise not_found("alert", alert_id)
    if not done:
        raise ApplianceError("conflict", "this alert is acknowledged already", "load it again")
    return answer({"alert": alert_json(alert)})


ROUTES = (
    Route("GET", f"{API}/events", "viewer", all_events),
    Route("GET", f"{API}/events/{BOX}/{ID}", "viewer", one_event),
    Route("GET", f"{API}/alerts", "viewer", all_alerts),
    Route("POST", f"{API}/alerts/{BOX}/{ID}/ack", "operator", acknowledge),
)
