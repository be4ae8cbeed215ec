"""The hub as a ``SyncTarget``: rows, files, and what runs beside them."""

import asyncio
from collections.abc import Sequence

from appliance.store.outbox import OutboxRow
from appliance.sync.answer import Verdict
from appliance.sync.protocol.batch import MOST_ROWS
from appliance.sync.targets import Material, Pace, Probed
from appliance.sync.targets.given import Given
from appliance.sync.targets.hub import batch, upload
from appliance.sync.targets.hub.heartbeat import Heart
from appliance.sync.targets.hub.journal import Journal, StoredJournal
from appliance.sync.targets.hub.link import Link, Silence
from appliance.sync.targets.hub.names import Names
from appliance.sync.targets.hub.reconcile import Reconciler
from appliance.sync.targets.hub.upload import ChunkSize


class HubTarget:
    """``put`` and ``put_file`` may be under way at once, each on a connection of its own. ``journal`` is
    given by tests alone."""

    takes_files = True
    most_rows = MOST_ROWS

    def __init__(self, given: Given, journal: Journal | None = None) -> None:
        self._given = given
        self.link = Link(given)
        self._chunk = ChunkSize()
        own = journal or StoredJournal(given.db, given.target.id, given.clock)
        self.reconciler = Reconciler(self.link, own, given.clock, given.wake, given.charge)
        self.heart = Heart(
            self.link, given.clock, own, given.heartbeat, self.reconciler.ask, given.commanded,
            given.reached, given.charge,
            None if given.directory is None else Names(self.link, given.directory, given.charge),
        )  # fmt: skip

    async def put(self, rows: Sequence[OutboxRow]) -> Verdict:
        return await batch.put(self.link, self._given.device_id, rows)

    async def put_file(self, row: OutboxRow, material: Material, pace: Pace) -> Verdict:
        return await upload.put_file(self.link, row, material, pace, self._chunk)

    async def attend(self) -> None:
        """For ever: the heartbeat, and the reconciliation."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.heart.run())
            group.create_task(self.reconciler.run())

    async def farewell(self) -> None:
        """The box stops on purpose: say so, within a second."""
        await self.heart.farewell()

    async def probe(self) -> Probed:
        """Asks for the counts: only a hub that knows our token answers that."""
        try:
            await self.reconciler.counts()
        except Silence as silence:
            return Probed.failed(silence.fault)
        return Probed(True, "the hub knows this box and takes its rows")

    async def close(self) -> None:
        await self.link.close()
