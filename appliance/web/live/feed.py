"""The journal, read once and handed to every reader in a bounded queue."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import msgspec

from appliance.base.clock import Clock, rfc3339
from appliance.base.supervision import supervise
from appliance.store import journal
from appliance.store.database import Database
from appliance.store.journal import JournalRow
from appliance.web.metrics import Metrics
from appliance.web.ports import Bell

log = logging.getLogger(__name__)

AT_ONCE = 500
LOOK_EVERY_S = 1.0  # a command beside the daemon rings no bell
MOST_WAITING = 2_000
MOST_WAITING_BYTES = 2_000_000

Wanted = Callable[[str | None], bool]


class Reader:
    """One socket's queue. ``overflow`` is set when it was too slow: it is to be closed, and comes
    back with ``since``."""

    def __init__(self, wanted: Wanted, position: int) -> None:
        self.wanted = wanted
        self.position = position  # of the journal when it was attached: later rows come by the queue
        self.overflow = asyncio.Event()
        self._queue: deque[str] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()

    def offer(self, camera_id: str | None, text: str) -> None:
        if self.overflow.is_set() or not self.wanted(camera_id):
            return
        self._queue.append(text)
        self._bytes += len(text)
        if len(self._queue) > MOST_WAITING or self._bytes > MOST_WAITING_BYTES:
            self._queue.clear()
            self.overflow.set()
        self._wake.set()

    async def next(self) -> str:
        while not self._queue:
            self._wake.clear()
            await self._wake.wait()
        text = self._queue.popleft()
        self._bytes -= len(text)
        return text


class Feed:
    """Runs in the loop; ``ring`` makes it look at once."""

    def __init__(self, db: Database, clock: Clock, metrics: Metrics) -> None:
        self._db = db
        self._clock = clock
        self._metrics = metrics
        self._readers: list[Reader] = []
        self._ring = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._unlisten: Callable[[], None] | None = None
        self.position = 0

    async def start(self, bell: Bell | None) -> None:
        self.position = await self._db.read(journal.newest)
        if bell is not None:
            self._unlisten = bell.listen(self._ring.set)
        self._tasks = [
            asyncio.create_task(supervise("journal feed", self.run_once, self._clock)),
            asyncio.create_task(self._tick()),
        ]

    async def close(self) -> None:
        if self._unlisten is not None:
            self._unlisten()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def run_once(self) -> None:
        while True:
            await self._ring.wait()
            self._ring.clear()
            while len(await self._look()) == AT_ONCE:
                pass

    def attach(self, wanted: Wanted) -> Reader:
        reader = Reader(wanted, self.position)
        self._readers.append(reader)
        return reader

    def detach(self, reader: Reader) -> None:
        self._readers.remove(reader)

    async def _look(self) -> list[JournalRow]:
        rows = await self._db.read(lambda conn: journal.since(conn, self.position, AT_ONCE))
        for row in rows:
            self.position = row.id
            if row.type == "event":
                data = row.data
                self._metrics.event(str(data.get("id")), str(data.get("type")), str(data.get("severity")))
            if self._readers:
                text = message(row)
                for reader in self._readers:
                    reader.offer(row.camera_id, text)
        return rows

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            self._ring.set()


def message(row: JournalRow) -> str:
    """What a reader gets: ``{id, type, timestamp, data}``."""
    return msgspec.json.encode(
        {"id": row.id, "type": row.type, "timestamp": rfc3339(row.time_ns), "data": row.data}
    ).decode()
