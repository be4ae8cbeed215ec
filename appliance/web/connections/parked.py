"""/targets/{id}/parked: what the target refused, row by row: sent again, or given up with a tombstone.

What a peer said may name where it is, so this is for admins, as the targets are.
"""

import sqlite3
from typing import Any

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError, not_found
from appliance.store import audit, parked, targets, tombstones
from appliance.store.parked import ParkedRow
from appliance.web import params
from appliance.web.connections.target_actions import UnparkedAnswer
from appliance.web.routes import API, PAGE, Call, Route, answer, nothing

REASON = "given up by a person, after the target refused it"


class Parked(msgspec.Struct, forbid_unknown_fields=True):
    """``reason``: why the target refused it. ``attempts``: deliveries that were tried. ``is_tombstone``: its
    content was dropped, and the notice of that is what the target refused."""

    id: str
    kind: str
    created_at: str
    camera_id: str | None
    event_id: str | None
    reason: str
    attempts: int
    is_tombstone: bool


class ParkedAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """Those that were made last come first; ``total``: of all that are parked."""

    parked: list[Parked]
    next_cursor: str | None
    total: int


class _About(msgspec.Struct):
    """What bodies of all kinds may say of where they come from."""

    id: str | None = None
    event_id: str | None = None
    camera_id: str | None = None


def parked_json(row: ParkedRow) -> Parked:
    try:
        about = msgspec.json.decode(row.body, type=_About)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        about = _About()  # it is most likely what the target refused it for
    of_event = about.event_id or (about.id if row.kind in ("event", "event_update") else None)
    return Parked(
        id=row.id,
        kind=row.kind,
        created_at=rfc3339(row.created_ns),
        camera_id=about.camera_id or None,
        event_id=of_event or None,
        reason=row.error,
        attempts=row.attempts,
        is_tombstone=row.is_tombstone,
    )


async def show(call: Call) -> web.StreamResponse:
    id_, limit = call.name("id"), params.limit_of(call.request)
    cursor = params.cursor_of(call.request)

    def look(conn: sqlite3.Connection) -> tuple[list[ParkedRow], str | None, int]:
        _must_be(conn, id_)
        return parked.page(conn, id_, limit, cursor)

    rows, more, total = await call.box.db.read(look)
    return answer(ParkedAnswer([parked_json(row) for row in rows], more, total))


async def unpark(call: Call) -> web.StreamResponse:
    """One row waits again."""
    id_, row_id = call.name("id"), call.name("key")

    def work(conn: sqlite3.Connection) -> None:
        row = _row(conn, id_, row_id)
        parked.unpark(conn, id_, row_id)
        _note(conn, call, {"unparked": 1, "row": row_id, "kind": row.kind})

    await call.box.db.write(work)
    await call.changed("targets")
    return answer(UnparkedAnswer(1))


async def discard(call: Call) -> web.StreamResponse:
    """One row becomes a tombstone, which waits under its id (D5)."""
    id_, row_id = call.name("id"), call.name("key")

    def work(conn: sqlite3.Connection) -> None:
        row = _row(conn, id_, row_id)
        if row.is_tombstone:
            raise ApplianceError(
                "conflict",
                "its content is gone already, and the target refused the notice of that",
                "try it again, or remove the target",
            )
        tombstones.entomb_parked(conn, id_, REASON, row_id)
        _note(conn, call, {"discarded": 1, "row": row_id, "kind": row.kind})

    await call.box.db.write(work)
    await call.changed("targets")
    return nothing()


async def discard_all(call: Call) -> web.StreamResponse:
    """A thousand at a time, so that recording's own writes are not kept waiting; each is in the audit log."""
    id_ = call.name("id")

    def work(conn: sqlite3.Connection) -> int:
        _must_be(conn, id_)
        count = tombstones.entomb_parked(conn, id_, REASON)
        if count:
            _note(conn, call, {"discarded": count})
        return count

    while await call.box.db.write(work):
        pass
    await call.changed("targets")
    return nothing()


def _must_be(conn: sqlite3.Connection, target_id: str) -> None:
    if targets.get(conn, target_id) is None:
        raise not_found("target", target_id)


def _row(conn: sqlite3.Connection, target_id: str, row_id: str) -> ParkedRow:
    _must_be(conn, target_id)
    row = parked.get(conn, target_id, row_id)
    if row is None:
        raise not_found("parked row", row_id)
    return row


def _note(conn: sqlite3.Connection, call: Call, detail: dict[str, Any]) -> None:
    audit.add(conn, call.now_ns, call.user, "changed", f"target/{call.name('id')}", detail)


_ALL = f"{API}/targets/{{id:[a-z0-9-]{{1,63}}}}/parked"
_ONE = f"{_ALL}/{{key:[0-9A-Za-z_.:-]{{1,128}}}}"
ROUTES = (
    Route("GET", _ALL, "admin", show, "What the target refused", ParkedAnswer, query=PAGE, also=(404,)),
    Route("DELETE", _ALL, "admin", discard_all, "Give all of it up: tombstones", status=204, also=(404,)),
    Route("POST", f"{_ONE}/unpark", "admin", unpark, "Send one row again", UnparkedAnswer, also=(404,)),
    Route("DELETE", _ONE, "admin", discard, "Give one row up: a tombstone", status=204, also=(404, 409)),
)
