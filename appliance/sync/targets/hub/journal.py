"""What this box believes that the hub has: the acknowledgement journal, as reconciliation asks it."""

from typing import Protocol

from appliance.base.clock import Clock
from appliance.store import delivered, outbox_counts
from appliance.store.database import Database
from appliance.sync.protocol.counts import Bucket
from appliance.sync.protocol.heartbeat import KindFigures


class Journal(Protocol):
    """Of one target."""

    async def acknowledged(self) -> int:
        """Rows that the target acknowledged and that were not owed again since."""

    async def buckets(self) -> list[Bucket]: ...

    async def ids(self, kind: str, day: str, after: str, limit: int) -> list[str]:
        """Of one bucket, in order, behind ``after``."""

    async def owe_again(self, ids: list[str]) -> int:
        """Back to waiting; how many."""

    async def figures(self) -> dict[str, KindFigures]:
        """D6, by kind."""


class StoredJournal:
    """In appliance.db (``store.delivered``)."""

    def __init__(self, db: Database, target_id: str, clock: Clock) -> None:
        self._db, self._id, self._clock = db, target_id, clock

    async def acknowledged(self) -> int:
        return await self._db.read(lambda conn: delivered.acknowledged(conn, self._id))

    async def buckets(self) -> list[Bucket]:
        found = await self._db.read(lambda conn: delivered.buckets(conn, self._id))
        return [Bucket(each.kind, each.day, each.count, each.digest) for each in found]

    async def ids(self, kind: str, day: str, after: str, limit: int) -> list[str]:
        return await self._db.read(lambda conn: delivered.ids(conn, self._id, kind, day, after, limit))

    async def owe_again(self, ids: list[str]) -> int:
        now_ns = self._clock.now_ns()
        return await self._db.write(lambda conn: delivered.owe_again(conn, self._id, ids, now_ns))

    async def figures(self) -> dict[str, KindFigures]:
        found = await self._db.read(lambda conn: outbox_counts.by_kind(conn, self._id))
        return {
            kind: KindFigures(
                each.owed, each.acknowledged, each.tombstoned, each.waiting, each.in_flight, each.parked
            )
            for kind, each in found.items()
        }
