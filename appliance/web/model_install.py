"""/models: installing one. Asked for, begun, and seen to its end in GET /models."""

import sqlite3

import msgspec
from aiohttp import web

from appliance.store import audit
from appliance.web.model_shapes import InstallAnswer
from appliance.web.models import NAMELESS, install_json
from appliance.web.ports import ModelInstall
from appliance.web.routes import API, Call, Query, Route, answer, there

CHUNK_BYTES = 1 << 20
UNNAMED = "model.zip"


class InstallBody(msgspec.Struct, forbid_unknown_fields=True):
    """``accept_licence``: where it binds the owner (AGPL, not for business), somebody has to say so."""

    accept_licence: bool = False


async def known(call: Call) -> web.StreamResponse:
    name, body = call.name("name"), await call.body(InstallBody)
    begun = there(call.box.models, NAMELESS).install(name, body.accept_licence)
    return await _begun(call, begun, body.accept_licence)


async def upload(call: Call) -> web.StreamResponse:
    """The body is the file itself."""
    request = call.request
    accepted = request.query.get("accept_licence") == "true"
    chunks = request.content.iter_chunked(CHUNK_BYTES)
    models = there(call.box.models, NAMELESS)
    name = request.query.get("name", UNNAMED)
    begun = await models.receive(chunks, request.content_length, name, accepted)
    return await _begun(call, begun, accepted)


async def _begun(call: Call, begun: ModelInstall, accepted: bool) -> web.StreamResponse:
    now_ns, user, detail = call.now_ns, call.user, {"installed": begun.name, "licence_accepted": accepted}

    def work(conn: sqlite3.Connection) -> None:
        audit.add(conn, now_ns, user, "changed", "models", detail)

    await call.box.db.write(work)
    return answer({"installing": install_json(begun)}, 202)


ROUTES = (
    Route(
        "POST",
        f"{API}/models/{{name}}/install",
        "admin",
        known,
        "Install a known model: from a stick or the network; how it goes is in GET /models",
        InstallAnswer,
        InstallBody,
        status=202,
        also=(409,),
    ),
    Route(
        "POST",
        f"{API}/models",
        "admin",
        upload,
        "Install a model pack (.zip) or a known model's file; the body is the file",
        InstallAnswer,
        query=(Query("name", "of the file"), Query("accept_licence", "true: where it binds the owner")),
        status=202,
        also=(409,),
    ),
)
