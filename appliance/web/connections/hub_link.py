"""/hub: the hub that this box belongs to, and what it may order."""

import sqlite3
from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.errors import invalid, not_found
from appliance.base.wire import time_or_none
from appliance.store import audit, commands, hub_link, identity, retention_held, targets
from appliance.store.commands import CommandRow, State
from appliance.sync.control.permissions import Permission
from appliance.sync.enrol import Applicant, leave
from appliance.sync.protocol import invitation, signing
from appliance.sync.protocol.invitation import LONGEST_BYTES
from appliance.web.errors import denied
from appliance.web.params import Text
from appliance.web.routes import API, Call, Route, answer, nothing

NEWEST = 50


class EnrolBody(msgspec.Struct, forbid_unknown_fields=True):
    """``invitation`` (the text of a QR code or stick), or ``url`` and ``code``. ``ca``: PEM of the only
    authorities that the hub is believed by; ``sha256``: of the hub's own certificate instead."""

    invitation: Annotated[str, msgspec.Meta(max_length=LONGEST_BYTES)] = ""
    url: Text = ""
    code: Text = ""
    sha256: Text = ""
    ca: Annotated[str, msgspec.Meta(max_length=100_000)] | None = None
    again: bool = False


class AllowedBody(msgspec.Struct, forbid_unknown_fields=True):
    """What the hub may order, and what its changes of settings may touch; all else is refused."""

    kinds: list[Permission]


class CommandEntry(msgspec.Struct):
    id: str
    kind: str
    by: str
    state: State
    message: str
    received_at: str
    answered_at: str | None


class TrialEntry(msgspec.Struct):
    """Settings that are undone at ``undone_at`` unless the hub is heard."""

    command_id: str
    undone_at: str


class HubState(msgspec.Struct):
    """``identity``: fingerprint of this box's key, as the hub shows it. ``error`` None: the hub was heard
    last time, at ``heard_at``. ``deletes_from``: when a retention that was made shorter from afar begins to
    delete; None: none waits."""

    box_id: str | None
    url: str | None
    enrolled_at: str | None
    command_key: str | None
    identity: str | None
    allowed: list[str]
    heard_at: str | None
    error: str | None
    trial: TrialEntry | None
    deletes_from: str | None
    commands: list[CommandEntry]


class HubAnswer(msgspec.Struct):
    hub: HubState


async def show(call: Call) -> web.StreamResponse:
    return answer(await _state(call))


async def enrol(call: Call) -> web.StreamResponse:
    body = await call.body(EnrolBody)
    if body.again and call.user.role != "admin":  # as good as leaving the hub that there is
        raise denied("to enrol a box again needs the role admin", "ask an admin")
    if body.invitation and (body.url or body.code):
        raise invalid(
            "an invitation says where the hub is", "send it alone, or url and code", field="invitation"
        )
    if body.invitation:
        asked = invitation.parse(body.invitation)
    else:
        asked = invitation.checked(body.url, body.code, body.sha256)
    applicant = Applicant(call.box.db, call.box.sealer, call.box.clock)
    await applicant.enrol(asked, body.ca, again=body.again, user=call.user)
    await _changed(call)
    return answer(await _state(call), 201)


async def forget(call: Call) -> web.StreamResponse:
    now_ns = call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        if not leave(conn):
            raise not_found("hub", "")
        audit.add(conn, now_ns, call.user, "changed", "hub", {"left": True})

    await call.box.db.write(work)
    await _changed(call)
    return nothing()


async def allow(call: Call) -> web.StreamResponse:
    body, now_ns = await call.body(AllowedBody), call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        hub_link.allow(conn, body.kinds)
        audit.add(conn, now_ns, call.user, "changed", "hub", {"allowed": sorted(set(body.kinds))})

    await call.box.db.write(work)
    return answer(await _state(call))


async def _changed(call: Call) -> None:
    for noun in ("targets", "hub", "tunnel"):
        await call.changed(noun)


async def _state(call: Call) -> dict[str, Any]:
    heard = None if call.box.control is None else call.box.control.state

    def look(conn: sqlite3.Connection) -> HubState:
        link, trial, public_key = hub_link.get(conn), commands.trial(conn), identity.public_key(conn)
        target = None if link is None else targets.get(conn, link.target_id)
        waits = retention_held.held(conn, call.now_ns)
        return HubState(
            box_id=None if link is None else link.box_id,
            url=None if target is None else target.url,
            enrolled_at=None if link is None else rfc3339(link.enrolled_ns),
            command_key=None if link is None else signing.key_id(link.command_key),
            identity=None if public_key is None else identity.fingerprint_of(public_key),
            allowed=sorted(hub_link.allowed(conn)),
            heard_at=None if heard is None else time_or_none(heard.heard_ns),
            error=None if heard is None else heard.error,
            trial=None if trial is None else TrialEntry(trial.command_id, rfc3339(trial.deadline_ns)),
            deletes_from=None if waits is None else rfc3339(waits.until_ns),
            commands=[_entry(row) for row in commands.newest(conn, NEWEST)],
        )

    return {"hub": await call.box.db.read(look)}


def _entry(row: CommandRow) -> CommandEntry:
    received, answered = rfc3339(row.received_ns), time_or_none(row.answered_ns)
    return CommandEntry(row.id, row.kind, row.by, row.state, row.message, received, answered)


_PATH = f"{API}/hub"
ROUTES = (
    Route("GET", _PATH, "installer", show, "The hub, what it may order, and what it did", HubAnswer),
    Route(
        "POST", f"{_PATH}/enrol", "installer", enrol, "Make this box one of a hub's", HubAnswer, EnrolBody,
        status=201, also=(409, 503),
    ),
    Route(
        "DELETE", _PATH, "admin", forget, "Leave the hub; what it is owed is forgotten", status=204,
        also=(404,),
    ),
    Route("PUT", f"{_PATH}/allowed", "admin", allow, "What the hub may order", HubAnswer, AllowedBody),
)  # fmt: skip
