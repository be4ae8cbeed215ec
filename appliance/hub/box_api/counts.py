"""GET /counts and POST /missing: both ends prove that they have the same."""

from aiohttp import web

from appliance.base.errors import invalid
from appliance.hub.box_api import body
from appliance.hub.box_api.door import Caller
from appliance.hub.store import received
from appliance.sync.protocol.counts import MOST_ASKED, Counts, Missing

LONGEST_BYTES = 200_000  # ids are at most 64 letters


async def told(caller: Caller) -> web.StreamResponse:
    box_id = caller.box.id
    return body.answer(Counts(await caller.hub.store.read(lambda: received.buckets(box_id))))


async def missing(caller: Caller) -> web.StreamResponse:
    asked = await body.read_json(caller.request, Missing, LONGEST_BYTES, gzip=True)
    if len(asked.ids) > MOST_ASKED:
        raise invalid(f"more than {MOST_ASKED} ids at once", "ask in parts", field="ids")
    box_id = caller.box.id
    held = await caller.hub.store.read(lambda: received.held(box_id, asked.ids))
    return body.answer(Missing([id_ for id_ in asked.ids if id_ not in held]))
