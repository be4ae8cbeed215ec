"""What the page of the cameras asks while somebody looks at it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.model import Credentials
from appliance.onvif import streams
from appliance.onvif.details import Finding, StreamDetails, by_source
from appliance.onvif.device import Device
from appliance.onvif.makers import Candidate, candidates
from appliance.onvif.mend import Mended
from appliance.onvif.streams import Codec
from appliance.onvif.where import host_of
from provisioning.ground import Ground
from provisioning.steps.cameras import seen
from provisioning.steps.cameras.given import Credential, networks, tries
from provisioning.steps.cameras.seen import Looked, Seen

T = TypeVar("T", bound=msgspec.Struct)
CHANNELS_AT_ONCE = 4  # a recorder of 8 channels has a small processor, too


class Discover(msgspec.Struct, forbid_unknown_fields=True):
    """``networks``: named by the installer; one of this machine's own is asked for its announcements."""

    networks: tuple[str, ...] = ()


class Scan(msgspec.Struct, forbid_unknown_fields=True):
    network: str


class Discovered(msgspec.Struct, frozen=True):
    seen: tuple[Seen, ...]


class Inspect(msgspec.Struct, forbid_unknown_fields=True):
    """One camera: as ``discover`` told it."""

    seen: Seen
    credentials: tuple[Credential, ...] = ()


class Inspected(msgspec.Struct, frozen=True):
    cameras: tuple[Looked, ...]
    mended: tuple[Mended, ...] = ()


class SetRight(msgspec.Struct, forbid_unknown_fields=True):
    seen: Seen
    credential: Credential
    ntp_server: str = ""


class Snapshot(msgspec.Struct, forbid_unknown_fields=True):
    """``channel``: which of a recorder's pictures, from 1."""

    url: str
    credential: Credential | None = None
    channel: int = 0


class Picture(msgspec.Struct, frozen=True):
    """Sent as it is."""

    content_type: str
    body: bytes


class Channels(msgspec.Struct, forbid_unknown_fields=True):
    """Of a recorder without ONVIF: each is asked for its streams through the daemon. ``channels`` None: as
    many as such a device usually has."""

    maker: str
    address: str
    channels: int | None = None
    credentials: tuple[Credential, ...] = ()


class Address(msgspec.Struct, forbid_unknown_fields=True):
    """A camera that a person knows the address of."""

    rtsp_url: str
    sub_url: str = ""
    credentials: tuple[Credential, ...] = ()


async def discover(ground: Ground, body: dict[str, Any]) -> Discovered:
    return Discovered(await seen.announced(ground.programs, networks(_read(body, Discover).networks)))


async def scan(ground: Ground, body: dict[str, Any]) -> Discovered:
    """Every address of one network; also those that do not announce themselves there."""
    (network,) = networks((_read(body, Scan).network,))
    return Discovered(await seen.scanned(network))


async def inspect(ground: Ground, body: dict[str, Any]) -> Inspected:
    asked = _read(body, Inspect)
    async with seen.session() as http:
        return Inspected(await seen.look(asked.seen, tries(asked.credentials), http, ground.clock))


async def set_right(ground: Ground, body: dict[str, Any]) -> Inspected:
    asked = _read(body, SetRight)
    (own,) = tries((asked.credential,))
    done, after = await seen.set_right(asked.seen, own, ground.clock, asked.ntp_server)
    return Inspected(after, done)


async def snapshot(ground: Ground, body: dict[str, Any]) -> Picture:
    asked = _read(body, Snapshot)
    own = None if asked.credential is None else tries((asked.credential,))[0]
    async with seen.session() as http:
        device = Device(asked.url, own, http, clock=ground.clock)
        sources = by_source(await streams.profiles(device))
        which = max(0, asked.channel - 1)
        if which >= len(sources):
            raise not_found("picture", "of this camera")
        return Picture("image/jpeg", await streams.snapshot(device, sources[which][0]))


async def channels(ground: Ground, body: dict[str, Any]) -> Inspected:
    asked = _read(body, Channels)
    own = tries(asked.credentials) or (None,)
    turn = asyncio.Semaphore(CHANNELS_AT_ONCE)
    found = candidates(asked.maker, asked.address, None, asked.channels)
    which, first = await _accepted(ground, found[0].main_url, own)

    async def one(candidate: Candidate) -> Looked:
        async with turn:
            known = first if candidate is found[0] else None
            return await _of_addresses(
                ground, f"{asked.maker} {candidate.channel}", asked.address,
                (candidate.main_url, candidate.sub_url), own[which], which, known,
            )  # fmt: skip

    return Inspected(tuple(await asyncio.gather(*map(one, found))))


async def address(ground: Ground, body: dict[str, Any]) -> Inspected:
    asked = _read(body, Address)
    own = tries(asked.credentials) or (None,)
    which, first = await _accepted(ground, asked.rtsp_url, own)
    urls = (asked.rtsp_url, asked.sub_url)
    host = host_of(asked.rtsp_url)
    return Inspected((await _of_addresses(ground, f"Camera {host}", host, urls, own[which], which, first),))


Tested = dict[str, Any] | ApplianceError


async def _accepted(ground: Ground, url: str, tries_: tuple[Credentials | None, ...]) -> tuple[int, Tested]:
    """Which of the tries the address takes, and what it sent; the first one where it takes none."""
    answers: list[Tested] = []
    for number, own in enumerate(tries_):
        found = await _tested(ground, url, own)
        if not (isinstance(found, ApplianceError) and found.kind == "denied"):
            return number, found
        answers.append(found)
    return 0, answers[0]


async def _of_addresses(
    ground: Ground,
    name: str,
    host: str,
    urls: tuple[str, str],
    own: Credentials | None,
    which: int,
    first: Tested | None,
) -> Looked:
    main = first if first is not None else await _tested(ground, urls[0], own)
    sub: Tested | None = None
    if urls[1] and not isinstance(main, ApplianceError):
        sub = await _tested(ground, urls[1], own)
    details, findings = [], []
    for label, url, found in (("main", urls[0], main), ("sub", urls[1], sub)):
        if isinstance(found, ApplianceError):
            code = "wrong_password" if found.kind == "denied" else "not_answering"
            findings.append(Finding(code, f"{label}: {found.message}", found.hint, mendable=False))
        elif found is not None:
            details.append(_stream(label, url, found))
            texts = (text.partition(": ") for text in found.get("hints", ()))
            findings += [
                Finding("stream", f"{label}: {text}", hint, mendable=False) for text, _, hint in texts
            ]
    usable = not isinstance(main, ApplianceError)
    return Looked(
        urls[0], host, "", name, "", "", "", "", "", "", which if own is not None and usable else None,
        tuple(details), tuple(findings), False, usable, usable and not findings,
    )  # fmt: skip


async def _tested(ground: Ground, url: str, own: Credentials | None) -> Tested:
    body = {"rtsp_url": url}
    if own is not None:
        body |= {"username": own.username, "password": own.password}
    try:
        found: dict[str, Any] = await ground.daemon.ask("POST", "/cameras/test", body)
    except ApplianceError as error:
        return error
    return found


def _stream(label: str, url: str, found: dict[str, Any]) -> StreamDetails:
    codecs: dict[str | None, Codec] = {"hevc": "h265", "h264": "h264", "mjpeg": "mjpeg"}
    return StreamDetails(
        label, url, codecs.get(found.get("codec"), ""), found.get("width") or 0, found.get("height") or 0,
        found.get("fps") or 0.0, found.get("bitrate_bps") or 0,
        round(found.get("key_frame_interval_s") or 0.0, 2),
    )  # fmt: skip


def _read(body: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise invalid(str(error)[:300], "load the page again") from None


QUESTIONS: dict[str, Callable[[Ground, dict[str, Any]], Awaitable[msgspec.Struct]]] = {
    "discover": discover,
    "scan": scan,
    "inspect": inspect,
    "set_right": set_right,
    "snapshot": snapshot,
    "channels": channels,
    "address": address,
}
