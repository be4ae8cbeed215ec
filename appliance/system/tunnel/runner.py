"""All of it together: what is wanted, from appliance.db; a device for it; the watchdog over it.

One program per box runs this (``state.Turn``): the daemon where it may make interfaces, else the unit
``aries-tunnel.service``, which has that one right and nothing else to do. Either takes its orders from the
database: an order of a command or of the hub is a row, seen within a second.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.supervision import BackOff
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.system.programs import Programs
from appliance.system.tunnel import device as devices
from appliance.system.tunnel import kept, probe, routes, state
from appliance.system.tunnel.config import TunnelConfig, host_port
from appliance.system.tunnel.device import Device
from appliance.system.tunnel.interface import Endpoint
from appliance.system.tunnel.keys import Keys
from appliance.system.tunnel.news import NetworkNews
from appliance.system.tunnel.state import STEPS, TunnelState
from appliance.system.tunnel.uapi import PeerFigures
from appliance.system.tunnel.watchdog import Watchdog

log = logging.getLogger(__name__)

ORDERS_S = 1.0
TRIAL_S = 60.0  # for the first handshake with a new key; three of WireGuard's own attempts and a bit
SETTLE_S = 0.2  # news of the network come in bursts

Choose = Callable[[str, Programs], Device]


class Order(msgspec.Struct, frozen=True):
    """What is to be: nothing (``config`` None), or this tunnel with these keys."""

    config: TunnelConfig | None = None
    keys: Keys | None = None

    def same_as(self, other: "Order") -> bool:
        """As far as the interface can tell: keys that wait are not in it."""
        mine, its = self.keys, other.keys
        if self.config != other.config or mine is None or its is None:
            return self == other
        return (mine.current, mine.preshared) == (its.current, its.preshared)


class Tunnel:
    """One configuration on one device; what the watchdog acts on (its ``Line``)."""

    def __init__(self, device: Device, config: TunnelConfig, keys: Keys, programs: Programs) -> None:
        self.device, self.config, self.keys = device, config, keys
        self._programs = programs
        self._endpoint: Endpoint | None = None

    async def up(self) -> None:
        """Raises ``conflict`` where it would cut something off, and what the device raises."""
        found = await self.resolve()
        if found and self._endpoint not in found:
            self._endpoint = found[0]
        await self.check()
        await asyncio.to_thread(self.device.up, self.config, self.keys, self._endpoint)

    async def check(self) -> None:
        """Raises ``conflict`` where its routes cover what they must not, as the network is now."""
        found = await asyncio.to_thread(routes.around, self._programs, self.config.interface)
        routes.check_routes(self.config, found, self._endpoint[0] if self._endpoint else None)

    async def down(self) -> None:
        await asyncio.to_thread(self.device.down, self.config)

    async def figures(self) -> PeerFigures:
        return await asyncio.to_thread(self.device.figures, self.config)

    async def resolve(self) -> tuple[Endpoint, ...]:
        return await probe.resolve(*host_port(self.config.endpoint, "endpoint"))

    async def set_endpoint(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        await asyncio.to_thread(self.device.set_endpoint, self.config, endpoint)

    async def poke(self) -> None:
        host = str(self.config.routes[0].network_address)
        await asyncio.to_thread(probe.poke, host)

    async def restart(self) -> None:
        await self.up()


class Runner:
    """``run`` until cancelled; the tunnel is taken down then."""

    def __init__(
        self, db: Database, sealer: Sealer, clock: Clock, data_dir: Path, *,
        choose: Choose = devices.choose, programs: Programs | None = None,
    ) -> None:  # fmt: skip
        self._db, self._sealer, self._clock, self._data_dir = db, sealer, clock, data_dir
        self._choose, self._programs = choose, programs or Programs()
        self._order = Order()
        self._tunnel: Tunnel | None = None
        self._watchdog: Watchdog | None = None
        self._trial: tuple[int, float] | None = None  # until (monotonic), newest handshake before it (UNIX)
        self._fault: ApplianceError | None = None
        self._retry = BackOff()
        self._retry_ns = 0
        self._wake = asyncio.Event()
        self._moved = False  # the network changed: may the routes still be there?
        self._public = ""
        self._written: TunnelState | None = None
        self.state = TunnelState(since_ns=clock.now_ns())

    async def run(self) -> None:
        """Raises ``conflict`` where another program runs this box's tunnel."""
        turn = state.Turn.take(self._data_dir)
        news = NetworkNews(self.stir)
        news.open()
        try:
            while True:
                await self._wait(await self.run_once())
        finally:
            news.close()
            await asyncio.shield(self._take_down())
            turn.close()

    async def run_once(self) -> float:
        """Orders, then one look; seconds until the next look."""
        pause_s = ORDERS_S
        try:
            await self._obey(await self._db.read(self._read_order))
            if self._tunnel is not None and self._watchdog is not None:
                if self._moved:
                    self._moved = False
                    await self._tunnel.check()
                pause_s = await self._watchdog.look()
                await self._judge_trial()
        except ApplianceError as error:
            await self._give_up(error)
        self._tell()
        return pause_s

    async def _give_up(self, error: ApplianceError) -> None:
        """For a while: what is wrong is said once, and tried again with growing pauses."""
        if self._fault is None or str(error) != str(self._fault):
            log.warning("tunnel: %s", error)
        self._fault = error
        self._retry_ns = self._clock.monotonic_ns() + round(self._retry.next_s() * SECOND_NS)
        await self._take_down()

    async def _wait(self, seconds: float) -> None:
        """Until it is time, there is news of the network, or another order."""
        until_ns = self._clock.monotonic_ns() + round(seconds * SECOND_NS)
        while (left_ns := until_ns - self._clock.monotonic_ns()) > 0:
            nap = asyncio.ensure_future(self._clock.sleep(min(ORDERS_S, left_ns / SECOND_NS)))
            woken = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait({nap, woken}, return_when=asyncio.FIRST_COMPLETED)
            nap.cancel()
            woken.cancel()
            if self._wake.is_set():
                await self._clock.sleep(SETTLE_S)
                self._wake.clear()
                return
            try:
                changed = await self._db.read(self._read_order) != self._order
            except ApplianceError:  # ``run_once`` meets it, too, and says it
                changed = True
            if changed:
                return

    def stir(self) -> None:
        """The network changed: look at once whether all of it may and does still work."""
        self._moved = True
        if self._watchdog is not None:
            self._watchdog.stir()
        self._wake.set()

    def _read_order(self, conn: sqlite3.Connection) -> Order:
        wanted = kept.wanted(conn)
        if not wanted.on or wanted.config is None:
            return Order()
        return Order(wanted.config, kept.keys(conn, self._sealer))

    async def _obey(self, order: Order) -> None:
        before, self._order = self._order, order
        if order.config is None or order.keys is None:
            await self._take_down()
            self._fault = None
            return
        self._public = order.keys.public if before.keys != order.keys else self._public
        if order.same_as(before):
            if self._tunnel is None and self._clock.monotonic_ns() >= self._retry_ns:
                await self._put_up(order.config, order.keys)
            return
        if before.config is None or before.config.interface != order.config.interface:
            await self._take_down()
        self._retry.reset()
        await self._put_up(order.config, order.keys)

    async def _put_up(self, config: TunnelConfig, keys: Keys) -> None:
        """Also over a tunnel that is up: what did not change is not interrupted."""
        newest_s = 0.0
        if self._tunnel is not None:
            device = self._tunnel.device
            newest_s = (await self._tunnel.figures()).handshake_s
        else:
            device = await asyncio.to_thread(self._choose, config.interface, self._programs)
            log.info("tunnel %s: %s, because %s", config.interface, device.kind, device.because)
        tunnel = Tunnel(device, config, keys, self._programs)
        await tunnel.up()
        self._tunnel, self._fault = tunnel, None
        self._watchdog = Watchdog(tunnel, self._probe if config.probe else None, self._clock)
        until_ns = self._clock.monotonic_ns() + round(TRIAL_S * SECOND_NS)
        self._trial = (until_ns, newest_s) if keys.phase == "trying" else None

    async def _take_down(self) -> None:
        tunnel, self._tunnel, self._watchdog = self._tunnel, None, None
        if tunnel is not None:
            await tunnel.down()

    async def _probe(self) -> bool | None:
        """None: there were news meanwhile, and what was asked is old."""
        if self._order.config is None:
            return None
        asking = asyncio.ensure_future(probe.answers(*host_port(self._order.config.probe, "probe")))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({asking, woken}, return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() else None
        finally:
            asking.cancel()
            woken.cancel()

    async def _judge_trial(self) -> None:
        """A new key has some time to make a handshake; the old one is not forgotten before."""
        if self._trial is None or self._watchdog is None:
            return
        until_ns, newest_s = self._trial
        works = self._watchdog.state == "up" and (self._watchdog.handshake_ns or 0) > newest_s * SECOND_NS
        if not works and self._clock.monotonic_ns() < until_ns:
            return
        self._trial = None
        log.log(
            logging.INFO if works else logging.WARNING,
            "tunnel: the new key %s", "is in use" if works else "makes no handshake: the old one again",
        )  # fmt: skip
        await self._db.write(partial(_settle, self._sealer, self._public, works))

    def _tell(self) -> None:
        keys, device = self._order.keys, self._tunnel.device if self._tunnel is not None else None
        base = TunnelState(
            since_ns=self.state.since_ns,
            backend=device.kind if device else "",
            because=device.because if device else "",
            public_key=self._public if keys else "",
            rotation=keys.phase if keys else "steady",
        )
        if self._watchdog is not None and self._fault is None:
            told = self._watchdog.told(base)
        elif self._fault is not None:
            told = msgspec.structs.replace(base, detail=self._fault.message, hint=self._fault.hint)
        else:
            told = msgspec.structs.replace(base, detail="it is not wanted", hint=STEPS["off"])
        if told.state != self.state.state:
            told = msgspec.structs.replace(told, since_ns=self._clock.now_ns())
        self.state = told
        if told != self._written:
            try:
                state.write(self._data_dir, told)
                self._written = told
            except OSError as error:
                log.debug("the tunnel's state was not written: %s", error.strerror)


def _settle(sealer: Sealer, public: str, works: bool, conn: sqlite3.Connection) -> None:
    kept.settle(conn, sealer, public, works)
