"""What both WebSockets have in common: who may open one, what ends it, and how it is ended.

Dead peers are found by TCP itself (keep-alive and user timeout), so that a reader who is merely slow
is told so with a close code instead of being cut off by an unanswered ping.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from appliance.base.model import User
from appliance.web.people import auth, sessions
from appliance.web.routes import Call

log = logging.getLogger(__name__)

NORMAL = 1000
GOING_AWAY = 1001
SIGNED_OUT = 4001
CAMERA_GONE = 4004
TOO_SLOW = 4008
FAILED = 1011

CHECK_EVERY_S = 60.0
PING_EVERY_S = 25.0  # proxies drop silent connections after 30 to 60 s
PATIENCE_S = 10.0  # for the close frame to reach somebody who hardly reads
UNSENT_BYTES = 128 * 1024  # kernel buffers of megabytes would be seconds of picture on a thin link


@dataclass(slots=True)
class Sockets:
    """All open ones, to end them before the server waits for them."""

    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    open: int = 0


SOCKETS: web.AppKey[Sockets] = web.AppKey("sockets", Sockets)


def check(request: web.Request) -> None:
    """The page is ours, and it wants a WebSocket; raises 403 or 426."""
    auth.check_origin(request)
    if not web.WebSocketResponse().can_prepare(request).ok:
        raise web.HTTPUpgradeRequired(reason="WebSocket only")


async def accept(request: web.Request) -> web.WebSocketResponse:
    """Upgrade. Compression would cost more than it saves on video, and a context of 64 kB per viewer."""
    ws = web.WebSocketResponse(compress=False, max_msg_size=64 * 1024, timeout=PATIENCE_S)
    await ws.prepare(request)
    _tune(request)
    return ws


async def hold(
    call: Call,
    ws: web.WebSocketResponse,
    *work: Coroutine[Any, Any, int],
    changed: Callable[[User], bool] = lambda user: True,
) -> web.WebSocketResponse:
    """Until any of ``work`` returns a close code, the peer leaves, the sign-in ends or the box stops.

    ``changed`` is told each minute who the person is by now; False ends the socket.
    """
    sockets = call.request.app[SOCKETS]
    tasks = [
        asyncio.ensure_future(task)
        for task in (*work, _receive(ws), _ping(call, ws), _welcome(call, changed), _stop(sockets))
    ]
    sockets.open += 1
    code = FAILED
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        code = _code(done)
    finally:
        sockets.open -= 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _close(call.request, ws, code)
    return ws


def _code(done: set[asyncio.Task[int]]) -> int:
    codes = []
    for task in done:
        error = task.exception()
        if error is None:
            codes.append(task.result())
        elif not isinstance(error, ConnectionError):
            # Upgraded already: there is no status left to say it with, only a close code.
            log.error("a socket failed: %s", error, exc_info=error)
            codes.append(FAILED)
    return max(codes, default=NORMAL)


async def _close(request: web.Request, ws: web.WebSocketResponse, code: int) -> None:
    transport = request.transport
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ws.close(code=code)
    except (TimeoutError, ConnectionError):
        if transport is not None:
            transport.abort()


async def _receive(ws: web.WebSocketResponse) -> int:
    """Clients have nothing to say; reading notices when they go, and answers their pings."""
    async for message in ws:
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            break
    return NORMAL


async def _ping(call: Call, ws: web.WebSocketResponse) -> int:
    while not ws.closed:
        await call.box.clock.sleep(PING_EVERY_S)
        await ws.ping()
    return NORMAL


async def _welcome(call: Call, changed: Callable[[User], bool]) -> int:
    who, slid_ns = call.who, call.now_ns
    while who is not None:
        await call.box.clock.sleep(CHECK_EVERY_S)
        user = await _still_welcome(call, who)
        if user is None or not changed(user):
            return SIGNED_OUT
        slide = who.session.kind == "cookie" and call.now_ns - slid_ns >= sessions.SLIDE_EVERY_NS
        if slide:  # watching is being there
            slid_ns = call.now_ns
            await _slide(call, who)
    return SIGNED_OUT


async def _still_welcome(call: Call, who: sessions.Who) -> User | None:
    now_ns = call.now_ns
    return await call.box.db.read(lambda conn: sessions.still_welcome(conn, who, now_ns))


async def _slide(call: Call, who: sessions.Who) -> None:
    now_ns = call.now_ns
    await call.box.db.write(lambda conn: sessions.slide(conn, who.session, now_ns))


async def _stop(sockets: Sockets) -> int:
    await sockets.stopping.wait()
    return GOING_AWAY


def _tune(request: web.Request) -> None:
    transport = request.transport
    peer: socket.socket | None = transport.get_extra_info("socket") if transport else None
    if peer is None or peer.family not in (socket.AF_INET, socket.AF_INET6):
        return
    options = (
        ("TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        ("TCP_KEEPIDLE", 30),
        ("TCP_KEEPINTVL", 10),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 60_000),
    )
    for name, value in options:
        number = getattr(socket, name, {"TCP_NOTSENT_LOWAT": 25}.get(name))
        if number is not None:
            peer.setsockopt(socket.IPPROTO_TCP, number, value)
