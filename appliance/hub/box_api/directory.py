"""PUT /directory: what things on the box are called, all of it in place of what was told before."""

from aiohttp import web

from appliance.hub.box_api import body
from appliance.hub.box_api.door import Caller
from appliance.hub.store import directory
from appliance.sync.protocol.directory import LONGEST_BYTES, Directory, digest


async def take(caller: Caller) -> web.StreamResponse:
    """Raises ``invalid`` for what is no directory, or names more than may be."""
    raw = await body.read(caller.request, LONGEST_BYTES, gzip=True)
    told = body.decode(raw, Directory)
    box_id, now_ns = caller.box.id, caller.now_ns
    await caller.hub.store.write(lambda: directory.put(box_id, digest(raw), told, now_ns))
    return body.answer({})
