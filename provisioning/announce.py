"""``aries-XXXX.local`` in the network, by mDNS (RFC 6762) and as a service (RFC 6763)."""

import contextlib
import logging
from socket import AF_INET, inet_pton
from typing import Any

log = logging.getLogger(__name__)

SERVICE = "_https._tcp.local."


class Announcement:
    """Follows the addresses that it is given; close it with ``close``."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self._port = port
        self._told: tuple[str, ...] = ()
        self._zeroconf: Any = None

    async def follow(self, addresses: tuple[str, ...]) -> None:
        """Announce under ``addresses`` (IPv4) from now on. Raises ``OSError`` where there is no multicast."""
        if addresses == self._told:
            return
        await self.close()
        if not addresses:
            return
        from zeroconf import IPVersion
        from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

        self._zeroconf = AsyncZeroconf(interfaces=list(addresses), ip_version=IPVersion.V4Only)
        found = AsyncServiceInfo(
            SERVICE,
            f"{self._name}.{SERVICE}",
            addresses=[inet_pton(AF_INET, address) for address in addresses],
            port=self._port,
            properties={"path": "/"},
            server=f"{self._name}.local.",
        )
        # Two boxes whose MACs end alike: the second is aries-XXXX-2.
        await self._zeroconf.async_register_service(found, allow_name_change=True)
        self._told = addresses

    async def close(self) -> None:
        """Says goodbye, so that no telephone keeps a dead name."""
        zeroconf, self._zeroconf, self._told = self._zeroconf, None, ()
        if zeroconf is not None:
            with contextlib.suppress(OSError):
                await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()
