"""POST /batch: rows, each taken or refused for itself; acknowledged once they are committed."""

from aiohttp import web

from appliance.hub import turns
from appliance.hub.box_api import body
from appliance.hub.box_api.apart import read_batch
from appliance.hub.box_api.door import Caller
from appliance.hub.box_api.reading import read_row
from appliance.hub.figures import FIGURES
from appliance.hub.store.rows import NewRow
from appliance.hub.taking import take_rows
from appliance.sync.protocol.batch import LONGEST_BATCH_BYTES, Answer, Batch, Refusal
from appliance.web.errors import denied


async def take(caller: Caller) -> web.StreamResponse:
    """The ``Idempotency-Key`` is not needed: every row has one of its own."""
    request = caller.request
    raw = await body.read(request, LONGEST_BATCH_BYTES, gzip=True)
    urgent = turns.urgency(request.headers.get("Priority", "")) <= turns.URGENT
    async with caller.hub.turns.turn(len(raw), urgent):
        if request.transport is None:  # the box did not wait for its turn, and sends it again
            return body.answer(Answer([]))
        return await _take(caller, read_batch(raw))


async def _take(caller: Caller, batch: Batch) -> web.StreamResponse:
    if batch.device_id != caller.box.id:
        raise denied("this batch is another box's", "send it with that box's own token")
    hub, box, now_ns = caller.hub, caller.box, caller.now_ns
    good: dict[str, NewRow] = {}
    refused: list[Refusal] = []
    for index, row in enumerate(batch.batch):
        found = read_row(row, index, now_ns, box.clock_offset_ns)
        if isinstance(found, Refusal):
            refused.append(found)
        else:
            good.setdefault(found.id, found)
    if good:
        await take_rows(hub, box, list(good.values()), now_ns)
    caller.request.app[FIGURES].rows(len(good), len(refused))
    return body.answer(Answer(acknowledged=list(good), refused=refused))
