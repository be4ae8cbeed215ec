"""The way in: track points -> findings -> events, alerts, stills."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from appliance.alerts.bell import JournalBell
from appliance.alerts.owing import owe_still
from appliance.alerts.record import Recorded, record
from appliance.alerts.stills import Stills
from appliance.alerts.track_archive import TrackArchive
from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Event, Rule, TrackPoint, Zone
from appliance.base.supervision import BackOff
from appliance.base.wire import event_json
from appliance.rules.engine import Engine
from appliance.rules.finding import Finding
from appliance.rules.own_events import Noticed
from appliance.store import events, journal, targets
from appliance.store.database import Database

log = logging.getLogger(__name__)

STILLS_AT_ONCE = 4
MOST_STILLS = 200  # waiting; in a flood the events are kept and some go without a picture
PRESENCE_EVERY_NS = 10 * SECOND_NS
PASSING = ("unavailable", "exhausted", "internal", "data_loss")  # the disk's trouble, not the finding's


class Intake:
    """``ingest`` is called on the loop with what the vision worker saw and returns at once; ``run``
    commits. ``records(camera_id)`` is called on the database's writer thread: is its video kept?
    ``on_owed`` is called after a commit that wrote to the outbox; ``on_alarm`` with each rule that alerted
    about what happens now, not about what was found late.

    Findings wait in memory while the database cannot take them, and are never dropped.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        engine: Engine,
        stills: Stills,
        bell: JournalBell,
        *,
        device_id: str,
        records: Callable[[str], bool],
        archive: TrackArchive | None = None,
        on_owed: Callable[[], None] = lambda: None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._engine = engine
        self._stills = stills
        self._bell = bell
        self._device_id = device_id
        self._records = records
        self._archive = archive
        self._on_owed = on_owed
        self.on_alarm: Callable[[Rule], None] = lambda rule: None
        self._pending: list[Finding] = []
        self._arrived = asyncio.Event()
        self._committing: asyncio.Task[None] | None = None
        self._still_tasks: set[asyncio.Task[None]] = set()
        self._still_slots = asyncio.Semaphore(STILLS_AT_ONCE)
        self._presences_ns = clock.monotonic_ns()
        self.events_total = 0

    def ingest(self, points: Sequence[TrackPoint]) -> None:
        """Take what was seen; what follows from it is committed by ``run`` at the loop's next turn."""
        self._queue(self._engine.feed(points))
        if self._archive is None:
            return
        self._archive.add(points)
        if self._clock.monotonic_ns() - self._presences_ns >= PRESENCE_EVERY_NS:
            self._presences_ns = self._clock.monotonic_ns()
            self._archive.save_presences(self._engine.presences())

    def blinded(self, camera_ids: Collection[str]) -> None:
        """Nobody looks through these cameras from now on; see ``Engine.blinded``."""
        self._queue(self._engine.blinded(camera_ids))

    def notice(self, noticed: Noticed) -> None:
        """What a camera noticed itself; committed as what was seen is."""
        self._queue(self._engine.notice(noticed))

    def unheard(self, camera_id: str) -> None:
        """Nobody hears what this camera notices from now on."""
        self._queue(self._engine.unheard(camera_id, self._clock.now_ns()))

    def replace(self, rules: Iterable[Rule], zones: Iterable[Zone], time_zone: str | None = None) -> None:
        """New rules, zones or site from now on; see ``Engine.replace``."""
        self._engine.replace(rules, zones, time_zone)
        self._queue(self._engine.feed(()))

    async def run(self) -> None:
        """Commit what arrives, for ever: one transaction for all that arrived since the last one."""
        back_off = BackOff(0.2, 10.0)
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._pending:
                try:
                    await self._commit_pending()
                    back_off.reset()
                except ApplianceError as error:
                    log.error("%d findings wait for the database: %s", len(self._pending), error)
                    await self._clock.sleep(back_off.next_s())

    async def accept(self, findings: Sequence[Finding]) -> list[Event]:
        """Commit these now; the events that began. Raises what the database raises."""
        if not findings:
            return []
        now_ns = self._clock.now_ns()
        recorded = await self._db.write(
            lambda conn: record(conn, findings, now_ns, self._device_id, self._records)
        )
        self._tell(recorded)
        for rule in recorded.alarmed:
            self.on_alarm(rule)
        return [event for event, _ in recorded.began]

    async def accept_late(
        self,
        choose: Callable[[sqlite3.Connection], Sequence[Finding]],
        then: Callable[[sqlite3.Connection, int], None],
    ) -> list[Event]:
        """In one transaction: what ``choose`` picks becomes events that were found late, and ``then`` is
        told how many. Raises what the database raises."""
        now_ns = self._clock.now_ns()

        def work(conn: sqlite3.Connection) -> Recorded:
            recorded = record(conn, choose(conn), now_ns, self._device_id, self._records, found_late=True)
            then(conn, len(recorded.began))
            return recorded

        recorded = await self._db.write(work)
        self._tell(recorded)
        return [event for event, _ in recorded.began]

    def presences(self) -> list[TrackPoint]:
        """Where each object was last seen."""
        return self._engine.presences()

    async def close(self) -> None:
        """Commit what is left, finish the stills, remember who is in view."""
        if self._committing is not None:
            await asyncio.wait({self._committing})
        try:
            await self.accept(self._pending)
            self._pending = []
        except ApplianceError as error:
            log.error("%d findings are lost at the stop: %s", len(self._pending), error)
        if self._still_tasks:
            await asyncio.wait(self._still_tasks, timeout=2)
        for task in list(self._still_tasks):
            task.cancel()
        if self._archive is not None:
            try:
                await self._archive.flush(self._engine.presences())
            except ApplianceError as error:  # a full disk is no reason to end badly
                log.error("who is in view is not remembered: %s", error)

    def _queue(self, findings: list[Finding]) -> None:
        if findings:
            self._pending += findings
            self._arrived.set()

    async def _commit_pending(self) -> None:
        self._committing = asyncio.create_task(self._commit(list(self._pending)))
        try:
            await asyncio.shield(self._committing)
        except asyncio.CancelledError:
            # We are being stopped. What is on its way to the disk arrives there: who does not wait for
            # it would write it a second time in ``close``.
            await asyncio.wait({self._committing})
            self._committing.exception()  # seen; what it did not commit is pending still
            raise

    async def _commit(self, batch: list[Finding]) -> None:
        """Taken off the pending ones in the turn in which it is known to be committed."""
        try:
            await self.accept(batch)
        except Exception as error:  # whatever one odd finding does to us, the others must not wait for it
            if isinstance(error, ApplianceError) and error.kind in PASSING:
                raise
            await self._commit_singly(batch)
        del self._pending[: len(batch)]

    async def _commit_singly(self, batch: list[Finding]) -> None:
        # One finding that cannot be written must not take the others with it.
        for finding in batch:
            try:
                await self.accept([finding])
            except Exception:  # the same: alerts of everything else still fire
                log.exception("a finding of rule %s on %s is lost", finding.rule.id, finding.camera_id)

    def _tell(self, recorded: Recorded) -> None:
        if recorded.newest:
            self._bell.ring(recorded.newest)
            self._on_owed()
        self.events_total += len(recorded.began)
        for event, finding in recorded.began:
            if len(self._still_tasks) < MOST_STILLS:
                task = asyncio.create_task(self._picture(event, finding.seen_ns))
                self._still_tasks.add(task)
                task.add_done_callback(self._still_tasks.discard)

    async def _picture(self, event: Event, seen_ns: int) -> None:
        try:
            async with self._still_slots:
                if not await self._stills.keep(event, seen_ns):
                    return
            newest = await self._mark(event.id)
            self._bell.ring(newest) if newest else await asyncio.to_thread(self._stills.delete, [event.id])
        except (ApplianceError, OSError) as error:
            log.warning("the still of event %s on %s is not kept: %s", event.id, event.camera_id, error)

    async def _mark(self, event_id: str) -> int:
        """Say that the still is there; 0 where the event is gone meanwhile."""
        now_ns = self._clock.now_ns()

        def mark(conn: sqlite3.Connection) -> int:
            event = events.get(conn, event_id)
            if event is None:
                return 0
            event = msgspec.structs.replace(event, has_snapshot=True)
            events.update(conn, event)
            if not event.has_clip:  # else it was owed with the event: the ring can make it again
                owe_still(conn, event, now_ns, targets.enabled(conn))
            return journal.append(conn, "event", event.camera_id, now_ns, event_json(event))

        return await self._db.write(mark)
