"""Who may hold a connection to the web: no crowd of strangers takes the files that recording needs.

Every open socket is a file of this process. Without a limit, a thousand silent connections from one
machine of the network are enough that no segment can be opened any more.
"""

import asyncio
import logging
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from appliance.base.clock import SECOND_NS, Clock

log = logging.getLogger(__name__)

SILENT_NS = 20 * SECOND_NS  # for the first request to be complete
LOOK_S = 5.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Crowd:
    """How many may be connected. ``files``: what this process asks to open at most; a shell often gives
    1024. Of those that it gets connections have ``share``, and never more than ``most``, because each
    costs memory too. ``backlog``: how many may wait for the loop to accept them (listen(2))."""

    files: int
    share: float
    most: int
    backlog: int = 128


OF_BOX: Final = Crowd(16_384, 0.5, 2_048)  # files: what the unit asks of systemd
# A box keeps up to three: rows, files, and one that waits for orders; and boxes come back all at once.
OF_HUB: Final = Crowd(131_072, 0.9, 100_000, backlog=4_096)


def raise_files(wanted: int = OF_BOX.files) -> int:
    """As many open files as the machine allows, up to ``wanted``; how many there are then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


class Listener(socket.socket):
    """Accepts while there is room. The kernel gives the lowest free number to each new file, so the
    number of a new connection tells how many are open: nothing is counted, and nothing miscounted
    where a TLS handshake never ends."""

    most = OF_BOX.most

    def accept(self) -> tuple[socket.socket, Any]:
        peer, address = super().accept()
        if peer.fileno() < self.most:
            return peer, address
        peer.close()
        log.warning("too many connections to the web: a new one is turned away")
        raise ConnectionAbortedError  # which the loop takes for a peer that went by itself


def listeners(host: str, port: int, crowd: Crowd) -> Iterator[Listener]:
    """Bound sockets, one for each address of ``host``. Raises ``OSError``."""
    most = min(crowd.most, int(raise_files(crowd.files) * crowd.share))
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
        listener = Listener(family, socket.SOCK_STREAM)
        listener.most = most
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
        yield listener


class Door:
    """Shows out who connects and does not say what for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: set[RequestHandler] = set()
        self._silent_since: dict[RequestHandler, int] = {}

    def greet(self, app: web.Application) -> None:
        """Before ``app`` is set up: notice every request that is complete."""

        @web.middleware
        async def heard(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._heard.add(request.protocol)
            return await handler(request)

        app.middlewares.insert(0, heard)

    async def run(self, server: web.Server) -> None:
        while True:
            self.look(server.connections)
            await asyncio.sleep(LOOK_S)

    def look(self, connections: list[RequestHandler]) -> None:
        now_ns = self._clock.monotonic_ns()
        self._heard.intersection_update(connections)
        silent = [each for each in connections if each not in self._heard]
        self._silent_since = {each: self._silent_since.get(each, now_ns) for each in silent}
        for each, since_ns in self._silent_since.items():
            if now_ns - since_ns >= SILENT_NS and each.transport is not None:
                each.transport.abort()
