"""Do both ends have the same? What the hub acknowledged and does not have any more is owed again.

By day and kind: where count and digest agree, nothing is asked. Where they differ, the hub is told the ids
that it acknowledged, a page at a time, and answers with those that it has not. Each page is settled before
the next is asked, so that whatever interrupts us, the next pass goes on with what is left.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec

from appliance.base.clock import Clock
from appliance.base.supervision import BackOff
from appliance.sync import faults
from appliance.sync.faults import HUB
from appliance.sync.protocol.counts import MOST_ASKED, Bucket, Counts, Missing
from appliance.sync.targets.hub.journal import Journal
from appliance.sync.targets.hub.link import Link, Silence

log = logging.getLogger(__name__)

EVERY_S = 3600.0
LONGEST_PAUSE_S = 300.0
LONGEST_COUNTS_BYTES = 16_000_000  # ten years of ten kinds are 4 MB

T = TypeVar("T")


class Reconciler:
    """``wake`` is called after rows were owed again; ``charge`` with what asking has cost."""

    def __init__(
        self,
        link: Link,
        journal: Journal,
        clock: Clock,
        wake: Callable[[], None],
        charge: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._link, self._journal, self._clock, self._wake = link, journal, clock, wake
        self._charge = charge
        self._asked = asyncio.Event()
        self.done_ns: int | None = None  # when both ends were last compared to the end

    def ask(self) -> None:
        """Now, please. Returns at once."""
        self._asked.set()

    async def run(self) -> None:
        """At the start, each hour, and when asked; again after a pause where the hub is silent."""
        back_off = BackOff(1.0, LONGEST_PAUSE_S)
        while True:
            self._asked.clear()
            try:
                await self.once()
                back_off.reset()
                await self._rest(EVERY_S)
            except Silence as silence:
                log.debug("not reconciled: %s", silence)
                await self._clock.sleep(back_off.next_s())

    async def once(self) -> int:
        """One pass; how many rows are owed again. Raises ``Silence``."""
        differing = await self._differing()
        if differing:
            # A row that was just acknowledged makes its day differ, too: what is so twice is worth asking.
            again_differing = await self._differing()
            differing = {key: again_differing[key] for key in differing if key in again_differing}
        again = 0
        for bucket in differing.values():
            again += await self._compare(bucket)
        self.done_ns = self._clock.now_ns()
        if again:
            log.warning("the hub has lost %d rows that it had acknowledged: they are owed again", again)
        return again

    async def _differing(self) -> dict[tuple[str, str], Bucket]:
        """Ours where theirs is another one. What they have beyond ours is no loss."""
        there = {(bucket.kind, bucket.day): bucket for bucket in (await self.counts()).buckets}
        ours = {(bucket.kind, bucket.day): bucket for bucket in await self._journal.buckets()}
        return {key: bucket for key, bucket in ours.items() if there.get(key) != bucket}

    async def _compare(self, bucket: Bucket) -> int:
        again, after = 0, ""
        while ids := await self._journal.ids(bucket.kind, bucket.day, after, MOST_ASKED):
            said = await self._ask("POST", "/missing", Missing(ids), Missing, LONGEST_COUNTS_BYTES)
            not_had = set(said.ids)
            lost = [id_ for id_ in ids if id_ in not_had]
            if lost:
                again += await self._journal.owe_again(lost)
                self._wake()
            after = ids[-1]
        return again

    async def counts(self) -> Counts:
        """What the hub says it has. Raises ``Silence``."""
        return await self._ask("GET", "/counts", None, Counts, LONGEST_COUNTS_BYTES)

    async def _ask(
        self, method: str, path: str, body: msgspec.Struct | None, shape: type[T], most_bytes: int
    ) -> T:
        data = None if body is None else msgspec.json.encode(body)
        reply = await self._link.ask(method, path, data, most_bytes=most_bytes)
        self._charge(reply.sent_bytes)
        if not 200 <= reply.status < 300:
            raise self._link.refusal(reply)
        try:
            return msgspec.json.decode(reply.body or b"", type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Silence(faults.unreadable(b"", HUB), answered=True) from error

    async def _rest(self, seconds: float) -> None:
        waits = {
            asyncio.ensure_future(self._asked.wait()),
            asyncio.ensure_future(self._clock.sleep(seconds)),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
