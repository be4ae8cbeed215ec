"""POST /heartbeat: the box is there, and how it is."""

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.hub.box_api import body
from appliance.hub.box_api.door import Caller
from appliance.hub.store import commands, presence, received
from appliance.hub.store.steps import Steps
from appliance.sync.protocol.heartbeat import Heartbeat, HeartbeatAnswer
from appliance.web.params import time_from

LONGEST_BYTES = 64_000
LONGEST_WORD = 100


async def heard(caller: Caller) -> web.StreamResponse:
    raw = await body.read(caller.request, LONGEST_BYTES, gzip=True)
    beat = body.decode(raw, Heartbeat)
    hub, box_id, now_ns = caller.hub, caller.box.id, caller.now_ns
    offset_ns = time_from(beat.box_time, "box_time") - now_ns
    text = msgspec.json.encode(beat).decode()  # only what we know, and all of it text

    parked = _bounded(sum(figures.parked for figures in beat.delivery.values()))
    waiting = _bounded(sum(figures.waiting + figures.in_flight for figures in beat.delivery.values()))

    def work() -> Steps[tuple[int, int]]:
        yield from presence.heard(
            box_id, text, _word(beat.status), _word(beat.version), offset_ns, parked, waiting, now_ns
        )
        held = yield from received.count(box_id)
        return held, (yield from commands.count_waiting(box_id, now_ns))

    held, ordered = await hub.store.write(work)
    # Read with the token, before this: one that has arrived since is asked for once more, and no harm done.
    wanted = beat.directory not in ("", caller.box.directory)
    return body.answer(HeartbeatAnswer(rfc3339(now_ns), held, ordered, wanted))


def _word(text: str) -> str:
    return "".join(char for char in text[:LONGEST_WORD] if char.isprintable())


def _bounded(count: int) -> int:
    return max(0, min(count, 1 << 62))  # what a column takes, whatever a box says
