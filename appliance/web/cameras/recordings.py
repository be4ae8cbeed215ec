"""What is recorded: spans and gaps, clips, HLS over the same files; spans locked by people."""

import math
import sqlite3
from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError, not_found
from appliance.base.model import Lock
from appliance.media.span import Span
from appliance.store import audit, locks
from appliance.web import params
from appliance.web.cameras import watched
from appliance.web.cameras.cameras import ONE, existing
from appliance.web.cameras.files import serve_clip, steady
from appliance.web.params import PLAIN, Time
from appliance.web.routes import API, INTERVAL, STREAM, Call, Route, answer, nothing, there
from appliance.web.shapes import LockAnswer, RecordingsAnswer

LONGEST_CLIP_NS = 24 * 3600 * SECOND_NS
LONGEST_LOOK_NS = 400 * 24 * 3600 * SECOND_NS
HLS_TYPE = "application/vnd.apple.mpegurl"


class LockBody(msgspec.Struct, forbid_unknown_fields=True):
    start_time: Time
    end_time: Time
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=PLAIN)]


async def recordings(call: Call) -> web.StreamResponse:
    start_ns, end_ns = params.interval_of(call.request, longest_ns=LONGEST_LOOK_NS)
    stream = params.stream_of(call.request)
    camera = await existing(call, archived=True)
    end_ns = min(end_ns, call.now_ns)
    if end_ns <= start_ns:
        return answer({"spans": [], "start": rfc3339(start_ns), "end": rfc3339(start_ns), "bytes": 0})
    archive = there(call.box.archive, "the archive")
    found = await archive.recordings(camera.id, stream, start_ns, end_ns)
    await watched.viewed(call, f"camera/{camera.id}/recordings")
    return answer(
        {
            "spans": [_span_json(span) for span in found.spans],
            "start": rfc3339(found.start_ns),
            "end": rfc3339(found.end_ns),
            "bytes": found.bytes_,
        }
    )


async def clip(call: Call) -> web.StreamResponse:
    start_ns, end_ns = params.interval_of(call.request, longest_ns=LONGEST_CLIP_NS)
    stream = params.stream_of(call.request)
    camera = await existing(call, archived=True)
    archive = there(call.box.archive, "the archive")
    found = await steady(call, lambda: archive.clip(camera.id, stream, start_ns, end_ns))
    span = f"{rfc3339(start_ns)}/{rfc3339(end_ns)}"
    await watched.exported(call, f"camera/{camera.id}/{stream}/{span}")
    return await serve_clip(call.request, found, camera.id, start_ns)


async def playlist(call: Call) -> web.StreamResponse:
    start_ns, end_ns = params.interval_of(call.request, longest_ns=LONGEST_CLIP_NS)
    stream = params.stream_of(call.request)
    camera = await existing(call, archived=True)
    text = await there(call.box.archive, "the archive").playlist(camera.id, stream, start_ns, end_ns)
    await watched.viewed(call, f"camera/{camera.id}/recordings")
    return web.Response(
        body=text.encode(), headers={"Content-Type": HLS_TYPE, "Cache-Control": "private, no-cache"}
    )


async def segment(call: Call) -> web.StreamResponse:
    """A segment's file, as it is: what a playlist points into."""
    stream = params.stream_of(call.request)
    camera = await existing(call, archived=True)
    path = await there(call.box.archive, "the archive").file(camera.id, stream, call.name("key"))
    return web.FileResponse(path, headers={"Content-Type": "video/mp4", "Cache-Control": "private, no-cache"})


async def lock(call: Call) -> web.StreamResponse:
    body = await call.body(LockBody)
    camera = await existing(call, archived=True)
    start_ns, end_ns = params.checked_interval(
        params.time_from(body.start_time, "start_time"), params.time_from(body.end_time, "end_time")
    )
    archive, user, now_ns = there(call.box.archive, "the archive"), call.user, call.now_ns
    made, days = await archive.lock(camera.id, start_ns, end_ns, body.reason, "person", user.id)
    detail = {"locked": body.reason, "start_time": rfc3339(start_ns), "end_time": rfc3339(end_ns)}
    await call.box.db.write(
        lambda conn: audit.add(conn, now_ns, user, "changed", f"camera/{camera.id}", detail)
    )
    return answer({"lock": _lock_json(made), "ring_days_remaining": _days(days)}, 201)


async def unlock(call: Call) -> web.StreamResponse:
    id_, user, now_ns = call.name("id"), call.user, call.now_ns

    def look(conn: sqlite3.Connection) -> Lock | None:
        return locks.get(conn, id_)

    found = await call.box.db.read(look)
    if found is None:
        raise not_found("lock", id_)
    call.must_see(found.camera_id, "lock", id_)
    if found.owner != "person":
        raise ApplianceError(
            "conflict",
            "the box itself pins this footage",
            "it is let go when the event or its delivery is done",
        )
    await there(call.box.archive, "the archive").unlock(id_)
    await call.box.db.write(
        lambda conn: audit.add(conn, now_ns, user, "changed", f"camera/{found.camera_id}", {"unlocked": id_})
    )
    return nothing()


def _span_json(span: Span) -> dict[str, Any]:
    return {
        "start": rfc3339(span.start_ns),
        "end": rfc3339(span.end_ns),
        "state": span.state,
        "cause": span.cause,
        "locked": span.locked,
        "time_unsure": span.time_unsure,
    }


def _days(days: float) -> float | None:
    """None where nothing would push out what is recorded."""
    return round(days, 2) if math.isfinite(days) else None


def _lock_json(lock: Lock) -> dict[str, Any]:
    return {
        "id": lock.id,
        "camera_id": lock.camera_id,
        "start_time": rfc3339(lock.start_ns),
        "end_time": rfc3339(lock.end_ns),
        "reason": lock.reason,
        "owner": lock.owner,
        "created_at": rfc3339(lock.created_ns),
    }


_SPAN = (*INTERVAL, STREAM)
ROUTES = (
    Route("GET", f"{ONE}/recordings", "viewer", recordings, "Spans and gaps", RecordingsAnswer, query=_SPAN),
    Route(
        "GET",
        f"{ONE}/clip.mp4",
        "viewer",
        clip,
        "One progressive MP4",
        "video/mp4",
        query=_SPAN,
        also=(206, 409, 416),
    ),
    Route("GET", f"{ONE}/playlist.m3u8", "viewer", playlist, "HLS of a span", HLS_TYPE, query=_SPAN),
    Route(
        "GET",
        f"{ONE}/segments/{{key:[A-Za-z0-9_-]{{1,400}}}}.mp4",
        "viewer",
        segment,
        "A segment's file",
        "video/mp4",
        query=(STREAM,),
        also=(206, 416),
    ),
    Route("POST", f"{ONE}/locks", "operator", lock, "Lock a span", LockAnswer, LockBody, status=201),
    Route(
        "DELETE",
        f"{API}/locks/{{id:[A-Za-z0-9-]{{1,64}}}}",
        "operator",
        unlock,
        "Unlock",
        status=204,
        also=(409,),
    ),
)
