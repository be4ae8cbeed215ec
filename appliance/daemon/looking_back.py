"""Looking back: what nobody looked at when it happened is looked at when there is time.

Newest first: what happened twenty minutes ago can still be acted upon, what happened three days ago is
for the report. Only while a worker looks with the right model and the live cameras leave something over.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from appliance.alerts.intake import Intake
from appliance.alerts.late import RUN_OUT_NS, LateFindings
from appliance.alerts.track_archive import TrackArchive
from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import BlindSpan
from appliance.daemon.health import Finding
from appliance.daemon.stores import Stores
from appliance.media.play.archive import Archive
from appliance.store import blind_spans, rules, segments, settings, zones
from appliance.store.blind_spans import Judged
from appliance.vision.host.host import VisionHost
from appliance.vision.host.past import Load, look_back
from appliance.vision.host.sight import Unseen
from appliance.vision.messages import OpenPast, PastPoints

log = logging.getLogger(__name__)

JUDGED_NS = 5 * SECOND_NS  # how far was looked is written so often, and whenever something was missed
COMMIT_S = 1.0
LONGEST_NS = 600 * SECOND_NS  # of one look back: its open visits are held back for so much video at most
# A span is not begun before what is looked at behind it is on the disk: who passes as sight returns may be
# seen by no one else.
WRITTEN_NS = 1 * SECOND_NS
ATTEMPTS = 3  # footage that ends so many workers is left alone
WHY = {
    "worker_down": "the vision worker is down",
    "overload": "there is more to look at than can be seen",
    "model_missing": "the model is missing",
    "restart": "the box was restarted",
}


class LookingBack:
    """``note_once`` and ``look_once`` are called about once a second, each for itself. ``stream_of`` says
    which stream of a camera is analysed."""

    def __init__(
        self,
        clock: Clock,
        stores: Stores,
        archive: Archive,
        vision: VisionHost,
        intake: Intake,
        stream_of: Callable[[str], str | None],
    ) -> None:
        self._clock, self._stores, self._archive = clock, stores, archive
        self._db = stores.appliance
        self._vision, self._intake, self._stream_of = vision, intake, stream_of
        self._load = Load(clock, vision.figures)
        self._unsaved: list[tuple[str, Unseen]] = []
        self._noted_ns = 0
        self._waiting: list[BlindSpan] = []
        self._late: LateFindings | None = None
        self._failed: dict[str, int] = {}
        self._site = ZoneInfo("Etc/UTC")

    async def resume(self) -> None:
        """Before the first camera is applied: how far a daemon before this one got."""
        known = await self._db.read(blind_spans.judged)
        self._vision.sight.resume({row.camera_id: row.until_ns for row in known})

    async def close(self) -> None:
        """At the stop: keep how far was looked."""
        try:
            await self.note_once(at_once=True)
        except ApplianceError as error:
            log.error("how far was looked is not kept: %s", error)

    # -- what was not looked at -------------------------------------------------------------

    async def note_once(self, *, at_once: bool = False) -> None:
        """Keep what has become known to be unseen, as far as it was recorded."""
        sight = self._vision.sight
        for unseen in sight.take(self._clock.now_ns()):
            stream = self._stream_of(unseen.camera_id)
            if stream is not None:
                self._unsaved += [(stream, part) for part in await self._recorded(unseen, stream)]
        if not self._unsaved and self._clock.monotonic_ns() - self._noted_ns < JUDGED_NS and not at_once:
            return
        until = sight.judged_until().items()
        judged = [Judged(camera_id, self._stream_of(camera_id) or "main", ns) for camera_id, ns in until]
        batch = list(self._unsaved)

        def keep(conn: sqlite3.Connection) -> list[BlindSpan]:
            for stream, part in batch:
                blind_spans.add(conn, part.camera_id, stream, part.start_ns, part.end_ns, part.cause)
            blind_spans.save_judged(conn, judged)
            return blind_spans.waiting(conn)

        self._waiting = await self._db.write(keep)
        del self._unsaved[: len(batch)]
        self._noted_ns = self._clock.monotonic_ns()
        self._site = ZoneInfo((await self._db.read(settings.load)).site.time_zone)

    async def _recorded(self, unseen: Unseen, stream: str) -> list[Unseen]:
        """What is not recorded cannot be looked at, and was nothing to look at."""
        try:
            found = await self._archive.recordings(unseen.camera_id, stream, unseen.start_ns, unseen.end_ns)
        except ApplianceError:
            return []  # a camera that was removed meanwhile
        return [
            unseen._replace(start_ns=span.start_ns, end_ns=span.end_ns)
            for span in found.spans
            if span.state == "recorded"
        ]

    # -- looking at it ----------------------------------------------------------------------

    def _may_go(self) -> bool:
        low = self._load.is_low()  # asked in any case: it compares with when it was last asked
        sight = self._vision.sight
        return low and sight.is_right and not sight.blind(self._clock.now_ns())

    async def look_once(self) -> None:
        """The newest blind span, if there is one and time for it; then the next."""
        while self._may_go() and (span := await self._next()) is not None:
            await self._look(span)

    async def _next(self) -> BlindSpan | None:
        ids = [camera_id for camera_id in self._vision.figures() if self._stream_of(camera_id) is not None]
        if not any(span.camera_id in ids for span in self._waiting):
            return None
        now_ns = self._clock.now_ns()  # what ends after it: the clock was set back
        young_ns = now_ns - RUN_OUT_NS - WRITTEN_NS, now_ns
        return await self._db.write(lambda conn: blind_spans.newest(conn, ids, LONGEST_NS, young_ns))

    async def _look(self, span: BlindSpan) -> None:
        watch, session = self._vision.watch_of(span.camera_id), self._vision.session
        if watch is None or session is None:
            return
        if not await self._is_there(span):
            await self._give_up(span)
            return
        site = (await self._db.read(settings.load)).site
        late = LateFindings(
            span,
            await self._db.read(rules.list_rules),
            await self._db.read(zones.list_zones),
            site.time_zone,
            self._intake.presences(),
        )
        tracks = TrackArchive(self._stores.tracks)

        def heard(report: PastPoints) -> None:
            late.take(report.points, report.judged_ns)
            tracks.add(report.points)

        source = self._archive.packets(span.camera_id, span.stream, late.begin_ns, late.until_ns)
        self._late = late
        committing = asyncio.ensure_future(self._commit_often(late))
        try:
            order = OpenPast(span.id, watch)
            looked = await look_back(session, order, source, heard, self._may_go, self._clock)
        except ApplianceError as error:
            await self._failure(span, late, error)
            return
        finally:
            self._late = None
            committing.cancel()
            await asyncio.gather(committing, return_exceptions=True)
        await self._commit(late, over=True)
        log.info("looked back at %.0f s of %s: %d looks", _seconds(span), span.camera_id, looked)

    async def _is_there(self, span: BlindSpan) -> bool:
        left = Unseen(span.camera_id, span.done_until_ns, span.end_ns, span.cause)
        return bool(await self._recorded(left, span.stream))

    async def _commit_often(self, late: LateFindings) -> None:
        while True:
            await self._clock.sleep(COMMIT_S)
            await self._commit(late)

    async def _commit(self, late: LateFindings, *, over: bool = False) -> None:
        due, until_ns = late.due(over=over)

        def done(conn: sqlite3.Connection, count: int) -> None:
            blind_spans.progress(conn, late.span.id, until_ns, count)
            self._waiting = blind_spans.waiting(conn)

        await self._intake.accept_late(lambda conn: late.news(conn, due), done)
        late.told(due)  # a commit that was cancelled in between is made again, and finds its own events

    async def _failure(self, span: BlindSpan, late: LateFindings, error: ApplianceError) -> None:
        if late.due()[1] > span.done_until_ns:
            self._failed.pop(span.id, None)
        self._failed[span.id] = self._failed.get(span.id, 0) + 1
        log.warning("a look back at %s was broken off: %s", span.camera_id, error)
        if self._failed[span.id] >= ATTEMPTS:
            await self._give_up(span)

    async def _give_up(self, span: BlindSpan) -> None:
        oldest_ns = await self._stores.archive.read(
            lambda conn: segments.first_start_ns(conn, span.camera_id, span.stream)
        )

        def gone(conn: sqlite3.Connection) -> list[BlindSpan]:
            blind_spans.gone(conn, span.id)
            if oldest_ns is not None:
                blind_spans.forget_before(conn, span.camera_id, span.stream, oldest_ns)
            return blind_spans.waiting(conn)

        self._waiting = await self._db.write(gone)

    # -- for people -------------------------------------------------------------------------

    def since(self, time_ns: int) -> str:
        """A time of day in the site's zone."""
        return f"{datetime.fromtimestamp(time_ns // SECOND_NS, self._site):%H:%M}"

    def findings(self) -> list[Finding]:
        """No names: a stranger may read it."""
        blind = self._vision.sight.blind(self._clock.now_ns())
        found: list[Finding] = []
        if blind:
            since_ns, cause = min(blind.values())
            total = len(self._vision.figures())
            text = f"{len(blind)} of {total} cameras blind since {self.since(since_ns)}: {WHY[cause]}"
            found.append(("sight", "degraded", text))
        late, waiting = self._late, self._waiting
        if late is not None:
            span, length_ns = late.span, max(1, late.span.end_ns - late.span.start_ns)
            share = 100 * (late.judged_ns - span.start_ns) // length_ns
            times = f"{self.since(span.start_ns)}-{self.since(span.end_ns)}"
            more = f"; {len(waiting) - 1} more wait" if len(waiting) > 1 else ""
            found.append(("looking back", "ok", f"{times}, {share} %{more}"))
        elif waiting:
            seconds = sum(map(_seconds, waiting))
            long = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
            first = self.since(waiting[-1].start_ns)
            until = "there is time" if self._vision.sight.is_right else "the model that is wanted looks"
            text = f"{long} of footage wait until {until}, the newest from {first}"
            found.append(("looking back", "ok", text))
        return found


def _seconds(span: BlindSpan) -> float:
    return (span.end_ns - span.done_until_ns) / SECOND_NS
