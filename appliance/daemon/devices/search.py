"""Where is this camera now? Asked of the network, without a password for a stranger.

A device is looked at twice. What it announces (its endpoint, its MAC) needs no password, and must agree
with what is known; only then it is asked for its serial, with a digest of the password.
"""

import asyncio
import logging
import socket
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from urllib.parse import urlsplit

import aiohttp
import msgspec

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.onvif.device import Device
from appliance.onvif.discovery import GROUP, Announced, discover
from appliance.onvif.identity import Identity, identity, same
from appliance.onvif.scan import Open, scan

log = logging.getLogger(__name__)

_AT_ONCE = 32


class Seen(msgspec.Struct, frozen=True):
    """One device at one address. ``onvif_url``: of its device service."""

    address: str
    identity: Identity
    onvif_url: str


def host_of(url: str) -> str | None:
    """The IPv4 address in a camera's URL; None where it has a name, or is simulated. Only such cameras
    are followed: a name is somebody else's promise to find the device."""
    try:
        parts = urlsplit(url)
        return str(IPv4Address(parts.hostname or "")) if parts.scheme not in ("sim", "file") else None
    except (AddressValueError, ValueError):
        return None


def at_host(url: str, before: str, now: str) -> str:
    """``url`` with the host ``now`` where it was ``before``; nothing else in it changes."""
    netloc = urlsplit(url).netloc
    host, colon, port = netloc.rpartition("@")[2].partition(":")
    return url.replace(f"//{netloc}", f"//{now}{colon}{port}", 1) if host == before else url


def local_address_for(host: str) -> str:
    """From which of our addresses ``host`` is reached; sends nothing. Raises ``OSError``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        plug.connect((host, 9))
        return str(plug.getsockname()[0])


async def scan_apart(network: IPv4Network) -> list[Open]:
    """``scan`` in a thread with a loop of its own: begun all at once, its thousands of connections would
    hold up everything else on ours."""
    return await asyncio.to_thread(lambda: asyncio.run(scan(network)))


class CameraSearch:
    """``group``: of WS-Discovery; ``window_s`` and ``one_window_s``: how long answers are waited for, of all
    and of a single camera (they wait up to half a second themselves before they answer)."""

    def __init__(
        self,
        clock: Clock,
        group: tuple[str, int] = GROUP,
        *,
        window_s: float = 3.0,
        one_window_s: float = 1.2,
    ) -> None:
        self._clock = clock
        self.group = group
        self.window_s, self._one_window_s = window_s, one_window_s

    async def announced(self, hosts: Sequence[str]) -> list[Seen]:
        """All that announce themselves in the networks that ``hosts`` are reached through."""
        local = set()
        for host in hosts:
            try:
                local.add(local_address_for(host))
            except OSError:
                continue
        try:
            found = await discover(sorted(local), window_s=self.window_s, group=self.group)
        except (ApplianceError, OSError) as error:
            log.info("looking for cameras: %s", error)
            return []
        return [_seen(one) for one in found]

    async def scanned(self, host: str) -> list[Seen]:
        """All that speak ONVIF in the /24 around ``host``, each asked by itself who it is. None for a
        public address: its neighbours are strangers."""
        if not IPv4Address(host).is_private:
            return []
        network = IPv4Network(f"{host}/24", strict=False)
        turn = asyncio.Semaphore(_AT_ONCE)
        opened = [one for one in await scan_apart(network) if one.onvif_url is not None]

        async def ask(address: str) -> Seen | None:
            async with turn:
                return await self.at(address)

        seen = await asyncio.gather(*(ask(one.address) for one in opened))
        return [one for one in seen if one is not None]

    async def at(self, host: str) -> Seen | None:
        """What the device at ``host`` announces when it alone is asked."""
        try:
            local = local_address_for(host)
            found = await discover([local], window_s=self._one_window_s, group=(host, self.group[1]))
        except (ApplianceError, OSError):
            return None
        return next((_seen(one) for one in found if one.address == host), None)

    async def onvif_at(self, host: str) -> str | None:
        """The device service at ``host``, by trying the usual ports; nothing is announced there."""
        opened = await scan(IPv4Network(f"{host}/32"))
        return opened[0].onvif_url if opened else None

    async def identity_at(self, url: str, credentials: Credentials | None) -> Identity:
        """What the device says of itself to one who has the password. Raises ``ApplianceError``."""
        async with aiohttp.ClientSession() as session:
            device = Device(url, credentials, session, clock=self._clock)
            serial = (await device.information()).serial
            try:
                macs = [port.mac for port in await device.interfaces() if port.mac]
            except ApplianceError:
                macs = []  # not all tell of their network
        return identity(serial, macs[0] if macs else None)

    async def confirmed(self, wanted: Identity, seen: Seen, credentials: Credentials | None) -> bool:
        """Is it the device ``wanted``? Asks nothing of one whose announcement already says no, or whose
        announcement says nothing. Raises ``denied`` where it does not take the password any more."""
        if not same(wanted, seen.identity):
            return False
        if wanted.serial is None:
            return True
        told = await self.identity_at(seen.onvif_url, credentials)
        return same(wanted, Identity(told.serial, told.mac or seen.identity.mac, seen.identity.endpoint))


def _seen(found: Announced) -> Seen:
    return Seen(found.address, identity(None, found.mac, found.endpoint), found.urls[0])
