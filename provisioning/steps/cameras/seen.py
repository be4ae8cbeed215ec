"""Which cameras there are, and what each says of itself: ONVIF, asked once for the page and for a file of
answers alike."""

import asyncio
import json
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

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
BLOCKING = ("wrong_password", "locked", "not_answering", "no_streams", "mjpeg_only")
HARMLESS = ("h265_main", "no_serial")  # it is recorded, watched and found all the same
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
    with it. ``usable``: it can be recorded; ``right``: nothing is wrong that matters. ``channel``: which of a
    recorder's pictures, from 1; 0: it has but one."""

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
    channel: int = 0


async def find(
    programs: Programs, wanted: Sequence[IPv4Network], *, window_s: float = WINDOW_S
) -> tuple[Seen, ...]:
    """Those that announce themselves, and those that a scan of ``wanted`` and of the box's own networks
    finds; one per address, sorted."""
    own = await asyncio.to_thread(own_networks, programs)
    networks = {one.network for one in own if one.network.prefixlen >= LARGEST_OWN} | set(wanted)
    answers = await asyncio.gather(
        announced(programs, wanted, window_s=window_s), *(scanned(one) for one in sorted(networks))
    )
    found = {one.address: one for seen in reversed(answers) for one in seen}  # who announces itself says more
    return tuple(sorted(found.values(), key=lambda one: _order(one.address)))


async def announced(
    programs: Programs, wanted: Sequence[IPv4Network] = (), *, window_s: float = WINDOW_S
) -> tuple[Seen, ...]:
    """Those that answer a probe in the networks that the box is in; ``wanted``: a network of this machine's
    own (simulated cameras) is asked, too."""
    asked_from = [str(one.ip) for one in await asyncio.to_thread(own_networks, programs)]
    if not asked_from or any(network.is_loopback for network in wanted):
        asked_from.append(LOOPBACK)
    found = await discover(asked_from, window_s=window_s)
    by_address = {one.address: _announced(one) for one in found if is_v4(one.address)}
    return tuple(sorted(by_address.values(), key=lambda one: _order(one.address)))


async def scanned(network: IPv4Network) -> tuple[Seen, ...]:
    """What looks like a camera at any address of ``network``."""
    return tuple(
        Seen(open_.address, open_.onvif_url or "", "", "", "", "", "", "scanned")
        for open_ in await scanning.scan(network)
        if open_.onvif_url or open_.rtsp
    )


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


async def look(
    seen: Seen, tries: Sequence[Credentials], http: aiohttp.ClientSession, clock: Clock
) -> tuple[Looked, ...]:
    """What it says of itself: one camera, or as many as a recorder has pictures. What is in the way of
    asking is a finding, too."""
    try:
        found = await details(seen.url, tries, session=http, clock=clock)
    except ApplianceError as error:
        code = "wrong_password" if error.kind == "denied" else "not_answering"
        return (_silent(seen, Finding(code, error.message, error.hint, mendable=False)),)
    return looked(seen, found)


async def look_at_all(seen: Sequence[Seen], tries: Sequence[Credentials], clock: Clock) -> tuple[Looked, ...]:
    """All of them, some at a time; those without ONVIF are left out."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(which: Seen, http: aiohttp.ClientSession) -> tuple[Looked, ...]:
        async with turn:
            return await look(which, tries, http, clock)

    async with session() as http:
        found = await asyncio.gather(*(one(which, http) for which in seen if which.url))
    return tuple(camera for cameras in found for camera in cameras)


async def set_right(
    seen: Seen, credentials: Credentials, clock: Clock, ntp_server: str
) -> tuple[tuple[mending.Mended, ...], tuple[Looked, ...]]:
    """The one button: what was set, and how the camera is then. Raises what the camera is in the way with."""
    async with session() as http:
        before = await details(seen.url, [credentials], session=http, clock=clock)
        server = ntp_server or towards(seen.address)
        done = await mending.mend(before, credentials, session=http, clock=clock, ntp_server=server)
        return done, await look(seen, [credentials], http, clock)


def in_the_way(looked: Looked) -> Finding:
    """Why a camera that was found cannot be used."""
    blocking = (finding for finding in looked.findings if finding.code in BLOCKING)
    none = Finding("no_streams", "it has no stream", "look at its own page", mendable=False)
    return (*blocking, *looked.findings, none)[0]


def looked(seen: Seen, found: Details) -> tuple[Looked, ...]:
    """``found`` as cameras that can be added: one for each picture that the device has."""
    sources: dict[str, list[StreamDetails]] = {}
    for stream in found.streams:
        sources.setdefault(stream.source, []).append(stream)
    if len(sources) < 2:
        return (_camera(seen, found, found.streams, found.findings, 0),)
    cameras = []
    for number, streams in enumerate(sources.values(), start=1):
        tokens = {stream.profile for stream in streams}
        of_device = "" if number == 1 else None  # said once, not for each picture
        findings = [one for one in found.findings if one.profile in tokens or one.profile == of_device]
        cameras.append(_camera(seen, found, streams, findings, number))
    return tuple(cameras)


def _camera(
    seen: Seen, found: Details, streams: Sequence[StreamDetails], findings: Sequence[Finding], number: int
) -> Looked:
    """``number``: which picture of several, from 1; 0: there is but one."""
    which = identity(found.serial, found.mac or seen.mac, seen.endpoint)
    blocked = any(finding.code in BLOCKING for finding in findings)
    maker, model = found.maker or seen.maker, found.model or seen.model
    name = suggested(seen.name, maker, model, found.address)
    key = which.serial or which.mac or which.endpoint or found.address
    return Looked(
        key=f"{key}/{number}" if number else key,
        address=found.address,
        url=found.url,
        name=f"{name} {number}" if number else name,
        maker=maker,
        model=model,
        firmware=found.firmware,
        serial=which.serial or "",
        mac=which.mac or "",
        endpoint=which.endpoint or "",
        credential=found.credentials_index,
        streams=tuple(streams),
        findings=tuple(findings),
        has_picture=bool(found.snapshot_url),
        usable=bool(streams) and not blocked,
        right=bool(streams) and all(finding.code in HARMLESS for finding in findings),
        channel=number,
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


def is_v4(address: str) -> bool:
    try:
        IPv4Address(address)
    except ValueError:
        return False
    return True


def _order(address: str) -> int:
    return int(IPv4Address(address))


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
