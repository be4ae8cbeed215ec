"""Small duties on a clock: the box clock, the sign of life, changes made by commands."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable

from appliance.base.clock import BoxClock
from appliance.daemon.health import LoopLag
from appliance.media.record.recorder import Recorder
from appliance.media.ring import recovery
from appliance.media.ring.index import Index
from appliance.store.database import Database

log = logging.getLogger(__name__)

PERIOD_S = 1.0
ALIVE_EVERY = 5  # periods


class Tending:
    """``run_once`` once a second; ``changed`` reloads what a command beside us has written."""

    def __init__(
        self,
        clock: BoxClock,
        boot_id: str,
        db: Database,
        index: Index,
        recorder: Recorder,
        lag: LoopLag,
        reload: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock, self._boot_id, self._db = clock, boot_id, db
        self._index, self._recorder = index, recorder
        self._lag, self._reload = lag, reload
        self._turn = 0
        self._version: int | None = None

    async def run(self) -> None:
        """For ever; a failing duty is logged and the others go on."""
        while True:
            try:
                await self.run_once()
            except Exception:  # the clock is followed from here: no fault of a duty may end the loop
                log.exception("a duty failed")
            await self._clock.sleep(PERIOD_S)

    async def run_once(self) -> None:
        self._lag.beat(PERIOD_S)
        step_ns = self._clock.poll()
        if step_ns:
            log.warning("the clock stepped by %.3f s: every run begins again", step_ns / 1e9)
            self._recorder.clock_stepped(step_ns)
        self._index.flush()
        if self._turn % ALIVE_EVERY == 0:
            self._db.offer(self._alive)
        self._turn += 1
        await self._look_for_commands()

    def _alive(self, conn: sqlite3.Connection) -> None:
        recovery.note_alive(conn, self._clock.now_ns(), self._boot_id)

    async def _look_for_commands(self) -> None:
        version = await asyncio.to_thread(self._db.data_version)
        if self._version is not None and version != self._version:
            await self._reload()
        self._version = version
