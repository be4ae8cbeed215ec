"""Questions to the outside: is the hub there, where is its endpoint. Both end by themselves."""

import asyncio
import contextlib
import socket

from appliance.system.tunnel.interface import Endpoint

PROBE_S = 5.0  # a loaded 64 kbit/s line answers late
RESOLVE_S = 3.0
DISCARD_PORT = 9


async def answers(host: str, port: int, within_s: float = PROBE_S) -> bool:
    """Whether something takes a TCP connection there. ``refused`` is an answer too: it came through the
    tunnel, from the endpoint itself; that the hub's program is down is not the tunnel's fault."""
    try:
        async with asyncio.timeout(within_s):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return True
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def resolve(host: str, port: int, within_s: float = RESOLVE_S) -> tuple[Endpoint, ...]:
    """The addresses of ``host`` in the system's own order (RFC 6724); empty: not known now."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(within_s):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys((str(entry[4][0]), port) for entry in found))


def poke(host: str) -> None:
    """One empty datagram to the discard port (RFC 863); nobody answers it, and nobody need."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        contextlib.suppress(OSError),
        socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock,
    ):
        sock.sendto(b"", (host, DISCARD_PORT))
