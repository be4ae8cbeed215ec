"""What a person does with a target beside writing it down: try it, send again what it refused."""

import asyncio
import sqlite3
from typing import Any

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError, not_found
from appliance.base.redaction import forbid
from appliance.store import audit, outbox, targets
from appliance.store.targets import Target
from appliance.sync import address, faults
from appliance.sync.targets import Probed, registry
from appliance.sync.targets.given import Given
from appliance.web.connections.target_fields import KINDS, TargetKind
from appliance.web.connections.targets import TargetBody, checked
from appliance.web.routes import API, Call, Route, answer

PATIENCE_S = 10.0  # a person waits for it


class Probe(msgspec.Struct, forbid_unknown_fields=True):
    """``detail``: what the target or its server said, or what is wrong; ``hint``: the next step then."""

    ok: bool
    detail: str
    hint: str = ""


class ProbeAnswer(msgspec.Struct, forbid_unknown_fields=True):
    probe: Probe


class UnparkedAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """``unparked``: rows that wait again."""

    unparked: int


class KindsAnswer(msgspec.Struct, forbid_unknown_fields=True):
    target_kinds: list[Any]


def kind_json(kind: TargetKind) -> dict[str, Any]:
    return {**msgspec.to_builtins(kind), "is_installed": kind.is_installed}


async def kinds(call: Call) -> web.StreamResponse:
    return answer({"target_kinds": [kind_json(kind) for kind in KINDS]})


async def probe(call: Call) -> web.StreamResponse:
    """The target as it is stored."""
    id_ = call.name("id")

    def look(conn: sqlite3.Connection) -> tuple[Target | None, bytes | None]:
        return targets.get(conn, id_), targets.secret(conn, id_)

    target, sealed = await call.box.db.read(look)
    if target is None:
        raise not_found("target", id_)
    secret = None if sealed is None else call.box.sealer.open(sealed, f"target/{id_}").decode()
    return await _probed(call, target, secret)


async def try_out(call: Call) -> web.StreamResponse:
    """The target as it was filled in; nothing is stored."""
    body = await call.body(TargetBody)
    return await _probed(call, *await checked(call.box, call.name("id"), body))


async def _probed(call: Call, target: Target, secret: str | None) -> web.StreamResponse:
    if secret is not None:
        forbid(secret)
    box = call.box
    given = Given(
        target=target,
        secret=secret,
        tls=address.tls_of(target),
        device_id=box.device_id,
        clock=box.clock,
        db=box.db,
        state_folder=box.data_path / "targets" / target.id,
        timeout_s=PATIENCE_S,
        sign=_never,
    )
    try:
        peer = registry.make(given)
    except ApplianceError as error:
        return answer({"probe": Probe(ok=False, detail=error.message, hint=error.hint)})
    try:
        async with asyncio.timeout(2 * PATIENCE_S):  # for one that asks more than once
            found = await peer.probe()
    except TimeoutError as error:
        found = Probed.failed(faults.of(error))
    finally:
        await peer.close()
    return answer({"probe": Probe(ok=found.ok, detail=found.detail, hint=found.hint)})


def _never(text: bytes) -> bytes:
    raise ApplianceError("internal", "a probe writes nothing that is signed")


async def unpark(call: Call) -> web.StreamResponse:
    """What the target refused waits again."""
    id_ = call.name("id")

    def work(conn: sqlite3.Connection) -> int:
        if targets.get(conn, id_) is None:
            raise not_found("target", id_)
        count = outbox.unpark(conn, id_)
        audit.add(conn, call.now_ns, call.user, "changed", f"target/{id_}", {"unparked": count})
        return count

    count = await call.box.db.write(work)
    await call.changed("targets")
    return answer({"unparked": count})


_ONE = f"{API}/targets/{{id:[a-z0-9-]{{1,63}}}}"
ROUTES = (
    Route("GET", f"{API}/target-kinds", "admin", kinds, "Kinds of targets and their fields", KindsAnswer),
    Route("POST", f"{_ONE}/probe", "admin", probe, "Is it there, and may we write?", ProbeAnswer),
    Route("POST", f"{_ONE}/try", "admin", try_out, "The same, before it is stored", ProbeAnswer, TargetBody),
    Route("POST", f"{_ONE}/unpark", "admin", unpark, "Send again what was refused", UnparkedAnswer),
)
