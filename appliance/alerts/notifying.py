"""Alerts on their way to people: each channel has a task of its own, so that a dead one delays no other.

What is owed stands in the database since the alert's own transaction (``store.channels``); here it is sent,
the gravest first, once in effect: the key is the same however often it is tried. Nothing waits for it.
"""

import asyncio
import logging
import random
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from appliance.alerts.channels import Given, NotificationChannel, faults, notice, registry
from appliance.alerts.channels.notice import Notice
from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.redaction import forbid
from appliance.base.supervision import supervise
from appliance.rules.schedule import is_active
from appliance.store import channels, settings
from appliance.store.channels import Channel, Notification
from appliance.store.database import Database
from appliance.store.sealing import Sealer

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
STALE_NS = 24 * 3600 * SECOND_NS  # news of yesterday is on the screen; it rings nobody up today
STILL_S = 2.0
STILL_POLL_S = 0.25
BROKEN_NS = 60 * SECOND_NS  # a hiccup is no finding

StillOf = Callable[[str, bool], Awaitable[bytes | None]]  # (event id, with the box drawn) -> JPEG
Make = Callable[[Given], NotificationChannel]


class ChannelState(msgspec.Struct, frozen=True):
    """How it is now; ``since_ns`` None: nothing went wrong since it last worked."""

    error: str = ""
    since_ns: int | None = None
    again_ns: int | None = None


class Notifying:
    """``run`` until cancelled. ``wake`` after each commit that may hold an alert, ``reload`` after a change
    of the channels: both return at once."""

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        clock: Clock,
        device_id: str,
        still_of: StillOf,
        make: Make = registry.make,
    ) -> None:
        self._db, self._sealer, self._clock = db, sealer, clock
        self._device_id, self._still_of, self._make = device_id, still_of, make
        self._senders: dict[str, _Sender] = {}
        self._reload = asyncio.Event()

    def wake(self) -> None:
        for sender in self._senders.values():
            sender.woken.set()

    def reload(self) -> None:
        self._reload.set()

    async def run(self) -> None:
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                self._reload.clear()
                found = await self._db.read(_enabled)
                wanted = {channel.id: (channel, sealed) for channel, sealed in found}
                for id_ in [i for i, s in self._senders.items() if (s.channel, s.sealed) != wanted.get(i)]:
                    del self._senders[id_]
                    await _end(tasks.pop(id_))
                for id_, (channel, sealed) in wanted.items():
                    if id_ not in self._senders:
                        sender = self._senders[id_] = self._sender(channel, sealed)
                        work = supervise(f"channel {channel.name}", sender.run, self._clock)
                        tasks[id_] = asyncio.create_task(work, name=f"channel {id_}")
                await self._reload.wait()
        finally:
            for task in tasks.values():
                await _end(task)
            self._senders.clear()

    def state(self, channel_id: str) -> ChannelState:
        sender = self._senders.get(channel_id)
        return ChannelState() if sender is None else sender.state

    def findings(self) -> list[tuple[str, Literal["ok", "degraded", "failing"], str]]:
        """(name, status, detail) for the health page; nothing where there is no channel."""
        if not self._senders:
            return []
        now_ns = self._clock.now_ns()
        bad = [
            f"{sender.channel.name}: {sender.state.error}"
            for sender in self._senders.values()
            if sender.state.since_ns is not None and now_ns - sender.state.since_ns > BROKEN_NS
        ]
        if bad:
            return [("notifications", "degraded", "; ".join(bad))]
        return [("notifications", "ok", f"{len(self._senders)} in use")]

    def _sender(self, channel: Channel, sealed: bytes | None) -> "_Sender":
        return _Sender(
            self._db, self._sealer, self._clock, self._device_id, self._still_of, self._make, channel, sealed
        )


class _Sender:
    """One channel, one alert at a time."""

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        clock: Clock,
        device_id: str,
        still_of: StillOf,
        make: Make,
        channel: Channel,
        sealed: bytes | None,
    ) -> None:
        self._db, self._sealer, self._clock = db, sealer, clock
        self._device_id, self._still_of, self._make = device_id, still_of, make
        self.channel, self.sealed = channel, sealed
        self.woken = asyncio.Event()
        self.state = ChannelState()
        self._failures = 0

    async def run(self) -> None:
        try:
            peer = self._make(self._given())
        except ApplianceError as error:
            self._note(error)
            raise
        try:
            while True:
                self.woken.clear()
                found = await self._db.read(self._look)
                if found is None:
                    await self.woken.wait()
                elif not await self._tell(peer, *found):
                    await self._pause(found[0])
        finally:
            await peer.close()

    def _given(self) -> Given:
        """Raises ``data_loss`` where its secret cannot be opened: the supervisor says so."""
        secret = None
        if self.sealed is not None:
            secret = self._sealer.open(self.sealed, channels.secret_name(self.channel.id)).decode()
            forbid(secret)
        return Given(self.channel, secret, self._device_id)

    def _look(self, conn: sqlite3.Connection) -> tuple[Notification, Notice | None, bool] | None:
        """The next, what it says, and whether it falls into the quiet hours."""
        owed = channels.next_waiting(conn, self.channel.id)
        if owed is None:
            return None
        zone = ZoneInfo(settings.load(conn).site.time_zone)
        quiet = self.channel.quiet
        is_quiet = (
            owed.severity != "critical" and quiet is not None and is_active(quiet, owed.created_ns, zone)
        )
        return owed, notice.of_alert(conn, owed.alert_id), is_quiet

    async def _tell(
        self, peer: NotificationChannel, owed: Notification, said: Notice | None, is_quiet: bool
    ) -> bool:
        """True where it is settled, one way or another."""
        if said is None:
            return await self._settle(owed, "late", "the alert is gone")
        if self._clock.now_ns() - owed.created_ns > STALE_NS:
            return await self._settle(owed, "late", self.state.error or "it could not be sent within a day")
        if is_quiet:
            return await self._settle(owed, "quiet", "")
        if peer.wants_still:
            said = msgspec.structs.replace(said, still=await self._still(said))
        try:
            await peer.send(said, owed.key)
        except ApplianceError as error:
            if error.kind in faults.AGAIN:
                await self._failed(owed, error)
                return False
            self._note(error)
            log.warning("channel %s: an alert is not told: %s", self.channel.name, error)
            return await self._settle(owed, "refused", str(error))
        self._failures, self.state = 0, ChannelState()
        return await self._settle(owed, "sent", "")

    async def _still(self, said: Notice) -> bytes | None:
        """The event's picture; it is kept a moment after the alert."""
        if said.event is None or not said.camera:
            return None
        for _ in range(round(STILL_S / STILL_POLL_S)):
            if (still := await self._still_of(str(said.event["id"]), True)) is not None:
                return still
            await self._clock.sleep(STILL_POLL_S)
        return None

    async def _settle(self, owed: Notification, state: channels.State, error: str) -> bool:
        now_ns = self._clock.now_ns()
        await self._db.write(lambda conn: channels.done(conn, owed.key, state, now_ns, error))
        return True

    async def _failed(self, owed: Notification, error: ApplianceError) -> None:
        self._note(error)
        await self._db.write(lambda conn: channels.tried(conn, owed.key, str(error)))

    def _note(self, error: ApplianceError) -> None:
        if str(error) != self.state.error:
            log.warning("channel %s: %s", self.channel.name, error)
        since_ns = self.state.since_ns or self._clock.now_ns()
        self.state = ChannelState(str(error), since_ns)

    async def _pause(self, failed: Notification) -> None:
        """1, 2, 4 ... 300 s with jitter; a graver alert than the one that failed is tried at once."""
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures, 20))
        pause_s *= random.uniform(0.8, 1.0)
        self._failures += 1
        again_ns = self._clock.now_ns() + round(pause_s * SECOND_NS)
        self.state = msgspec.structs.replace(self.state, again_ns=again_ns)
        slept = asyncio.ensure_future(self._clock.sleep(pause_s))
        try:
            while not slept.done():
                woken = asyncio.ensure_future(self.woken.wait())
                await asyncio.wait({slept, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                if self.woken.is_set():
                    self.woken.clear()
                    if await self._db.read(lambda conn: self._is_graver(conn, failed)):
                        return
        finally:
            slept.cancel()

    def _is_graver(self, conn: sqlite3.Connection, failed: Notification) -> bool:
        """A critical alert that was never tried does not wait for what the others met."""
        owed = channels.next_waiting(conn, self.channel.id)
        return (
            owed is not None and owed.severity == "critical" and owed.attempts == 0 and owed.key != failed.key
        )


def _enabled(conn: sqlite3.Connection) -> list[tuple[Channel, bytes | None]]:
    found = [channel for channel in channels.list_channels(conn) if channel.enabled]
    return [(channel, channels.secret(conn, channel.id)) for channel in found]


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
