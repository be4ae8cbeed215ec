"""/ws/live/{camera}: one fragment per frame, as the recorder made it.

A text frame names the parameters, a binary one holds the init segment, then each binary frame is
one moof+mdat. A viewer who cannot keep up skips to the next key frame; nobody waits for them.
"""

import asyncio

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.model import User
from appliance.media.fragment import StreamInit
from appliance.web import params
from appliance.web.cameras import watched
from appliance.web.cameras.cameras import existing
from appliance.web.live import sockets
from appliance.web.people.access import sees
from appliance.web.ports import Viewer
from appliance.web.routes import STREAM, Call, Route, there

BEHIND_BYTES = 512 * 1024


async def ws_live(call: Call) -> web.StreamResponse:
    stream = params.stream_of(call.request)
    camera = await existing(call)
    hub = there(call.box.recorder, "live view").live
    sockets.check(call.request)
    await watched.viewed(call, f"camera/{camera.id}/live")

    def may(user: User) -> bool:
        return sees(user, camera.id)

    viewer = hub.open(camera.id, stream)
    try:
        ws = await sockets.accept(call.request)
        return await sockets.hold(call, ws, _send(call, ws, viewer), changed=may)
    finally:
        viewer.close()


async def _send(call: Call, ws: web.WebSocketResponse, viewer: Viewer) -> int:
    transport = call.request.transport
    while (item := await viewer.next()) is not None:
        if isinstance(item, StreamInit):
            await ws.send_str(init_message(item))
            await ws.send_bytes(item.init)
        elif _unsent(transport) > BEHIND_BYTES:
            viewer.skip_to_key()
        else:
            await ws.send_bytes(b"".join((item.head, item.body)))
    return sockets.CAMERA_GONE


def init_message(init: StreamInit) -> str:
    """``start_time`` is the wall time of the run's zero."""
    return msgspec.json.encode(
        {"type": "init", "mime": init.mime, "stream": init.stream, "start_time": rfc3339(init.start_ns)}
    ).decode()


def _unsent(transport: asyncio.Transport | None) -> int:
    return 0 if transport is None else transport.get_write_buffer_size()


ROUTES = (
    Route(
        "GET",
        "/ws/live/{id:[a-z0-9-]{1,63}}",
        "viewer",
        ws_live,
        "Text {type: init, mime, stream, start_time}, the init segment, then a fragment per binary frame",
        "websocket",
        query=(STREAM,),
        status=101,
    ),
)
