"""Screens that are lent by this instance now: a port each, and the connections that wait for the box."""

import asyncio
import contextlib
import ipaddress
import logging
import secrets
import socket
from dataclasses import dataclass, field

import aiohttp
import msgspec
from aiohttp import web

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.sync.pipe import carry, end
from appliance.sync.protocol.screen import MOST_CONNECTIONS, Connect

log = logging.getLogger(__name__)

ANSWER_S = 15.0  # for the box to come for a connection
BACKLOG = 16


@dataclass
class Waiting:
    """A browser's connection until the box fetches it, and until it has ended."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    fetched: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class Screen:
    """``only_from``: the address of the person who opened it; nobody else gets through. ``order_id``: what
    the box was ordered with. ``host``: for the browser, never the one that the hub's own session is for.
    ``fingerprint``: of the certificate that it will see, as the box says; None until it came."""

    session: str
    box_id: str
    by: str
    only_from: str
    port: int
    until_ns: int
    order_id: str = ""
    host: str = ""
    fingerprint: str | None = None
    server: asyncio.Server | None = None
    wire: web.WebSocketResponse | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    connections: int = 0
    made: int = 0


class Lending:
    """``ports``: which may be listened at. ``host``: where this instance listens, all addresses or one."""

    def __init__(self, clock: Clock, host: str, ports: range) -> None:
        self._clock, self._host, self._ports = clock, host, ports
        self._screens: dict[str, Screen] = {}
        self._ends: set[asyncio.Task[None]] = set()

    def of_box(self, box_id: str) -> Screen | None:
        return next((screen for screen in self._screens.values() if screen.box_id == box_id), None)

    def get(self, session: str) -> Screen | None:
        return self._screens.get(session)

    async def open(self, box_id: str, by: str, only_from: str, minutes: int) -> Screen:
        """Listens, and ends after ``minutes``. Raises ``conflict`` where this box's screen is lent already,
        ``exhausted`` where no port is left."""
        if self.of_box(box_id) is not None:
            raise ApplianceError("conflict", "this box's screen is open already", "close it first")
        until_ns = self._clock.now_ns() + minutes * 60 * SECOND_NS
        taken = {screen.port for screen in self._screens.values()}
        for port in self._ports:
            if port in taken:
                continue
            screen = Screen(secrets.token_urlsafe(32), box_id, by, plain(only_from), port, until_ns)
            self._screens[screen.session] = screen  # before anything is waited for: the port is ours
            try:
                await self._listen(screen)
            except OSError as error:
                del self._screens[screen.session]
                log.warning("port %d cannot be listened at: %s", port, error.strerror)
                continue
            task = asyncio.create_task(self._end_after(screen, minutes * 60), name="screen")
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)
            return screen
        raise ApplianceError(
            "exhausted",
            "no port is free for another screen",
            "close one, or give more: hub.toml, [screens] ports",
        )

    async def close(self, screen: Screen) -> None:
        """Every connection of it, too. Closed already: nothing."""
        if self._screens.pop(screen.session, None) is None:
            return
        if screen.server is not None:
            screen.server.close()
        for waiting in list(screen.waiting.values()):
            waiting.ended.set()
        if screen.wire is not None:
            with contextlib.suppress(OSError, aiohttp.ClientError):
                await screen.wire.close()
        screen.came.set()

    async def close_all(self) -> None:
        for screen in list(self._screens.values()):
            await self.close(screen)
        for task in list(self._ends):
            task.cancel()

    async def fetch(self, screen: Screen, number: int, wire: web.WebSocketResponse) -> None:
        """The box came for connection ``number``; returns when that is over. Raises ``not_found``."""
        waiting = screen.waiting.get(number)
        if waiting is None or waiting.fetched.is_set():
            raise ApplianceError("not_found", "nobody waits for that", "nothing to do: it was too late")
        waiting.fetched.set()
        carrying = asyncio.create_task(carry(wire, waiting.reader, waiting.writer))
        ended = asyncio.create_task(waiting.ended.wait())
        try:
            await asyncio.wait({carrying, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.ended.set()
            for task in (carrying, ended):
                task.cancel()
            await asyncio.gather(carrying, ended, return_exceptions=True)

    async def _listen(self, screen: Screen) -> None:
        async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._come(screen, reader, writer)

        screen.server = await asyncio.start_server(
            come, self._host or None, screen.port, backlog=BACKLOG, reuse_address=True
        )
        if screen.port == 0:
            screen.port = screen.server.sockets[0].getsockname()[1]

    async def _come(self, screen: Screen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected: socket.socket = writer.get_extra_info("socket")
        address = plain(str(writer.get_extra_info("peername")[0]))
        if address != screen.only_from or screen.connections >= MOST_CONNECTIONS:
            log.info("a connection to the lent screen of %s was turned away", screen.box_id)
            await end(writer)
            return
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        screen.connections += 1
        screen.made += 1
        number, waiting = screen.made, Waiting(reader, writer)
        screen.waiting[number] = waiting
        try:
            await self._have_it_fetched(screen, number, waiting)
        finally:
            screen.connections -= 1
            del screen.waiting[number]
            await end(writer)

    async def _have_it_fetched(self, screen: Screen, number: int, waiting: Waiting) -> None:
        """A browser that came before the box waits for it, but not for long."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await screen.came.wait()
                if screen.wire is None:
                    return
                await screen.wire.send_json(msgspec.to_builtins(Connect(number)))
                await waiting.fetched.wait()
        except (TimeoutError, OSError, aiohttp.ClientError):
            return
        await waiting.ended.wait()

    async def _end_after(self, screen: Screen, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self.close(screen)


def plain(address: str) -> str:
    """IPv4 as IPv4, also where it comes by an IPv6 socket; without a zone."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(getattr(found, "ipv4_mapped", None) or found)
