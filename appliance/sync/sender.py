"""One target: its rows and its files, beside each other, and what is said of it."""

import asyncio

import msgspec

from appliance.base.clock import Clock
from appliance.store import outbox
from appliance.store.database import Database
from appliance.store.policy import JOURNALED, LANES
from appliance.store.targets import Target
from appliance.sync.breaker import Breaker, State
from appliance.sync.budget import Meter
from appliance.sync.road import Road
from appliance.sync.rows import Rows
from appliance.sync.targets import Materials, SyncTarget
from appliance.sync.uploads import Uploads


class SenderState(msgspec.Struct, frozen=True):
    """For the screen. ``error`` is None while the last delivery was good. ``uploading``: the id of the
    row whose file is on its way. ``day_bytes``, ``hour_bytes``: what the site's day and hour have cost.
    ``most_lane``: up to which lane its budget lets anything go now, -1: nothing. ``failing_ns``: since when
    nothing got through; ``answered``: it is there all the same; ``refused``: and says no."""

    error: str | None = None
    delivered_ns: int | None = None
    next_attempt_ns: int | None = None
    breaker: State = "closed"
    uploading: str | None = None
    upload_error: str | None = None
    day_bytes: int = 0
    hour_bytes: int = 0
    most_lane: int = LANES - 1
    failing_ns: int | None = None
    answered: bool = False
    refused: bool = False


class Sender:
    """``run`` for ever. A row taken and not answered for (a crash, a cancelled task) is taken again by the
    next ``run``. ``materials`` None: nobody can make files here, and those that are owed wait."""

    def __init__(
        self,
        target: Target,
        peer: SyncTarget,
        db: Database,
        clock: Clock,
        *,
        zone: str = "Etc/UTC",
        materials: Materials | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._id = target.id
        self._db = db
        self._meter = Meter(db, target.id, target.policy.budget, zone, clock)
        self._road = Road()
        self._breaker = Breaker(clock)
        journal = target.kind in JOURNALED
        self._rows = Rows(
            target.id, peer, db, clock, self._meter, self._breaker, self._road,
            journal=journal, timeout_s=timeout_s,
        )  # fmt: skip
        self._uploads: Uploads | None = None
        if peer.takes_files and materials is not None:
            self._uploads = Uploads(
                target.id, peer, db, clock, self._meter, self._breaker, self._road, materials,
                journal=journal, wake_rows=self._rows.wake,
            )  # fmt: skip

    @property
    def state(self) -> SenderState:
        rows, uploads = self._rows, self._uploads
        day_bytes, hour_bytes = self._meter.used()
        failed = rows.failed
        return SenderState(
            error=rows.error,
            delivered_ns=rows.delivered_ns,
            next_attempt_ns=self._breaker.due_ns,
            breaker=self._breaker.state,
            uploading=None if uploads is None else uploads.uploading,
            upload_error=None if uploads is None else uploads.error,
            day_bytes=day_bytes,
            hour_bytes=hour_bytes,
            most_lane=self._meter.most_lane(),
            failing_ns=rows.failing_ns,
            answered=failed is not None and failed.answered,
            refused=failed is not None and failed.kind != "later",
        )

    def wake(self) -> None:
        """There is something new. Does not shorten the pause after a failure."""
        self._road.close()  # until the rows have been looked at: it may be an alert
        self._rows.wake()
        if self._uploads is not None:
            self._uploads.wake()

    def retry_now(self) -> None:
        """The link is back: pauses after failures end."""
        self._breaker.nudge()
        if self._uploads is not None:
            self._uploads.breaker.nudge()

    def charge(self, size_bytes: int) -> None:
        """Its target wrote so much beside rows and files: the budget counts that, too."""
        self._meter.charge(self._meter.cost(size_bytes))

    async def run(self) -> None:
        id_ = self._id
        await self._db.write(lambda conn: outbox.recover(conn, id_))
        await self._meter.load()
        async with asyncio.TaskGroup() as activities:
            activities.create_task(self._rows.run(), name=f"rows-{self._id}")
            if self._uploads is not None:
                activities.create_task(self._uploads.run(), name=f"files-{self._id}")
