"""/system/update: the box's own software: a bundle is taken in, looked at, installed on an admin's word."""

import asyncio
import sqlite3
from typing import Any

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.store import audit
from appliance.system.update.inbox import Inbox, Offered
from appliance.web.box import Box
from appliance.web.routes import API, Call, Route, answer, nothing, there

CHUNK_BYTES = 1 << 20
NAME = "updates"


class Waiting(msgspec.Struct, forbid_unknown_fields=True):
    """``refused`` with ``needs_word``: an older version, which an admin may allow."""

    name: str
    source: str
    version: str
    size_bytes: int
    at: str
    refused: str
    hint: str
    needs_word: bool


class Stick(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    folder: str
    size_bytes: int


class State(msgspec.Struct, forbid_unknown_fields=True):
    """``phase``: none, writing (``percent``), switching, trial, going_back; or how the last one ended: good,
    back, refused, failed, with ``reason`` and ``hint``. ``possible``: this box has two boot slots."""

    possible: bool
    version: str
    phase: str
    percent: int
    from_version: str
    to_version: str
    by: str
    began_at: str | None
    ended_at: str | None
    reason: str
    hint: str
    journal: str
    asked: bool
    offered: Waiting | None
    sticks: list[Stick]


class UpdateAnswer(msgspec.Struct, forbid_unknown_fields=True):
    update: State


class InstallBody(msgspec.Struct, forbid_unknown_fields=True):
    allow_older: bool = False


class TakeBody(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    folder: str


async def state_of(box: Box) -> State:
    """In a thread: a stick that is about to fail answers when it likes."""
    return await asyncio.to_thread(_state_of, box)


def _state_of(box: Box) -> State:
    inbox = there(box.updates, NAME)
    record, offered = inbox.record, inbox.offered()
    return State(
        possible=bool(inbox.release.compatible),
        version=inbox.release.version,
        phase=record.phase,
        percent=record.percent,
        from_version=record.from_version,
        to_version=record.to_version,
        by=record.by,
        began_at=rfc3339(record.began_ns) if record.began_ns else None,
        ended_at=rfc3339(record.ended_ns) if record.ended_ns else None,
        reason=record.reason,
        hint=record.hint,
        journal=record.journal,
        asked=inbox.waits(),
        offered=None if offered is None else waiting(offered),
        sticks=[Stick(each.name, each.folder, each.size_bytes) for each in inbox.sticks()],
    )


def waiting(offered: Offered) -> Waiting:
    return Waiting(
        offered.name, offered.source, offered.version, offered.size_bytes, rfc3339(offered.at_ns),
        offered.refused, offered.hint, offered.needs_word,
    )  # fmt: skip


async def show(call: Call) -> web.StreamResponse:
    return answer({"update": await state_of(call.box)})


async def upload(call: Call) -> web.StreamResponse:
    """The body is the file itself."""
    inbox = there(call.box.updates, NAME)
    request = call.request
    chunks = request.content.iter_chunked(CHUNK_BYTES)
    name = request.query.get("name", "upload.raucb")
    offered = await inbox.receive(chunks, request.content_length, name, "screen")
    await _audit(call, "offered", offered)
    return answer({"update": await state_of(call.box)}, 201)


async def take(call: Call) -> web.StreamResponse:
    body = await call.body(TakeBody)
    offered = await there(call.box.updates, NAME).take(body.name, body.folder)
    await _audit(call, "offered", offered)
    return answer({"update": await state_of(call.box)}, 201)


async def install(call: Call) -> web.StreamResponse:
    body = await call.body(InstallBody)
    inbox: Inbox = there(call.box.updates, NAME)
    offered = inbox.install(call.user.username, allow_older=body.allow_older)
    await _audit(call, "installed", offered)
    return answer({"update": await state_of(call.box)})


async def clear(call: Call) -> web.StreamResponse:
    there(call.box.updates, NAME).clear()
    return nothing()


async def _audit(call: Call, what: str, offered: Offered) -> None:
    now_ns, user = call.now_ns, call.user
    detail: dict[str, Any] = {"what": what, "version": offered.version, "sha256": offered.sha256}

    def work(conn: sqlite3.Connection) -> None:
        audit.add(conn, now_ns, user, "changed", "update", detail)

    await call.box.db.write(work)


_PATH = f"{API}/system/update"
ROUTES = (
    Route("GET", _PATH, "viewer", show, "What runs, what waits, how the last update ended", UpdateAnswer),
    Route("POST", _PATH, "admin", upload, "Offer a bundle; the body is the file", UpdateAnswer, status=201),
    Route("DELETE", _PATH, "admin", clear, "Throw away what waits", status=204),
    Route("POST", f"{_PATH}/take", "admin", take, "From a stick", UpdateAnswer, TakeBody, status=201),
    Route("POST", f"{_PATH}/install", "admin", install, "Install what waits", UpdateAnswer, InstallBody),
)
