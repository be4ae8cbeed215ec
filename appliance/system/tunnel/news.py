"""Told by the kernel when links, addresses or routes change: rtnetlink(7), multicast groups.

What changed is not read: somebody looks at everything then.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

# linux/rtnetlink.h: link, IPv4 address and route, IPv6 address and route
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400


class NetworkNews:
    """Calls ``on_news`` in the loop, from ``open`` to ``close``. Where the socket is refused the
    watchdog still finds out by itself, later."""

    def __init__(self, on_news: Callable[[], None]) -> None:
        self._on_news = on_news
        self._socket: socket.socket | None = None

    def open(self) -> None:
        try:
            found = socket.socket(
                socket.AF_NETLINK,
                socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
                socket.NETLINK_ROUTE,
            )
            found.bind((0, _GROUPS))
        except OSError as error:
            log.warning("changes of the network are seen late: %s", error.strerror)
            return
        self._socket = found
        asyncio.get_running_loop().add_reader(found.fileno(), self._read)

    def close(self) -> None:
        found, self._socket = self._socket, None
        if found is not None:
            asyncio.get_running_loop().remove_reader(found.fileno())
            found.close()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._socket is not None:
                try:
                    self._socket.recv(65_536)
                except OSError as error:
                    if isinstance(error, BlockingIOError):
                        raise
                    log.debug("news of the network were lost: %s", error.strerror)  # ENOBUFS: there were many
        self._on_news()
