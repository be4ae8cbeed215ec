"""/cameras: what is connected, and how."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.ids import free_slug
from appliance.base.model import Camera, CameraStatus, Credentials
from appliance.base.wire import camera_json
from appliance.media.fragment import StreamInit
from appliance.store import audit, camera_identities, cameras
from appliance.web import params
from appliance.web.box import Box
from appliance.web.cameras import watched
from appliance.web.cameras.body import (
    CameraBody,
    ProbeBody,
    check_body,
    destinations_of,
    open_secret,
    seal_for,
    to_camera,
)
from appliance.web.cameras.device import identity_of, known_by
from appliance.web.connections.addresses import one_credential, read_address
from appliance.web.people.access import must_see_all, only_seen
from appliance.web.routes import API, STREAM, Call, Query, Route, answer, nothing, there
from appliance.web.shapes import CameraAnswer, CamerasAnswer, LiveAnswer, ProbeAnswer

HLS_BACK_NS = 30 * SECOND_NS
HLS_AHEAD_NS = 12 * 3600 * SECOND_NS  # a playlist whose end lies ahead grows until then
FIRST_LOOK_S = 0.05


def status_of(box: Box, camera: Camera) -> CameraStatus:
    """Of the main stream; a box whose recorder is not up yet says ``connecting``."""
    if box.recorder is None:
        return CameraStatus("connecting" if camera.enabled else "disabled", box.clock.now_ns())
    return box.recorder.status(camera.id)


def one_json(box: Box, camera: Camera) -> dict[str, Any]:
    return camera_json(camera, status_of(box, camera))


async def existing(call: Call, *, archived: bool = False) -> Camera:
    """The camera in the path; raises ``not_found`` also for one this person may not see."""
    id_ = call.name("id")
    call.must_see(id_)
    camera = await call.box.db.read(lambda conn: cameras.get(conn, id_))
    if camera is None or (camera.archived_ns is not None and not archived):
        raise not_found("camera", id_)
    return camera


async def list_cameras(call: Call) -> web.StreamResponse:
    found = only_seen(call.user, await call.box.db.read(cameras.list_cameras))
    return answer({"cameras": [one_json(call.box, camera) for camera in found]})


async def show(call: Call) -> web.StreamResponse:
    return answer({"camera": one_json(call.box, await existing(call))})


async def add(call: Call) -> web.StreamResponse:
    must_see_all(call.user)
    body = await call.body(CameraBody)
    if body.id is not msgspec.UNSET:
        raise invalid("the id is made from the name", "leave it out", field="id")
    wanted = check_body(body, allow_file=call.box.allow_file_sources)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> Camera:
        id_ = free_slug(body.name, cameras.taken_ids(conn))
        camera = to_camera(body, wanted, id_, None, now_ns)
        sealed = seal_for(conn, call.box.sealer, camera, None, wanted)
        cameras.insert(conn, camera, None if isinstance(sealed, cameras.Keep) else sealed)
        detail: dict[str, Any] = {"added": camera.name}
        told = identity_of(body.device, camera, now_ns)
        if told is not None:
            camera_identities.put(conn, told)
            detail["known_by"] = known_by(told)
        audit.add(conn, now_ns, call.user, "changed", f"camera/{id_}", detail)
        return camera

    camera = await call.box.db.write(work)
    await call.changed("cameras")
    return answer({"camera": one_json(call.box, camera)}, 201)


async def replace(call: Call) -> web.StreamResponse:
    body = await call.body(CameraBody)
    before = await existing(call)
    if body.id is not msgspec.UNSET and body.id != before.id:
        raise invalid("a camera keeps its id", "leave it out, or send the old one", field="id")
    wanted = check_body(body, allow_file=call.box.allow_file_sources)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> Camera:
        current = cameras.get(conn, before.id)
        if current is None or current.archived_ns is not None:
            raise not_found("camera", before.id)
        camera = to_camera(body, wanted, current.id, current, now_ns)
        sealed = seal_for(conn, call.box.sealer, camera, current, wanted)
        cameras.update(conn, camera, sealed)
        changed = [f for f in camera.__struct_fields__ if getattr(camera, f) != getattr(current, f)]
        if wanted.credentials is not None:
            changed.append("password")
        told = identity_of(body.device, camera, now_ns)
        if told is not None:
            if isinstance(sealed, cameras.Keep):  # it would follow a stranger, with the password of another
                hint = "enter user name and password again, so that the old one is not sent to a stranger"
                raise invalid("this may be another device", hint, field="password")
            camera_identities.put(conn, told)
            changed.append("device")
        audit.add(conn, now_ns, call.user, "changed", f"camera/{camera.id}", {"changed": changed})
        return camera

    camera = await call.box.db.write(work)
    await call.changed("cameras")
    return answer({"camera": one_json(call.box, camera)})


async def remove(call: Call) -> web.StreamResponse:
    camera = await existing(call)
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        cameras.archive(conn, camera.id, now_ns)
        audit.add(conn, now_ns, call.user, "changed", f"camera/{camera.id}", {"archived": camera.name})

    await call.box.db.write(work)
    await call.changed("cameras")
    return nothing()


async def test(call: Call) -> web.StreamResponse:
    """Asks the device what it sends; nothing is stored."""
    body = await call.body(ProbeBody)
    address = read_address(body.rtsp_url, "rtsp_url", allow_file=call.box.allow_file_sources)
    explicit = Credentials(body.username or "", body.password) if body.password is not None else None
    credentials = one_credential("password", explicit, address.credentials)
    if credentials is None and body.camera_id is not None:
        call.must_see(body.camera_id)
        credentials = await _stored(call.box, body.camera_id, address.destination)
    if credentials is None and body.username:
        credentials = Credentials(body.username, "")
    report = await there(call.box.probe, "the camera test")(address.url, credentials)
    return answer(msgspec.to_builtins(report))


async def _stored(box: Box, camera_id: str, destination: tuple[str, str, int] | None) -> Credentials | None:
    def look(conn: sqlite3.Connection) -> tuple[Camera | None, bytes | None]:
        return cameras.get(conn, camera_id), cameras.secret(conn, camera_id)

    camera, sealed = await box.db.read(look)
    if camera is None or sealed is None or destination not in destinations_of(camera):
        return None
    return open_secret(box.sealer, camera_id, sealed)


async def snapshot(call: Call) -> web.StreamResponse:
    """The analysed frame of the last 2 s where there is one, else decoded from the archive."""
    camera = await existing(call, archived=True)
    asked_ns = params.time_of(call.request, "time")
    time_ns = call.now_ns if asked_ns is None else asked_ns
    vision = there(call.box.vision, "pictures")
    await watched.viewed(call, f"camera/{camera.id}/snapshot")
    jpeg = None
    if call.now_ns - time_ns < 2 * SECOND_NS:
        try:
            jpeg = await vision.still(camera.id, time_ns, None)
        except ApplianceError as error:
            if error.kind not in ("not_found", "unavailable"):
                raise
    if jpeg is None:
        source = await there(call.box.archive, "the archive").frame_source(camera.id, "main", time_ns)
        jpeg = await vision.still_from(source, None)
    return web.Response(body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def live(call: Call) -> web.StreamResponse:
    camera = await existing(call)
    stream = params.stream_of(call.request)
    recorder = there(call.box.recorder, "live view")
    if not recorder.has_stream(camera.id, stream):
        stream = "main"
    now_ns = call.now_ns
    span = {
        "start_time": rfc3339(now_ns - HLS_BACK_NS),
        "end_time": rfc3339(now_ns + HLS_AHEAD_NS),
        "stream": stream,
    }
    return answer(
        {
            "ws_url": f"/ws/live/{camera.id}?stream={stream}",
            "hls_url": f"{API}/cameras/{camera.id}/playlist.m3u8?{urlencode(span)}",
            "mime": await _mime(call.box, camera.id, stream),
        }
    )


async def _mime(box: Box, camera_id: str, stream: str) -> str | None:
    """Of the current run; None where nothing came from the camera yet."""
    try:
        viewer = there(box.recorder, "live view").live.open(camera_id, stream)
    except ApplianceError:
        return None
    try:
        first = await asyncio.wait_for(viewer.next(), FIRST_LOOK_S)
    except TimeoutError:
        return None
    finally:
        viewer.close()
    return first.mime if isinstance(first, StreamInit) else None


def file_stamp(time_ns: int) -> str:
    """For names of downloads: 20260120T143000Z."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).strftime("%Y%m%dT%H%M%SZ")


ONE = f"{API}/cameras/{{id:[a-z0-9-]{{1,63}}}}"
ROUTES = (
    Route("GET", f"{API}/cameras", "viewer", list_cameras, "All cameras", CamerasAnswer),
    Route("POST", f"{API}/cameras", "installer", add, "Add a camera", CameraAnswer, CameraBody, status=201),
    Route(
        "POST", f"{API}/cameras/test", "installer", test, "Ask a device what it sends", ProbeAnswer, ProbeBody
    ),
    Route("GET", ONE, "viewer", show, "One camera", CameraAnswer),
    Route("PUT", ONE, "installer", replace, "Replace a camera", CameraAnswer, CameraBody),
    Route("DELETE", ONE, "installer", remove, "Archive a camera", status=204),
    Route(
        "GET",
        f"{ONE}/snapshot.jpg",
        "viewer",
        snapshot,
        "A still: the newest, or at a time",
        "image/jpeg",
        query=(Query("time", "RFC 3339; left out: now"),),
    ),
    Route("GET", f"{ONE}/live", "viewer", live, "Where to watch", LiveAnswer, query=(STREAM,)),
)
