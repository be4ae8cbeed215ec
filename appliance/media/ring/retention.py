"""Retention: what must go, so that recording can go on.

Order: what is older than its camera keeps it; what is over ``max_bytes``; then, oldest first over
all cameras, what stands in the way of each volume's reserve. Locked and pinned spans never go (R6):
they are looked up in the transaction that writes the garbage row. Every deletion leaves an
``expired`` gap, in that same transaction (R4), and runs in the order of R5.
"""

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Camera, Gap, Segment
from appliance.base.settings import RetentionSettings
from appliance.media.ring import recovery
from appliance.media.ring.volume import Volume
from appliance.media.ring.volumes import Volumes
from appliance.media.ring.watermark import (
    WORSE,
    Level,
    RetentionState,
    Space,
    VolumeLevel,
    reserve_bytes,
    space_of,
    squeeze,
)
from appliance.store import cameras, gaps, garbage, locks, retention_held, segments
from appliance.store.database import Database

__all__ = ["Retention", "RetentionState", "VolumeLevel", "Space", "keep_ns", "reserve_bytes", "space_of"]

log = logging.getLogger(__name__)

INTERVAL_S = 10.0  # at most; a small disk that fills fast is looked at more often
SHORTEST_S = 0.5
FILL_SHARE = 0.25  # of the time in which the fastest filling volume would be full
BATCH = 32  # garbage rows per transaction: other writers of appliance.db wait for one batch at most
EVENTS_KEEP_NS = 3600 * SECOND_NS  # pre-roll and late decisions of a camera that keeps only events
DAY_NS = 86_400 * SECOND_NS
SUM_SHARE = 200  # adding up a volume's rows may take 1/200 of the time


class _Sum(NamedTuple):
    bytes_: int
    taken_ns: int
    cost_ns: int


class Retention:
    """``run`` for the supervisor; ``wake`` from any thread; ``state`` for health.

    ``on_state`` is called in the loop when the level changes. ``make_room`` frees a little space
    where the databases themselves find none (the ballast), and says whether it could.
    """

    def __init__(
        self,
        db: Database,
        archive_db: Database,
        volumes: Volumes,
        clock: Clock,
        *,
        on_state: Callable[[RetentionState], None] | None = None,
        make_room: Callable[[], bool] | None = None,
        space: Callable[[Path], Space | None] = space_of,
    ) -> None:
        self._db = db
        self._archive = archive_db
        self._volumes = volumes
        self._clock = clock
        self._on_state = on_state
        self._make_room = make_room
        self._space = space
        self._sums: dict[str, _Sum] = {}
        self._failing: set[str] = set()  # volumes whose files could not be unlinked in this sweep
        self._free: dict[str, tuple[int, int]] = {}  # volume -> (monotonic ns, free bytes) behind a sweep
        self._pause_s = SHORTEST_S
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._deleted_segments = self._deleted_bytes = 0
        self.state = RetentionState("ok", clock.now_ns())
        for volume in volumes.all:
            volume.on_full = self.wake

    def wake(self) -> None:
        """A volume is full: sweep now, not at the next interval. Never waits."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._wake.set)
            except RuntimeError:
                pass  # the loop is closed: the box is stopping

    async def run(self) -> None:
        """Sweep every ``INTERVAL_S`` or sooner, and whenever woken, until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._stop.clear()
        try:
            while True:
                try:
                    await self.run_once()
                except (ApplianceError, OSError) as error:
                    log.error("retention: a sweep failed: %s", error)
                await self._pause()
        finally:
            self.stop()

    async def run_once(self) -> RetentionState:
        """One sweep, in a thread; then ``on_state`` where the level has changed."""
        before = self.state.level
        state = await asyncio.to_thread(self._sweep_with_room)
        if state.level != before:
            say = log.error if state.level in ("stuck", "missing") else log.info
            say("retention: %s %s", state.level, state.detail)
            if self._on_state is not None:
                self._on_state(state)
        return state

    def stop(self) -> None:
        """A sweep that runs in its thread ends after its current batch."""
        self._stop.set()

    async def _pause(self) -> None:
        waits = {
            asyncio.ensure_future(self._clock.sleep(self._pause_s)),
            asyncio.ensure_future(self._wake.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._wake.clear()
            for wait in waits:
                wait.cancel()

    def _sweep_with_room(self) -> RetentionState:
        try:
            return self.sweep()
        except ApplianceError as error:
            # The garbage row itself has no room: only what is not footage may give way first (R5).
            if error.kind != "exhausted" or self._make_room is None or not self._make_room():
                raise
            return self.sweep()

    def sweep(self) -> RetentionState:
        """Delete what must go, in small batches; blocks. Returns the new state."""
        self._failing.clear()
        usable = [volume for volume in self._volumes.all if volume.usable() is None]
        for volume in usable:
            if volume.awaits_recovery:
                found = recovery.recover_late(self._db, self._archive, volume)
                log.info("volume %s came back with %d segments", volume.root, len(found))
        wanted, known = self._db.read_now(lambda conn: _wishes(conn, self._clock.now_ns()))
        self._finish_garbage(usable)
        self._by_age(usable, wanted, known)
        over = self._by_bytes(usable, wanted)
        self._pause_s = INTERVAL_S
        levels = tuple(self._by_reserve(volume, volume in usable, wanted) for volume in self._volumes.all)
        self.state = self._judge(levels, over)
        return self.state

    def _finish_garbage(self, usable: list[Volume]) -> None:
        # What an earlier sweep could not unlink: nothing more is condemned while that does not work.
        for volume in usable:
            left = self._db.read_now(partial(garbage.list_garbage, volume_id=volume.id))
            if left:
                self._unlink(volume, left)

    def _by_age(self, usable: list[Volume], wanted: RetentionSettings, known: dict[str, Camera]) -> None:
        for camera_id in self._archive.read_now(segments.cameras):
            before_ns = self._clock.now_ns() - keep_ns(known.get(camera_id), wanted)
            for stream in ("main", "sub"):

                def older(
                    conn: sqlite3.Connection, after: tuple[int, str], c: str = camera_id, s: str = stream,
                    before_ns: int = before_ns,
                ) -> list[Segment]:  # fmt: skip
                    return segments.older_than(conn, c, s, before_ns, BATCH, after)

                for batch in self._batches(older):
                    self._expire(batch, usable)

    def _by_bytes(self, usable: list[Volume], wanted: RetentionSettings) -> int:
        """How many bytes are still too many behind it: locked, or out of reach."""
        if wanted.max_bytes is None:
            return 0
        total = sum(self._recorded(volume) for volume in self._volumes.all)
        over = total - wanted.max_bytes
        while over > 0 and not self._stop.is_set():
            freed = self._oldest_of_all(usable, over)
            if freed == 0:
                return over
            over -= freed
        return 0

    def _oldest_of_all(self, usable: list[Volume], want_bytes: int) -> int:
        """One batch of the oldest footage over all volumes."""
        heads = [
            next(self._free_batches(volume.id), []) for volume in usable if volume.id not in self._failing
        ]
        batch = sorted((row for head in heads for row in head), key=_age)[:BATCH]
        return self._expire(batch, usable, want_bytes)

    def _by_reserve(self, volume: Volume, is_there: bool, wanted: RetentionSettings) -> VolumeLevel:
        space = self._space(volume.root) if is_there else None
        if space is None:
            return VolumeLevel(volume.id, str(volume.root), 0, 0, 0, "missing")
        self._note_pace(volume, space)
        reserve, room = reserve_bytes(space, 1 << 62, wanted), space.free_bytes
        squeezed: Level = "ok"
        if space.free_bytes < reserve:
            recorded = self._recorded(volume)
            reserve, room = reserve_bytes(space, recorded, wanted), space.free_bytes + recorded
            squeezed = squeeze(room, space, wanted, self._was_stuck(volume))
        # Counted by what is deleted, not by looking again: a reader that holds a deleted file open
        # keeps its space, and must not cost more footage. The next sweep looks again.
        short = reserve - space.free_bytes
        stuck = False
        if short > 0:
            for batch in self._free_batches(volume.id):
                short -= self._expire(batch, [volume], short)
                if short <= 0 or self._stop.is_set():
                    break
            stuck = short > 0 and not self._stop.is_set()
            space = self._space(volume.root) or space
        if volume.fault == "disk_full" and short <= 0:
            volume.fault = None
        self._free[volume.id] = (self._clock.monotonic_ns(), space.free_bytes)
        level: Level = "stuck" if stuck else "low" if space.free_bytes < reserve else "ok"
        return VolumeLevel(
            volume.id, str(volume.root), space.total_bytes, space.free_bytes, reserve,
            max(level, squeezed, key=WORSE.index), room, squeezed != "ok" and not stuck,
        )  # fmt: skip

    def _was_stuck(self, volume: Volume) -> bool:
        return any(one.volume_id == volume.id and one.level == "stuck" for one in self.state.volumes)

    def _note_pace(self, volume: Volume, space: Space) -> None:
        """Look again long before the volume can be full."""
        before = self._free.get(volume.id)
        if before is None:
            self._pause_s = SHORTEST_S  # the pace is not known yet
            return
        passed_s = max(0.001, (self._clock.monotonic_ns() - before[0]) / SECOND_NS)
        pace = (before[1] - space.free_bytes) / passed_s
        if pace > 0:
            self._pause_s = max(SHORTEST_S, min(self._pause_s, space.free_bytes / pace * FILL_SHARE))

    def _free_batches(self, volume_id: str) -> Iterator[list[Segment]]:
        """The oldest footage of a volume that is not locked, batch by batch."""

        def oldest(conn: sqlite3.Connection, after: tuple[int, str]) -> list[Segment]:
            return segments.oldest(conn, volume_id, BATCH, after)

        yield from self._batches(oldest)

    def _batches(
        self, look: Callable[[sqlite3.Connection, tuple[int, str]], list[Segment]]
    ) -> Iterator[list[Segment]]:
        """What ``look`` finds, without the locked ones, so that those cost no transaction."""
        after = (0, "")
        while not self._stop.is_set():
            batch = self._archive.read_now(partial(_at, look, after))
            if not batch:
                return
            after = _age(batch[-1])
            free = self._db.read_now(partial(_not_locked, batch))
            if free:
                yield free

    def _expire(self, batch: list[Segment], usable: list[Volume], want_bytes: int | None = None) -> int:
        """Delete ``batch`` in its order, as far as ``want_bytes`` asks; the bytes that went."""
        roots = {volume.id: volume for volume in usable if volume.id not in self._failing}
        chosen: list[Segment] = []
        for row in batch:
            if want_bytes is not None and sum(one.bytes_ for one in chosen) >= want_bytes:
                break
            if row.volume_id in roots:
                chosen.append(row)
        if not chosen:
            return 0
        condemned = self._db.write_now(lambda conn: _condemn(conn, chosen))
        freed = 0
        for volume_id in dict.fromkeys(item.volume_id for item in condemned):
            rows = [item for item in condemned if item.volume_id == volume_id]
            if self._unlink(roots[volume_id], [_garbage_of(row) for row in rows]):
                gone = sum(row.bytes_ for row in rows)
                freed += gone
                self._deleted_segments += len(rows)
                self._forget(volume_id, gone)
        self._deleted_bytes += freed
        return freed

    def _unlink(self, volume: Volume, items: list[garbage.Garbage]) -> bool:
        try:
            recovery.take_out_all(self._db, self._archive, volume.root, items)
        except OSError as error:
            # The rows stay in the garbage table; nothing more is condemned on a disk that keeps it.
            self._failing.add(volume.id)
            log.error(
                "retention: nothing can be deleted on %s: %s", volume.root, os.strerror(error.errno or 5)
            )
            return False
        return True

    def _recorded(self, volume: Volume) -> int:
        """Bytes of the volume's segments, added up again as often as that is cheap."""
        now_ns = self._clock.monotonic_ns()
        known = self._sums.get(volume.id)
        if known is not None and now_ns - known.taken_ns < known.cost_ns * SUM_SHARE:
            return known.bytes_
        total = self._archive.read_now(lambda conn: segments.volume_bytes(conn, volume.id))
        done_ns = self._clock.monotonic_ns()
        self._sums[volume.id] = _Sum(total, done_ns, done_ns - now_ns)
        return total

    def _forget(self, volume_id: str, gone_bytes: int) -> None:
        known = self._sums.get(volume_id)
        if known is not None:
            self._sums[volume_id] = known._replace(bytes_=known.bytes_ - gone_bytes)

    def _judge(self, levels: tuple[VolumeLevel, ...], over_bytes: int) -> RetentionState:
        level: Level = max((one.level for one in levels), key=WORSE.index, default="ok")
        detail = "; ".join(one.words for one in levels if one.level != "ok")
        hint = "mount the volume again" if level == "missing" else ""
        if over_bytes > 0 and level != "stuck":
            level = "stuck"
            detail = f"the recordings are {over_bytes // 1_000_000} MB over their limit"
        worst = [one for one in levels if one.level == level]
        if any(one.squeezed for one in worst):
            hint = "take files that are not recordings off that disk, or add a volume"
        elif level == "stuck":
            failing = bool(self._failing)
            detail += ": files cannot be deleted" if failing else ": all that is left is locked or pinned"
            hint = "check the disk" if failing else "unlock footage that is no longer needed, or add a volume"
        since_ns = self.state.since_ns if level == self.state.level else self._clock.now_ns()
        return RetentionState(
            level, since_ns, levels, detail, hint, self._deleted_segments, self._deleted_bytes
        )


def keep_ns(camera: Camera | None, wanted: RetentionSettings) -> int:
    """How long a camera's footage stays; of a camera that is gone, as long as the settings say."""
    if camera is not None and camera.record.mode == "events":
        return EVENTS_KEEP_NS
    days = wanted.days if camera is None or camera.retention_days is None else camera.retention_days
    return int(days * DAY_NS)


def _wishes(conn: sqlite3.Connection, now_ns: int) -> tuple[RetentionSettings, dict[str, Camera]]:
    known = {camera.id: camera for camera in cameras.list_cameras(conn, archived=True)}
    return retention_held.in_force(conn, now_ns), known


def _condemn(conn: sqlite3.Connection, batch: list[Segment]) -> list[Segment]:
    """In one transaction: the locks are read, the garbage rows and the gaps written (R4, R5, R6)."""
    condemned = []
    for row in batch:
        if _is_locked(conn, row) or not garbage.insert(conn, _garbage_of(row)):
            continue
        gap = Gap(row.camera_id, row.stream, row.start_ns, row.end_ns, "expired")
        gaps.expire(conn, gap, row.boot_id)
        condemned.append(row)
    return condemned


def _at(
    look: Callable[[sqlite3.Connection, tuple[int, str]], list[Segment]],
    after: tuple[int, str],
    conn: sqlite3.Connection,
) -> list[Segment]:
    return look(conn, after)


def _not_locked(batch: list[Segment], conn: sqlite3.Connection) -> list[Segment]:
    return [row for row in batch if not _is_locked(conn, row)]


def _is_locked(conn: sqlite3.Connection, row: Segment) -> bool:
    return bool(locks.overlapping(conn, row.camera_id, row.start_ns, row.end_ns))


def _garbage_of(row: Segment) -> garbage.Garbage:
    return garbage.Garbage(row.volume_id, row.path, row.camera_id, row.stream, row.start_ns, row.end_ns)


def _age(row: Segment) -> tuple[int, str]:
    return row.start_ns, row.path
