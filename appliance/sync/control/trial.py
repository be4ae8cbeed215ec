"""Commit-confirm: settings that a hub changed stay only if the box is heard by the hub afterwards.

The old values and the deadline lie in the database from the transaction of the change on: a restart, or a
power cut, in between changes nothing. Time is measured by the monotonic clock from when this process first
saw the trial, so that a step of the box clock neither shortens nor lengthens it by more than a restart does.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.store import commands
from appliance.store.commands import Trial
from appliance.store.database import Database
from appliance.sync.control import document
from appliance.sync.control.answering import note, owe
from appliance.sync.control.document import Change

log = logging.getLogger(__name__)


class Trials:
    """``run`` for ever. ``heard(asked_ns)``: the hub has answered a request that was begun then (monotonic
    clock)."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        changed: Callable[[str], Awaitable[None]],
        on_owed: Callable[[], None] = lambda: None,
    ) -> None:
        self._db, self._clock = db, clock
        self._changed, self._on_owed = changed, on_owed
        self._woken = asyncio.Event()
        self._applying = 0
        self._heard_ns = -1
        self._in_force_ns = clock.monotonic_ns()  # what is stored is in force since then
        self._seen: tuple[str, int] | None = None  # command, and its deadline by the monotonic clock

    @contextlib.contextmanager
    def being_applied(self) -> Iterator[None]:
        """Around the change and what puts it into force: nothing heard in it confirms it."""
        self._applying += 1
        try:
            yield
        finally:
            self._applying -= 1
            self._in_force_ns = self._clock.monotonic_ns()
            self._woken.set()

    def heard(self, asked_ns: int) -> None:
        """Any answer counts that the hub gave to this box's token, but not one to a request that was on its
        way before the change was in force."""
        self._heard_ns = max(self._heard_ns, asked_ns)
        self._woken.set()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            pause_s = None if self._applying else await self._look()
            await self._idle(pause_s)

    async def _look(self) -> float | None:
        """Seconds until the deadline; None: nothing is on trial (any more)."""
        found = await self._db.read(commands.trial)
        if found is None:
            self._seen = None
            return None
        now_ns = self._clock.monotonic_ns()
        if self._seen is None or self._seen[0] != found.command_id:
            whole_ns = found.deadline_ns - found.began_ns
            left_ns = min(max(0, found.deadline_ns - self._clock.now_ns()), whole_ns)
            self._seen = (found.command_id, now_ns + left_ns)
        deadline_ns = self._seen[1]
        if self._heard_ns > self._in_force_ns:
            await self._confirm(found)
        elif now_ns >= deadline_ns:
            await self._undo(found)
        else:
            return (deadline_ns - now_ns) / SECOND_NS
        self._seen = None
        self._on_owed()
        return None

    async def _confirm(self, found: Trial) -> None:
        def work(conn: sqlite3.Connection) -> None:
            if commands.end_trial(conn, found.command_id):
                self._tell(conn, found, "confirmed", "the hub was heard after the change", {})

        await self._db.write(work)

    async def _undo(self, found: Trial) -> None:
        log.warning("settings that the hub changed are undone: it was not heard since")
        changes = msgspec.json.decode(found.changes, type=list[Change])

        def work(conn: sqlite3.Connection) -> tuple[str, ...]:
            if not commands.end_trial(conn, found.command_id):
                return ()
            before = document.read(conn)
            after = document.undone(before, changes)
            nouns = document.write(conn, after)
            back: dict[str, object] = {
                "undone": [".".join(change.path) for change in document.differences(before, after)],
                "settings_version": document.version(after),
            }
            self._tell(conn, found, "undone", "the hub was not heard after the change", back)
            return nouns

        for noun in await self._db.write(work):
            await self._changed(noun)

    def _tell(
        self,
        conn: sqlite3.Connection,
        found: Trial,
        state: commands.State,
        why: str,
        result: dict[str, object],
    ) -> None:
        now_ns = self._clock.now_ns()
        commands.answer(conn, found.command_id, state, why, now_ns)
        owe(conn, found.command_id, state, why, result, now_ns)
        order = commands.get(conn, found.command_id)
        by = "" if order is None else order.by
        note(conn, found.command_id, "patch_settings", by, state, why, result, now_ns)

    async def _idle(self, pause_s: float | None) -> None:
        waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._woken.wait())]
        if pause_s is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep(max(0.01, pause_s))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
