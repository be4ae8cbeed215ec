"""Cameras that do not announce themselves: every address of a network is tried."""

from collections.abc import Sequence
from ipaddress import IPv4Network

import aiohttp
import msgspec

HTTP_PORTS = (80, 8080, 8000, 8899, 2020, 88)
RTSP_PORTS = (554, 8554, 10554)


class Open(msgspec.Struct, frozen=True):
    """``ports``: those tried that took a connection. ``onvif_url``: of the device service, where one
    answered; ``rtsp``: one of the ports speaks RTSP."""

    address: str
    ports: tuple[int, ...]
    onvif_url: str | None
    rtsp: bool


async def scan(
    network: IPv4Network,
    *,
    at_once: int = 256,
    wait_s: float = 0.5,
    http_ports: Sequence[int] = HTTP_PORTS,
    rtsp_ports: Sequence[int] = RTSP_PORTS,
    session: aiohttp.ClientSession | None = None,
) -> list[Open]:
    """Raises ``invalid`` for a network of more than 4096 addresses."""
    raise NotImplementedError
