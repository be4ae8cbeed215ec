"""Cameras that announce themselves: WS-Discovery (OASIS 2005/04, as ONVIF Core 7.3 uses it)."""

import asyncio
import socket
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from appliance.base.errors import ApplianceError
from appliance.onvif.identity import normal_mac
from appliance.onvif.tree import Node, NoTreeError, plain, read_tree
from appliance.onvif.where import at_address, device_url

GROUP = ("239.255.255.250", 3702)
GROUP_6 = "ff02::c"
AGAIN_S = (0.0, 0.5)  # datagrams are lost; section 3.1.1 of the SOAP-over-UDP it stands on repeats them too
MOST_ANSWERS = 4096
MOST_BYTES = 65_000
# Some answer only to the first, some only to the second, some only to both named or none.
_TYPES = ("dn:NetworkVideoTransmitter", "tds:Device")
_PROBE = (
    '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">'
    "<s:Header><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>"
    "<a:MessageID>urn:uuid:{id}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
    "</s:Header><s:Body><d:Probe><d:Types>{types}</d:Types></d:Probe></s:Body></s:Envelope>"
)


class Announced(msgspec.Struct, frozen=True):
    """One camera that answered a probe. ``urls``: of its device service, the best first: those at the
    ``address`` that the answer came from. ``mac``: as its scopes or the kernel's neighbours say.
    ``maker`` is empty where the camera keeps it for those with a password."""

    endpoint: str
    urls: tuple[str, ...]
    name: str
    maker: str
    model: str
    address: str
    mac: str | None


async def discover(
    local_addresses: Sequence[str],
    *,
    window_s: float = 3.0,
    group: tuple[str, int] = GROUP,
    arp: Path = Path("/proc/net/arp"),
) -> list[Announced]:
    """Ask from each local address (IPv4, or IPv6 with its zone) and listen for ``window_s``; one per
    endpoint and address, sorted by address. An address that cannot be asked from is passed over.

    Raises ``unavailable`` where none can.
    """
    loop = asyncio.get_running_loop()
    heard: dict[tuple[str, str], Announced] = {}
    transports: list[asyncio.DatagramTransport] = []
    try:
        for local in dict.fromkeys(local_addresses):
            try:
                sock, target = _socket(local, group)
            except OSError:
                continue
            transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(heard), sock=sock)
            transports.append(transport)
            for after_s in AGAIN_S:
                if after_s < window_s:
                    loop.call_later(after_s, _probe, transport, target)
        if not transports:
            raise ApplianceError(
                "unavailable",
                "there is no network to look for cameras in",
                "give the camera network an address",
            )
        await asyncio.sleep(window_s)
    finally:
        for transport in transports:
            transport.close()
    neighbours = read_neighbours(arp)
    found = [
        msgspec.structs.replace(camera, mac=camera.mac or neighbours.get(camera.address))
        for camera in heard.values()
    ]
    return sorted(found, key=lambda camera: (_rank(camera.address), camera.endpoint))


def read_matches(data: bytes, address: str) -> list[Announced]:
    """The cameras in an answer from ``address``; none for what is no answer to a probe."""
    try:
        root = read_tree(data)
    except NoTreeError:
        return []
    return [_announced(node, address) for node in root.every("Body/ProbeMatches/ProbeMatch")[:64]]


def read_neighbours(arp: Path) -> dict[str, str]:
    """IPv4 address → MAC, of what this box has spoken to (format: proc(5), /proc/net/arp)."""
    try:
        lines = arp.read_text().splitlines()[1:]
    except OSError:
        return {}
    rows = [line.split() for line in lines]
    named = {row[0]: normal_mac(row[3]) for row in rows if len(row) >= 4}
    return {address: mac for address, mac in named.items() if mac is not None}


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, heard: dict[tuple[str, str], Announced]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if len(self._heard) >= MOST_ANSWERS or len(data) > MOST_BYTES:
            return
        for camera in read_matches(data, _sender(addr)):
            self._heard.setdefault((camera.endpoint, camera.address), camera)


def _sender(addr: tuple[Any, ...]) -> str:
    """A link-local IPv6 address leads nowhere without its zone."""
    address = str(addr[0])
    if len(addr) < 4 or not addr[3] or "%" in address:
        return address
    try:
        return f"{address}%{socket.if_indextoname(addr[3])}"
    except OSError:
        return address  # the interface has gone since


def _socket(
    local: str, group: tuple[str, int]
) -> tuple[socket.socket, tuple[str, int] | tuple[str, int, int, int]]:
    """A socket that asks from ``local``, and where to. Raises ``OSError``."""
    bare, _, zone = local.partition("%")
    is_six = ":" in bare
    sock = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # a hundred answers within a tick
        if is_six:
            index = socket.if_nametoindex(zone) if zone else 0
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sock.bind((bare, 0, 0, index))
            return sock, (GROUP_6, group[1], 0, index)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(bare))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sock.bind((bare, 0))
    except (OSError, ValueError):  # an address that is gone, or none
        sock.close()
        raise
    return sock, group


def _probe(transport: asyncio.DatagramTransport, target: tuple[str, int] | tuple[str, int, int, int]) -> None:
    if transport.is_closing():
        return
    for types in (*_TYPES, ""):
        transport.sendto(_PROBE.format(id=uuid.uuid4(), types=types).encode(), target)


def _announced(node: Node, address: str) -> Announced:
    scopes = _scopes(node.said("Scopes", 4000))
    return Announced(
        endpoint=node.said("EndpointReference/Address", 128).lower() or f"at {address}",
        urls=_urls(node.said("XAddrs", 2000).split(), address),
        name=scopes.get("name", ""),
        maker=scopes.get("manufacturer", scopes.get("mfr", "")),
        model=scopes.get("hardware", ""),
        address=address,
        mac=normal_mac(scopes.get("mac", "") or scopes.get("macaddr", "")),
    )


def _urls(named: list[str], address: str) -> tuple[str, ...]:
    """First those at ``address``, then the rest. A camera that names only others (its factory address, a
    name of its own) is asked where it answered from."""
    good = []
    for text in named[:16]:
        try:
            good.append(device_url(text))
        except ApplianceError:
            continue
    if not good:
        return (device_url(address),)  # where nearly all have it
    bare = address.partition("%")[0]
    here = [at_address(url, address) for url in good if _host(url) == bare]
    if not here:
        here = [at_address(url, address) for url in good[:1]]
    return tuple(dict.fromkeys([*here, *(url for url in good if _host(url) != bare)]))


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").partition("%")[0]


def _scopes(text: str) -> dict[str, str]:
    """``onvif://www.onvif.org/name/Front%20door`` → name: Front door. The first of a kind counts."""
    found: dict[str, str] = {}
    for scope in text.split():
        kind, _, value = scope.partition("onvif.org/")[2].partition("/")
        if value:
            found.setdefault(kind.lower(), plain(unquote(value).replace("_", " "), 64))
    return found


def _rank(address: str) -> tuple[int, ...] | tuple[str]:
    parts = address.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else (address,)
