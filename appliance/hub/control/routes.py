"""POST /boxes/{id}/commands. What became of them: GET, in ``people.boxes``."""

from typing import Any

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.errors import not_found
from appliance.hub.control import ordering
from appliance.hub.people.routes import API, ID, Call, Route, answer
from appliance.hub.store import fleet
from appliance.hub.store.commands import OutgoingCommand
from appliance.hub.store.steps import Steps
from appliance.sync.protocol.command import Kind


class OrderBody(msgspec.Struct, forbid_unknown_fields=True):
    """``body``: as ``sync.protocol.command.Kind`` says; the box checks it, and answers in words."""

    kind: Kind
    body: dict[str, Any] = {}
    life_s: float | None = None


async def give(call: Call) -> web.StreamResponse:
    """Answered as soon as it is stored: the box takes it when it asks."""
    asked, box_id, person = await call.body(OrderBody), call.name("id"), call.person
    ordering.must_be_allowed(person.role, asked.kind)
    body = asked.body
    if asked.kind == "acknowledge_alert":
        body = body | {"by": person.username}  # nobody acknowledges in another's name

    def work() -> Steps[OutgoingCommand | None]:
        if (yield from fleet.get(person.id, box_id)) is None:
            return None
        made = yield from ordering.order(
            call.hub, box_id, asked.kind, body, person.username, life_s=asked.life_s
        )
        yield from call.audit("ordered", f"box/{box_id}", {"command": made.id, "kind": made.kind})
        return made

    made = await call.hub.store.write(work)
    if made is None:
        raise not_found("box", box_id)
    told = {"id": made.id, "seq": made.seq, "kind": made.kind, "expires_at": rfc3339(made.expires_ns)}
    return answer({"command": told | {"state": "waiting"}}, 201)


ROUTES = (Route("POST", f"{API}/boxes/{ID}/commands", "operator", give),)
