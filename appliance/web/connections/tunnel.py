"""/tunnel: the box's end of it, as it is, and what a person can do about it.

What runs the tunnel may be another program than this one (it needs a right that the daemon has not): its
state is read from where it writes it, and what is wanted is written where it looks.
"""

import asyncio
import sqlite3
from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.wire import time_or_none
from appliance.store import audit, hub_link
from appliance.system.tunnel import kept, state
from appliance.system.tunnel.kept import Wanted
from appliance.system.tunnel.keys import Keys
from appliance.system.tunnel.state import TunnelState
from appliance.web.box import Box
from appliance.web.routes import API, Call, Route, answer

NOT_ENROLLED = "enrol the box at its hub first: it brings the tunnel"
NONE_OFFERED = "this box's hub offers no tunnel: the box reaches it without one"
NOBODY = "start it: systemctl start aries-tunnel"


class TunnelView(msgspec.Struct, forbid_unknown_fields=True):
    """``wanted``: a person or the enrolment wants it up. ``is_configured``: there is something to put up.
    ``is_running``: a program minds it now. ``hint``: the operator's next step, empty where all is well.
    ``rotation``: steady, announced (``next_key`` waits for the endpoint) or trying. ``address``: ours
    inside. ``public_key`` and ``next_key`` are public ones."""

    state: str
    is_configured: bool
    wanted: bool
    is_running: bool
    detail: str
    hint: str
    since: str | None
    handshake_at: str | None
    handshake_age_s: float | None
    address: str
    endpoint: str
    public_key: str
    next_key: str
    backend: str
    because: str
    rotation: str
    heals: int
    restarts: int


class RotateBody(msgspec.Struct, forbid_unknown_fields=True):
    """``acknowledged``: the announced key, which the endpoint takes now: change over to it. Left out:
    make and announce a new one."""

    acknowledged: Annotated[str, msgspec.Meta(max_length=44)] | None = None


class TunnelAnswer(msgspec.Struct, forbid_unknown_fields=True):
    tunnel: TunnelView


async def view(box: Box) -> TunnelView:
    def look(conn: sqlite3.Connection) -> tuple[Wanted, bool, Keys | None]:
        try:
            keys = kept.keys(conn, box.sealer)
        except ApplianceError:  # another secret than they were sealed under: the state is shown all the same
            keys = None
        return kept.wanted(conn), hub_link.get(conn) is not None, keys

    wanted, is_enrolled, keys = await box.db.read(look)
    found = await asyncio.to_thread(state.read, box.data_path)
    return tunnel_view(wanted, found, keys, box.clock.now_ns(), is_enrolled=is_enrolled)


def tunnel_view(
    wanted: Wanted, found: TunnelState | None, keys: Keys | None, now_ns: int, *, is_enrolled: bool
) -> TunnelView:
    now = found or TunnelState(detail="no program runs it" if wanted.on else "")
    hint = now.hint
    if wanted.config is None:
        hint = NONE_OFFERED if is_enrolled else NOT_ENROLLED
    elif found is None and wanted.on:
        hint = NOBODY
    elif now.state == "off":
        hint = ""  # the button beside it says it
    age_s = None
    if now.handshake_ns is not None:
        age_s = max(0.0, round((now_ns - now.handshake_ns) / SECOND_NS, 1))
    return TunnelView(
        state=now.state,
        is_configured=wanted.config is not None,
        wanted=wanted.on,
        is_running=found is not None,
        detail=now.detail,
        hint=hint,
        since=rfc3339(now.since_ns) if now.since_ns else None,
        handshake_at=time_or_none(now.handshake_ns),
        handshake_age_s=age_s,
        address=wanted.config.address if wanted.config else "",
        endpoint=now.endpoint or (wanted.config.endpoint if wanted.config else ""),
        public_key=now.public_key,
        next_key=keys.next_public if keys else "",
        backend=now.backend,
        because=now.because,
        rotation=keys.phase if keys else now.rotation,
        heals=now.heals,
        restarts=now.restarts,
    )


async def show(call: Call) -> web.StreamResponse:
    return answer({"tunnel": await view(call.box)})


async def up(call: Call) -> web.StreamResponse:
    return await _switch(call, True)


async def down(call: Call) -> web.StreamResponse:
    return await _switch(call, False)


async def rotate(call: Call) -> web.StreamResponse:
    """Two steps, so that neither end is left with a key that the other does not take: the new key is
    announced, and used when somebody says that the endpoint takes it."""
    body, sealer, now_ns = await call.body(RotateBody), call.box.sealer, call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        if body.acknowledged is None:
            kept.announce(conn, sealer)
        else:
            kept.acknowledged(conn, sealer, body.acknowledged)
        detail = {"acknowledged": body.acknowledged}
        audit.add(conn, now_ns, call.user, "changed", "tunnel/keys", detail)

    await call.box.db.write(work)
    await call.changed("tunnel")
    return await show(call)


async def _switch(call: Call, on: bool) -> web.StreamResponse:
    def work(conn: sqlite3.Connection) -> None:
        kept.switch(conn, on)
        audit.add(conn, call.now_ns, call.user, "changed", "tunnel", {"on": on})

    await call.box.db.write(work)
    await call.changed("tunnel")
    return await show(call)


_PATH = f"{API}/tunnel"
_ANSWER: Any = TunnelAnswer
ROUTES = (
    Route("GET", _PATH, "installer", show, "The tunnel, and the next step", _ANSWER),
    Route("POST", f"{_PATH}/up", "admin", up, "Put the tunnel up", _ANSWER, also=(409,)),
    Route("POST", f"{_PATH}/down", "admin", down, "Take the tunnel down", _ANSWER),
    Route(
        "POST", f"{_PATH}/rotate", "admin", rotate, "Announce a new key, then use it", _ANSWER, RotateBody,
        also=(409,),
    ),
)  # fmt: skip
