"""Which cameras there are, and what each says of itself: ONVIF, asked once for the page and for a file of
answers alike."""

import asyncio
import json
import socket
from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv4Network

import aiohttp
import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.onvif import mend as mending
from appliance.onvif import scan as scanning
from appliance.onvif.details import Details, Finding, StreamDetails, details
from appliance.onvif.discovery import Announced, discover
from appliance.onvif.identity import identity
from appliance.system.programs import Programs
from provisioning.steps.cameras.naming import suggested

WINDOW_S = 3.0
LARGEST_OWN = 20  # prefix length: of a larger network of its own the box scans nothing unasked
AT_ONCE = 12
BLOCKING = ("wrong_password", "not_answering", "no_streams", "mjpeg_only")
LOOPBACK = "127.0.0.1"


class Seen(msgspec.Struct, frozen=True):
    """Something at an address that may be a camera. ``url``: of its ONVIF service; empty: it has none, and
    is a recorder or camera of a maker without."""

    address: str
    url: str
    name: str
    maker: str
    model: str
    mac: str
    endpoint: str
    how: str  # announced | scanned


class Looked(msgspec.Struct, frozen=True):
    """One camera, as it can be added. ``credential``: which of the tries it took. ``findings``: what is wrong
    with it. ``usable``: it can be recorded; ``right``: nothing is wrong."""

    key: str
    address: str
    url: str
    name: str
    maker: str
    model: str
    firmware: str
    serial: str
    mac: str
    endpoint: str
    credential: int | None
    streams: tuple[StreamDetails, ...]
    findings: tuple[Finding, ...]
    has_picture: bool
    usable: bool
    right: bool


async def find(
    programs: Programs, wanted: Sequence[IPv4Network], *, window_s: float = WINDOW_S
) -> tuple[Seen, ...]:
    """Those that announce themselves, and those that a scan of ``wanted`` and of the box's own networks
    finds; one per address, sorted."""
    own = await asyncio.to_thread(own_networks, programs)
    asked_from = [str(one.ip) for one in own]
    if any(network.is_loopback for network in wanted):
        asked_from.append(LOOPBACK)
    networks = {one.network for one in own if one.network.prefixlen >= LARGEST_OWN} | set(wanted)
    announced, scanned = await asyncio.gather(
        discover(asked_from, window_s=window_s),
        asyncio.gather(*(scanning.scan(network) for network in sorted(networks))),
    )
    found: dict[str, Seen] = {}
    for open_ in (one for network in scanned for one in network):
        if open_.onvif_url or open_.rtsp:
            found[open_.address] = Seen(open_.address, open_.onvif_url or "", "", "", "", "", "", "scanned")
    for one in announced:
        found[one.address] = _announced(one)
    return tuple(sorted(found.values(), key=lambda one: tuple(map(int, one.address.split(".")))))


def own_networks(programs: Programs) -> tuple[IPv4Interface, ...]:
    """Addresses of this machine with their networks, loopback left out; empty where ip(8) is missing."""
    try:
        links = json.loads(programs.must("ip", "-j", "-4", "addr", "show", "up") or "[]")
    except (ApplianceError, ValueError):
        return ()
    entries = [
        e for link in links if "LOOPBACK" not in link.get("flags", []) for e in link.get("addr_info", [])
    ]
    return tuple(IPv4Interface(f"{entry['local']}/{entry['prefixlen']}") for entry in entries)


def towards(host: str) -> str | None:
    """The address of this box that ``host`` sees; nothing is sent (a UDP socket only looks up the way)."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


async def look(seen: Seen, tries: Sequence[Credentials], http: aiohttp.ClientSession, clock: Clock) -> Looked:
    """What it says of itself; what is in the way of asking is a finding, too."""
    try:
        found = await details(seen.url, tries, session=http, clock=clock)
    except ApplianceError as error:
        code = "wrong_password" if error.kind == "denied" else "not_answering"
        return _silent(seen, Finding(code, error.message, error.hint, mendable=False))
    return looked(seen, found)


async def look_at_all(seen: Sequence[Seen], tries: Sequence[Credentials], clock: Clock) -> tuple[Looked, ...]:
    """All of them, some at a time; those without ONVIF are left out."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(which: Seen, http: aiohttp.ClientSession) -> Looked:
        async with turn:
            return await look(which, tries, http, clock)

    async with session() as http:
        return tuple(await asyncio.gather(*(one(which, http) for which in seen if which.url)))


async def set_right(
    seen: Seen, credentials: Credentials, clock: Clock, ntp_server: str
) -> tuple[tuple[mending.Mended, ...], Looked]:
    """The one button: what was set, and how the camera is then. Raises what the camera is in the way with."""
    async with session() as http:
        before = await details(seen.url, [credentials], session=http, clock=clock)
        server = ntp_server or towards(seen.address)
        done = await mending.mend(before, credentials, session=http, clock=clock, ntp_server=server)
        return done, await look(seen, [credentials], http, clock)


def looked(seen: Seen, found: Details) -> Looked:
    """``found`` as a camera that can be added."""
    which = identity(found.serial, found.mac or seen.mac, seen.endpoint)
    blocked = any(finding.code in BLOCKING for finding in found.findings)
    maker, model = found.maker or seen.maker, found.model or seen.model
    return Looked(
        key=which.serial or which.mac or which.endpoint or found.address,
        address=found.address,
        url=found.url,
        name=suggested(seen.name, maker, model, found.address),
        maker=maker,
        model=model,
        firmware=found.firmware,
        serial=which.serial or "",
        mac=which.mac or "",
        endpoint=which.endpoint or "",
        credential=found.credentials_index,
        streams=found.streams,
        findings=found.findings,
        has_picture=bool(found.snapshot_url),
        usable=bool(found.streams) and not blocked,
        right=bool(found.streams) and not found.findings,
    )


def _silent(seen: Seen, why: Finding) -> Looked:
    which = identity("", seen.mac, seen.endpoint)
    return Looked(
        which.mac or which.endpoint or seen.address, seen.address, seen.url,
        suggested(seen.name, seen.maker, seen.model, seen.address), seen.maker, seen.model, "", "",
        which.mac or "", which.endpoint or "", None, (), (why,), False, False, False,
    )  # fmt: skip


def _announced(one: Announced) -> Seen:
    url = one.urls[0] if one.urls else ""
    return Seen(one.address, url, one.name, one.maker, one.model, one.mac or "", one.endpoint, "announced")


class Memory:
    """What was seen lately: a plan that is made again a moment later, for its digest and before it is carried
    out, asks the cameras once."""

    KEPT_NS = 90 * SECOND_NS

    def __init__(self) -> None:
        self._kept: tuple[object, int, tuple[Seen, ...], tuple[Looked, ...]] | None = None

    def of(self, key: object, now_ns: int) -> tuple[tuple[Seen, ...], tuple[Looked, ...]] | None:
        if self._kept is None or self._kept[0] != key or now_ns - self._kept[1] > self.KEPT_NS:
            return None
        return self._kept[2], self._kept[3]

    def keep(self, key: object, now_ns: int, seen: tuple[Seen, ...], found: tuple[Looked, ...]) -> None:
        self._kept = (key, now_ns, seen, found)

    def forget(self) -> None:
        self._kept = None
