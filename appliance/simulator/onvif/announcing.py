"""WS-Discovery (OASIS 2005/04, as ONVIF Core 7.3 uses it): a fleet that hears probes and answers them.

One socket hears the group for all; each camera answers from its own address, and hears unicast probes
there too. A camera waits up to half a second before it answers (WS-Discovery, APP_MAX_DELAY).
"""

import asyncio
import logging
import random
import socket
import uuid
from collections.abc import Callable, Iterable

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.soap import BadSoap, Node, envelope, node, read, tag, text, write

log = logging.getLogger(__name__)

GROUP = ("239.255.255.250", 3702)
_MOST_DELAY_S = 0.5
_ANONYMOUS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
_MATCHES = "http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches"


class Announcing:
    """``heard_on``: local addresses on whose networks the group is joined."""

    def __init__(self, clock: Clock, heard_on: Iterable[str], group: tuple[str, int] = GROUP) -> None:
        self._clock = clock
        self._heard_on = tuple(heard_on)
        self._group = group
        self._ears: list[asyncio.DatagramTransport] = []
        self._mouths: dict[str, asyncio.DatagramTransport] = {}
        self._devices: dict[str, Device] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Raises ``unavailable`` where the group cannot be joined."""
        for address in self._heard_on:
            self._ears.append(await self._listen(self._group[0], address, self._heard))

    async def add(self, device: Device) -> None:
        def heard(data: bytes, sender: tuple[str, int]) -> None:
            self._answer(device, data, sender)

        self._mouths[device.name] = await self._listen(device.address, None, heard)
        self._devices[device.name] = device

    def remove(self, name: str) -> None:
        self._devices.pop(name, None)
        mouth = self._mouths.pop(name, None)
        if mouth is not None:
            mouth.close()

    def close(self) -> None:
        for ear in self._ears:
            ear.close()
        for name in tuple(self._devices):
            self.remove(name)
        for task in self._tasks:
            task.cancel()

    async def _listen(
        self, bound_to: str, join_on: str | None, heard: Callable[[bytes, tuple[str, int]], None]
    ) -> asyncio.DatagramTransport:
        plug = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            plug.bind((bound_to, self._group[1]))
            if join_on is not None:
                both = socket.inet_aton(self._group[0]) + socket.inet_aton(join_on)
                plug.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, both)
            plug.setblocking(False)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: _Ear(heard), sock=plug)
        except OSError as error:
            plug.close()
            hint = "discovery needs a local address, and a network that knows multicast"
            raise ApplianceError("unavailable", f"cannot hear on {bound_to}: {error}", hint) from None
        return transport

    def _heard(self, data: bytes, sender: tuple[str, int]) -> None:
        for device in tuple(self._devices.values()):
            if "elsewhere" not in device.faults:
                self._answer(device, data, sender)

    def _answer(self, device: Device, data: bytes, sender: tuple[str, int]) -> None:
        wanted = _probe(data)
        if wanted is None or "silent" in device.faults or not _is_meant(device, wanted[1]):
            return
        task = asyncio.create_task(self._say(device, wanted[0], sender))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _say(self, device: Device, message: str, sender: tuple[str, int]) -> None:
        await self._clock.sleep(random.uniform(0, _MOST_DELAY_S))
        mouth = self._mouths.get(device.name)
        if mouth is None or mouth.is_closing():
            return
        if "garbage" in device.faults:
            mouth.sendto(random.Random(device.name).randbytes(500), sender)
            return
        mouth.sendto(match(device, message), sender)


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._heard(data, addr)

    def error_received(self, exc: Exception) -> None:
        log.info("discovery: %s", exc)  # whoever asked has gone


def match(device: Device, message: str) -> bytes:
    """The answer of ``device`` to the probe whose id is ``message``."""
    urls = [device.url("tds")]
    if device.maker.ipv6_too:
        tail = device.hardware_address.replace(":", "")
        urls.append(f"http://[fe80::{tail[:4]}:{tail[4:6]}ff:fe{tail[6:8]}:{tail[8:]}]/onvif/device_service")
    body = node(
        "d:ProbeMatches",
        node(
            "d:ProbeMatch",
            node("wsa04:EndpointReference", node("wsa04:Address", device.endpoint)),
            node("d:Types", device.maker.types),
            node("d:Scopes", " ".join(device.words(scope) for scope in device.maker.scopes)),
            node("d:XAddrs", " ".join(urls)),
            node("d:MetadataVersion", 1),
        ),
    )
    header: tuple[Node, ...] = (
        node("wsa04:MessageID", f"urn:uuid:{uuid.uuid4()}"),
        node("wsa04:RelatesTo", message),
        node("wsa04:To", _ANONYMOUS),
        node("wsa04:Action", _MATCHES),
        node("d:AppSequence", InstanceId=1, MessageNumber=1),
    )
    return write(envelope(body, *header), device.maker.style)


def _probe(data: bytes) -> tuple[str, str] | None:
    """(its message id, the types it asks for) of a probe; None for anything else that is heard."""
    try:
        asked = read(data)
    except BadSoap:
        return None
    if (asked.service, asked.name) != ("d", "Probe"):
        return None
    header = asked.header
    message = header.find(tag("wsa04:MessageID")) if header is not None else None
    return (message.text or "").strip() if message is not None else "", text(asked.body, "d:Types")


def _is_meant(device: Device, types: str) -> bool:
    """A probe without types means everybody. Prefixes are the sender's: only local names are compared."""
    known = {name.rpartition(":")[2] for name in device.maker.types.split()}
    return not types or bool({name.rpartition(":")[2] for name in types.split()} & known)
