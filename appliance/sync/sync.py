"""All targets: one sender for each that is enabled, changed when its row changes."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.base.supervision import supervise
from appliance.store import identity, outbox, outbox_counts, settings, targets
from appliance.store.database import Database
from appliance.store.outbox_counts import TargetFigures
from appliance.store.sealing import Sealer
from appliance.store.targets import Target
from appliance.sync import directory
from appliance.sync.address import tls_of
from appliance.sync.keeping import EVERY_S, keep
from appliance.sync.protocol.heartbeat import Heartbeat
from appliance.sync.sender import Sender, SenderState
from appliance.sync.targets import Attended, Materials, Missed, SyncTarget
from appliance.sync.targets.given import Given
from appliance.sync.targets.registry import make

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
STATE_FOLDER = "targets"  # below the data folder: what a target must remember beside its rows

Row = tuple[Target, bytes | None, str]  # with its sealed token, and the site's time zone


@dataclass(frozen=True)
class Ports:
    """What the daemon lends to targets. ``materials`` None: files that are owed wait. The others as in
    ``targets.given.Given``."""

    materials: Materials | None = None
    heartbeat: Callable[[], Awaitable[Heartbeat]] | None = None
    commanded: Callable[[], None] = lambda: None


class Sync:
    """``run`` for ever; ``wake`` after a commit that wrote to the outbox, ``reload`` after one that
    changed a target. ``timeout_s`` is of the real clock: silence from the network is real."""

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        clock: Clock,
        device_id: str,
        *,
        timeout_s: float = TIMEOUT_S,
        ports: Ports | None = None,
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._clock = clock
        self._device_id = device_id
        self._timeout_s = timeout_s
        self.ports = ports or Ports()  # may be set until ``run``
        self._changed = asyncio.Event()
        self._rows: dict[str, Row] = {}
        self._senders: dict[str, Sender] = {}
        self._peers: dict[str, SyncTarget] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._broken: dict[str, SenderState] = {}

    def wake(self) -> None:
        """There are new rows. Returns at once."""
        for sender in self._senders.values():
            sender.wake()

    def retry_now(self) -> None:
        """The link is back: pauses after failures end. Returns at once."""
        for sender in self._senders.values():
            sender.retry_now()

    def reload(self) -> None:
        """A target was put or deleted, what it refused is to go again, or the site's time zone changed: a
        person looks on, and pauses after failures end. Returns at once."""
        self._changed.set()
        self.retry_now()

    async def farewell(self) -> None:
        """The box is stopped on purpose: those who watch over it are told, within a second or not at all."""
        leaving = [peer.farewell() for peer in self._peers.values() if isinstance(peer, Missed)]
        await asyncio.gather(*leaving, return_exceptions=True)

    async def figures(self, target_id: str) -> TargetFigures:
        """D6, at this moment."""
        return await self._db.read(lambda conn: outbox_counts.figures(conn, target_id))

    def states(self) -> dict[str, SenderState]:
        """Of the enabled targets, by id."""
        return {**{id_: sender.state for id_, sender in self._senders.items()}, **self._broken}

    async def run(self) -> None:
        """Keep a sender running for each enabled target, until cancelled."""
        keeping = asyncio.create_task(supervise("outbox", self._keep, self._clock), name="outbox")
        try:
            while True:
                self._changed.clear()
                await self._follow(await self._db.read(_enabled))
                await self._changed.wait()
        finally:
            keeping.cancel()
            await asyncio.shield(self._stop(list(self._rows)))

    async def _follow(self, rows: dict[str, Row]) -> None:
        changed = [id_ for id_, row in self._rows.items() if rows.get(id_) != row]
        await self._stop(changed)
        # A target that is switched off has nothing on its way.
        await self._db.write(lambda conn: [outbox.recover(conn, id_) for id_ in changed])
        for id_, row in rows.items():
            if id_ not in self._rows:
                self._start(*row)

    def _start(self, target: Target, sealed: bytes | None, zone: str) -> None:
        self._rows[target.id] = (target, sealed, zone)
        try:
            peer = make(self._given(target, sealed))
        except (ApplianceError, ValueError, OSError) as error:
            # Nothing but a person can mend it; the other targets are not to suffer.
            log.warning("nothing can be sent to target %s: %s", target.id, error)
            self._broken[target.id] = SenderState(error=str(error))
            return
        self._peers[target.id] = peer
        sender = Sender(
            target, peer, self._db, self._clock,
            zone=zone, materials=self.ports.materials, timeout_s=self._timeout_s,
        )  # fmt: skip
        self._senders[target.id] = sender
        self._run(f"sync to {target.id}", target.id, sender.run)
        if isinstance(peer, Attended):
            self._run(f"attending {target.id}", target.id, peer.attend)

    async def _keep(self) -> None:
        while True:
            if await keep(self._db, self._clock):
                self.wake()
            await self._clock.sleep(EVERY_S)

    def _run(self, name: str, target_id: str, run: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(supervise(name, run, self._clock), name=name)
        self._tasks.setdefault(target_id, []).append(task)

    def _given(self, target: Target, sealed: bytes | None) -> Given:
        return Given(
            target=target,
            secret=None if sealed is None else self._sealer.open(sealed, f"target/{target.id}").decode(),
            tls=tls_of(target),
            device_id=self._device_id,
            clock=self._clock,
            db=self._db,
            state_folder=self._db.path.parent / STATE_FOLDER / target.id,
            timeout_s=self._timeout_s,
            wake=self.wake,
            heartbeat=self.ports.heartbeat,
            commanded=self.ports.commanded,
            charge=lambda size_bytes: self._charge(target.id, size_bytes),
            reached=lambda: self._reached(target.id),
            sign=self._sign,
            directory=lambda: self._db.read(directory.read),
        )

    def _charge(self, target_id: str, size_bytes: int) -> None:
        if (sender := self._senders.get(target_id)) is not None:
            sender.charge(size_bytes)

    def _reached(self, target_id: str) -> None:
        if (sender := self._senders.get(target_id)) is not None:
            sender.retry_now()

    def _sign(self, text: bytes) -> bytes:
        """With the box's identity key, which is made when it is first needed. Blocks: for threads."""
        now_ns = self._clock.now_ns()
        return self._db.write_now(lambda conn: identity.ensure(conn, self._sealer, now_ns)).sign(text)

    async def _stop(self, target_ids: list[str]) -> None:
        tasks = [task for id_ in target_ids for task in self._tasks.pop(id_, [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        peers = [peer for id_ in target_ids if (peer := self._peers.pop(id_, None)) is not None]
        await asyncio.gather(*(peer.close() for peer in peers), return_exceptions=True)
        for id_ in target_ids:
            self._rows.pop(id_, None)
            self._senders.pop(id_, None)
            self._broken.pop(id_, None)


def _enabled(conn: sqlite3.Connection) -> dict[str, Row]:
    zone = settings.load(conn).site.time_zone
    return {target.id: (target, targets.secret(conn, target.id), zone) for target in targets.enabled(conn)}
