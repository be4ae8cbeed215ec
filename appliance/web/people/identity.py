"""/identity: who this box is, for whoever enrols it by hand. Public keys only."""

import base64
import sqlite3

import msgspec
from aiohttp import web

from appliance.store import identity
from appliance.system.tunnel import kept, qr
from appliance.web.routes import API, Call, Route, answer


class BoxIdentity(msgspec.Struct, forbid_unknown_fields=True):
    """``fingerprint``: of the identity key, as the hub shows it, to be compared by people.
    ``tunnel_key``: public, base64. ``text``: what the QR code says."""

    device_id: str
    fingerprint: str
    tunnel_key: str
    text: str


class IdentityAnswer(msgspec.Struct, forbid_unknown_fields=True):
    identity: BoxIdentity


async def _read(call: Call) -> BoxIdentity:
    """Its keys are made when they are first asked for: an installer compares them before the enrolment."""
    sealer, now_ns, device_id = call.box.sealer, call.now_ns, call.box.device_id

    def work(conn: sqlite3.Connection) -> BoxIdentity:
        own = identity.ensure(conn, sealer, now_ns)
        tunnel_key = kept.ensure_keys(conn, sealer).public
        text = qr.text(device_id, tunnel_key, base64.b64encode(own.public_key).decode())
        return BoxIdentity(device_id, own.fingerprint, tunnel_key, text)

    return await call.box.db.write(work)


async def show(call: Call) -> web.StreamResponse:
    return answer({"identity": await _read(call)})


async def picture(call: Call) -> web.StreamResponse:
    svg = qr.svg((await _read(call)).text)
    return web.Response(text=svg, content_type="image/svg+xml", headers={"Cache-Control": "no-store"})


ROUTES = (
    Route("GET", f"{API}/identity", "installer", show, "Who this box is: public keys", IdentityAnswer),
    Route("GET", f"{API}/identity.svg", "installer", picture, "The same as a QR code", "image/svg+xml"),
)
