"""Cameras that announce themselves: WS-Discovery (OASIS 2005/04, as ONVIF Core 7.3 uses it)."""

from collections.abc import Sequence

import msgspec

GROUP = ("239.255.255.250", 3702)


class Announced(msgspec.Struct, frozen=True):
    """One camera that answered a probe. ``urls``: of its device service, the best first: those at the
    ``address`` that the answer came from. ``mac``: as its scopes or the kernel's neighbours say."""

    endpoint: str
    urls: tuple[str, ...]
    name: str
    maker: str
    model: str
    address: str
    mac: str | None


async def discover(
    local_addresses: Sequence[str], *, window_s: float = 3.0, group: tuple[str, int] = GROUP
) -> list[Announced]:
    """Ask from each local address and listen for ``window_s``; one per endpoint and address, sorted."""
    raise NotImplementedError
