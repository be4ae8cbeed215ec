"""/system/care, /system/support, /system/backup: one file for who helps, and one to be the same box again.

Each is made behind everything else, one at a time; the screen asks how far it is. The bundle opens nothing
and shows no picture; the backup holds everything but footage, and lies on a stick under a passphrase.
"""

import sqlite3
from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.store import audit
from appliance.web.cameras.cameras import file_stamp
from appliance.web.care_port import Care, CareState, Footage
from appliance.web.routes import API, Call, Route, answer, nothing, there

KIND = "application/gzip"


class CareAnswer(msgspec.Struct):
    care: CareState


class BackupBody(msgspec.Struct, forbid_unknown_fields=True):
    """``folder``: of a stick, as the state names it. ``passphrase``: of the file; it is kept nowhere."""

    folder: Annotated[str, msgspec.Meta(max_length=1000)]
    passphrase: Annotated[str, msgspec.Meta(max_length=1000)]

    def __repr__(self) -> str:
        return "BackupBody(…)"


class ResetBody(msgspec.Struct, forbid_unknown_fields=True):
    """``footage``: whether the recordings stay."""

    footage: Footage


def _care(call: Call) -> Care:
    return there(call.box.care, "the care of this box")


async def _state(call: Call, status: int = 200) -> web.StreamResponse:
    return answer({"care": await _care(call).state()}, status)


async def show(call: Call) -> web.StreamResponse:
    return await _state(call)


async def make_support(call: Call) -> web.StreamResponse:
    await _care(call).make_support()
    return await _state(call, 201)


async def back_up(call: Call) -> web.StreamResponse:
    body = await call.body(BackupBody)
    await _care(call).back_up(body.folder, body.passphrase, call.user)
    return await _state(call, 201)


async def ask_reset(call: Call) -> web.StreamResponse:
    body = await call.body(ResetBody)
    await _care(call).ask_reset(body.footage, call.user)
    return await _state(call, 201)


async def call_off_reset(call: Call) -> web.StreamResponse:
    await _care(call).call_off_reset(call.user)
    return nothing()


async def bundle(call: Call) -> web.StreamResponse:
    path = _care(call).bundle()
    await _note(call)
    return web.FileResponse(path, headers=_headers(call) | {"Content-Type": KIND})


async def support(call: Call) -> web.StreamResponse:
    make = there(call.box.support, "the support bundle")
    await _note(call)
    return web.Response(body=await make(), content_type=KIND, headers=_headers(call))


async def _note(call: Call) -> None:
    """On disk before the first byte leaves: it names the site's cameras and addresses."""
    user, now_ns = call.user, call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        audit.add(conn, now_ns, user, "exported", "support", {})

    await call.box.db.write(work)


def _headers(call: Call) -> dict[str, Any]:
    name = f"support-{file_stamp(call.now_ns)}.tar.gz"
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


_SUPPORT, _BACKUP, _RESET = (f"{API}/system/{noun}" for noun in ("support", "backup", "reset"))
ROUTES = (
    Route(
        "GET", f"{API}/system/care", "admin", show, "Bundle, backup, sticks: what is there and how far it is",
        CareAnswer,
    ),
    Route("GET", _SUPPORT, "admin", support, "A bundle for who helps, made now", KIND),
    Route("POST", _SUPPORT, "admin", make_support, "Make a bundle for who helps", CareAnswer, status=201),
    Route("GET", f"{_SUPPORT}/bundle.tar.gz", "admin", bundle, "The bundle that was made last", KIND),
    Route(
        "POST", _RESET, "admin", ask_reset,
        "Ask for a factory reset: it begins when a stick with the box's id is plugged in then",
        CareAnswer, ResetBody, status=201,
    ),
    Route("DELETE", _RESET, "admin", call_off_reset, "Call it off", status=204),
    Route("POST", _BACKUP, "admin", back_up, "Back up to a stick", CareAnswer, BackupBody, status=201),
)  # fmt: skip
