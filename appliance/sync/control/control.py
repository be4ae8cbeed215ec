"""The loop: ask, judge, obey, ask again."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact
from appliance.base.supervision import BackOff
from appliance.store import commands
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.sync.address import tls_of
from appliance.sync.control.applier import Inside, Outside
from appliance.sync.control.obeying import Obeying
from appliance.sync.control.order import NotObeyed, judge, read
from appliance.sync.control.poll import Peer, Unheard, poll
from appliance.sync.control.refusals import Refusals
from appliance.sync.control.trial import Trials
from appliance.sync.control.whom import whom
from appliance.sync.protocol.command import LONGEST_WAIT_S

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
LEAST_BETWEEN_S = 1.0  # of a hub that answers at once, with nothing new
ON_TRIAL_S = 10.0  # the longest pause while settings wait to be confirmed, or the link is back too late
IDLE_S = 60.0  # a command beside the daemon may have enrolled the box without waking us
REMEMBERED_NS = 30 * 86_400 * SECOND_NS


class ControlState(msgspec.Struct, frozen=True):
    """For the screen. ``error`` is None while the hub was heard last time."""

    error: str | None = None
    heard_ns: int | None = None


class Control:
    """``run`` for ever: one request to the hub at a time. ``reload`` after the hub or its target changed;
    ``wake`` when a heartbeat said that orders wait."""

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        clock: Clock,
        appliers: Mapping[str, Inside | Outside],
        *,
        changed: Callable[[str], Awaitable[None]],
        ring: Callable[[int], None] = lambda _: None,
        on_owed: Callable[[], None] = lambda: None,
        wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._db, self._sealer, self._clock = db, sealer, clock
        self._wait_s = wait_s
        self.trials = Trials(db, clock, changed=changed, on_owed=on_owed)
        self._obeying = Obeying(db, clock, appliers, self.trials, changed=changed, ring=ring, on_owed=on_owed)
        self._refusals = Refusals(db, clock)
        self._back_off = BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._woken = asyncio.Event()
        self._changed = asyncio.Event()
        self.state = ControlState()

    def wake(self) -> None:
        """Ask again now: ends a pause after a failure, too, since a hub that says so is there."""
        self._woken.set()

    def reload(self) -> None:
        """Where the hub is, or whether there is one, has changed. Returns at once."""
        self._changed.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.trials.run(), name="settings on trial")
            group.create_task(self._run(), name="control")

    async def _run(self) -> None:
        await self._obeying.recover()
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session:
            while True:
                self._changed.clear()
                self._woken.clear()
                peer, on_trial = await self._db.read(self._peer)
                if peer is None:
                    await self._pause(IDLE_S)
                    continue
                began_ns = self._clock.monotonic_ns()
                fresh = await self._ask(session, peer, 0.0 if on_trial else self._wait_s)
                if fresh is None:
                    pause_s = self._back_off.next_s()
                    await self._pause(min(pause_s, ON_TRIAL_S) if on_trial else pause_s)
                    continue
                self._back_off.reset()
                took_s = (self._clock.monotonic_ns() - began_ns) / SECOND_NS
                await self._pause(0 if fresh else LEAST_BETWEEN_S - took_s)

    def _peer(self, conn: sqlite3.Connection) -> tuple[Peer | None, bool]:
        """The hub as it is now, and whether settings are on trial."""
        try:
            peer = whom(conn, self._sealer)
        except ApplianceError as error:
            self.state = ControlState(str(error), self.state.heard_ns)
            return None, False
        return peer, peer is not None and commands.trial(conn) is not None

    async def _ask(self, session: aiohttp.ClientSession, peer: Peer, wait_s: float) -> bool | None:
        """Whether something new came; None: the hub was not heard, or had nothing but what is no order
        for us: it will say so again."""
        asked_ns = self._clock.monotonic_ns()
        asking = asyncio.ensure_future(self._poll(session, peer, wait_s))
        changing = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({asking, changing}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return True  # another hub, or none: ask that one
            offered = asking.result()
        except Unheard as error:
            self.state = ControlState(redact(str(error))[:300], self.state.heard_ns)
            return None
        finally:
            asking.cancel()
            changing.cancel()
        self.state = ControlState(None, self._clock.now_ns())
        self.trials.heard(asked_ns)
        fresh = await self._handle(offered)
        return None if offered and not fresh else fresh

    async def _poll(self, session: aiohttp.ClientSession, peer: Peer, wait_s: float) -> list[msgspec.Raw]:
        try:
            tls = tls_of(peer.target)
        except (ValueError, OSError) as error:
            raise Unheard(f"its certificate authority cannot be used: {error}") from error
        return await poll(session, peer, tls, wait_s)

    async def _handle(self, offered: list[msgspec.Raw]) -> bool:
        """In the hub's order, one at a time; whether any was one that we had not known."""
        fresh = False
        for raw in offered:
            fresh |= await self.take(raw)
        await self._refusals.sum_up()
        before_ns = self._clock.now_ns() - REMEMBERED_NS
        if fresh:
            await self._db.write(lambda conn: commands.prune(conn, before_ns))
        return fresh

    async def take(self, raw: msgspec.Raw) -> bool:
        """One order, from wherever: what counts is its signature. False: it is none, or is known."""
        try:
            signed = read(raw)
            await self._obeying.obey(await self._db.read(lambda conn: judge(conn, signed, self._clock)))
        except NotObeyed as refused:
            await self._refusals.note(refused)
            if refused.order is None:
                return False
            await self._obeying.refuse(refused.order, refused.message)
        return True

    async def _pause(self, seconds: float) -> None:
        """Ends early when there is something to do."""
        if seconds <= 0:
            return
        waits = [
            asyncio.ensure_future(self._woken.wait()),
            asyncio.ensure_future(self._changed.wait()),
            asyncio.ensure_future(self._clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
