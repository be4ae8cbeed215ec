"""Rows that were read -> held, with all that follows from them, in one transaction: from batches and sticks
alike."""

from collections.abc import Sequence

from appliance.hub.control import rotating
from appliance.hub.hub import Hub
from appliance.hub.store import rows
from appliance.hub.store.boxes import BoxIdentity
from appliance.hub.store.rows import NewRow
from appliance.hub.store.steps import Steps


async def take_rows(hub: Hub, box: BoxIdentity, good: Sequence[NewRow], now_ns: int) -> int:
    """How many were new. When this returns, all of ``good`` are held."""

    def work() -> Steps[int]:
        new = yield from rows.take(box.id, good, box.clock_offset_ns, now_ns)
        yield from rotating.follow(hub, box.id, good)
        return new

    return await hub.store.write(work)
