"""/events: facts, with their still and their clip."""

import sqlite3
from functools import partial

from aiohttp import web

from appliance.base.clock import SECOND_NS
from appliance.base.errors import not_found
from appliance.base.model import SEVERITIES, Event
from appliance.base.wire import event_json
from appliance.store import events
from appliance.web import params
from appliance.web.cameras import watched
from appliance.web.cameras.files import serve_clip, steady
from appliance.web.routes import API, PAGE, Call, Query, Route, answer, there
from appliance.web.shapes import EventAnswer, EventsAnswer

AROUND_NS = 5 * SECOND_NS


async def list_events(call: Call) -> web.StreamResponse:
    request = call.request
    start_ns, end_ns = params.time_of(request, "start_time"), params.time_of(request, "end_time")
    if start_ns is not None and end_ns is not None:
        params.checked_interval(start_ns, end_ns)
    wanted = events.EventFilter(
        camera_ids=params.choices_of(request, "camera_id"),
        types=params.choices_of(request, "type"),
        class_names=params.choices_of(request, "class_name"),
        severities=params.one_of(request, "severity", SEVERITIES),
        start_ns=start_ns,
        end_ns=end_ns,
        min_confidence=params.number_of(request, "min_confidence", 0, 1),
        allowed_camera_ids=call.user.camera_ids,
    )
    limit, cursor = params.limit_of(request), params.cursor_of(request)
    found, more, total = await call.box.db.read(lambda conn: events.page(conn, wanted, limit, cursor))
    return answer({"events": [event_json(e) for e in found], "next_cursor": more, "total": total})


async def show(call: Call) -> web.StreamResponse:
    return answer({"event": event_json(await _existing(call))})


async def snapshot(call: Call) -> web.StreamResponse:
    """The kept still; where none was kept, one decoded from the archive."""
    event = await _existing(call)
    with_box = params.flag_of(call.request, "box", True)
    await watched.viewed(call, f"event/{event.id}")
    jpeg = None
    if call.box.still_of_event is not None:
        jpeg = await call.box.still_of_event(event.id, with_box)
    if jpeg is None:
        archive, vision = there(call.box.archive, "the archive"), there(call.box.vision, "pictures")
        source = await archive.frame_source(event.camera_id, "main", event.start_ns)
        jpeg = await vision.still_from(source, event.bbox if with_box else None)
    return web.Response(
        body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"}
    )


async def clip(call: Call) -> web.StreamResponse:
    """From 5 s before to 5 s after, as far as it exists by now."""
    event = await _existing(call)
    if not event.has_clip:
        raise not_found("clip of event", event.id)
    start_ns = event.start_ns - AROUND_NS
    end_ns = (event.end_ns or event.start_ns) + AROUND_NS
    archive = there(call.box.archive, "the archive")
    # Of an event that lies ahead, since the clock was set back behind it, all is there that will be.
    as_of_ns = end_ns if event.created_ns > call.box.clock.now_ns() + AROUND_NS else 0
    work = partial(archive.clip, event.camera_id, "main", start_ns, end_ns, as_of_ns=as_of_ns)
    found = await steady(call, work)
    await watched.viewed(call, f"event/{event.id}")
    return await serve_clip(call.request, found, f"{event.camera_id}-{event.type}", start_ns)


async def _existing(call: Call) -> Event:
    id_ = call.name("id")

    def look(conn: sqlite3.Connection) -> Event | None:
        return events.get(conn, id_)

    event = await call.box.db.read(look)
    if event is None:
        raise not_found("event", id_)
    call.must_see(event.camera_id, "event", id_)
    return event


_ONE = f"{API}/events/{{id:[A-Za-z0-9-]{{1,64}}}}"
ROUTES = (
    Route(
        "GET",
        f"{API}/events",
        "viewer",
        list_events,
        "Events, newest first",
        EventsAnswer,
        query=(
            Query("camera_id", "only of these", repeats=True),
            Query("type", "only these, e.g. zone_enter", repeats=True),
            Query("class_name", "only these, e.g. person", repeats=True),
            Query("severity", "info, warning, critical", repeats=True),
            Query("start_time", "happened at or after; RFC 3339"),
            Query("end_time", "happened before; RFC 3339"),
            Query("min_confidence", "0 to 1", "number"),
            *PAGE,
        ),
    ),
    Route("GET", _ONE, "viewer", show, "One event", EventAnswer),
    Route(
        "GET",
        f"{_ONE}/snapshot.jpg",
        "viewer",
        snapshot,
        "Its still",
        "image/jpeg",
        query=(Query("box", "1 (default): with the box drawn", "integer"),),
    ),
    Route("GET", f"{_ONE}/clip.mp4", "viewer", clip, "Its clip", "video/mp4", also=(206, 416)),
)
