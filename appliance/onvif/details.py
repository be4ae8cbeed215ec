"""Everything of one camera, and what is wrong with it in an installer's words."""

import asyncio
from collections.abc import Sequence

import aiohttp
import msgspec

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.onvif.device import CameraClock, Device, Information
from appliance.onvif.encoder import EncoderOptions, encoder_options
from appliance.onvif.findings import LONG_GOP_S, Finding, of_clock, of_password, of_streams
from appliance.onvif.identity import identity
from appliance.onvif.soap import LOCKED_HINT, SILENT_HINT
from appliance.onvif.streams import Codec, Profile, profiles, snapshot_uri, stream_uri

__all__ = ["Details", "Finding", "StreamDetails", "by_source", "details"]

MOST_CHANNELS = 64
WHOLE_S = 60.0  # a DVR with all its channels takes half of it; each answer has its own, shorter deadline
STREAMS_EACH = 3  # main, sub and one more to choose from; the rest are the same picture again
_NICE_SUB = 640 * 360


class StreamDetails(msgspec.Struct, frozen=True):
    """``rtsp_url`` holds no credentials. 0 where the camera does not say. ``source``: which picture: one
    device may be a DVR with many."""

    profile: str
    rtsp_url: str
    codec: Codec
    width: int
    height: int
    fps: float
    bitrate_bps: int
    key_frame_interval_s: float
    source: str = ""


class Details(msgspec.Struct, frozen=True):
    """``credentials_index``: which of the tries the camera took; None: none of them. ``streams``: source by
    source, of each main first, then sub. ``clock_skew_s``: the camera's clock minus ours; None: not told."""

    address: str
    url: str
    maker: str
    model: str
    firmware: str
    serial: str
    mac: str | None
    credentials_index: int | None
    streams: tuple[StreamDetails, ...]
    snapshot_url: str | None
    clock_skew_s: float | None
    findings: tuple[Finding, ...]


async def details(
    url: str, tries: Sequence[Credentials], *, session: aiohttp.ClientSession, clock: Clock
) -> Details:
    """Tries each of the credentials until one opens; stops where the camera locks its user.

    Raises ``ApplianceError`` where no ONVIF device answers at ``url``, or it stops answering on the way, or
    takes more than a minute for all of it; what else goes wrong is a finding.
    """
    try:
        async with asyncio.timeout(WHOLE_S):
            return await _details(url, tries, session, clock)
    except TimeoutError:
        raise ApplianceError(
            "unavailable", f"the camera took more than {WHOLE_S:.0f} s for what was asked", SILENT_HINT
        ) from None


async def _details(
    url: str, tries: Sequence[Credentials], session: aiohttp.ClientSession, clock: Clock
) -> Details:
    stranger = Device(url, None, session, clock=clock)
    told = await _clock(stranger)
    opened = await _open(url, tries, session, clock)
    skew_s = told.skew_ns / 1e9 if told else None
    if isinstance(opened, Finding):
        findings = [opened, *(of_clock(told, may_set=False) if told else ())]
        nothing = ("", "", "", "", None, None, (), None)
        return Details(stranger.address, stranger.url, *nothing, skew_s, tuple(findings))
    index, device, said, found = opened
    told = told or await _clock(device)
    streams, findings = await _streams(device, found)
    findings += of_clock(told, may_set=True) if told else []
    mac = await _mac(device)
    if identity(said.serial, mac).serial is None and mac is None:
        text = "tells neither serial nor MAC: if its address changes, it must be added again"
        findings.append(Finding("no_serial", text, "give it a fixed address", False))
    return Details(
        address=device.address,
        url=device.url,
        maker=said.maker,
        model=said.model,
        firmware=said.firmware,
        serial=said.serial,
        mac=mac,
        credentials_index=index,
        streams=streams,
        snapshot_url=await _snapshot_url(device, found),
        clock_skew_s=told.skew_ns / 1e9 if told else None,
        findings=tuple(findings),
    )


def by_source(found: Sequence[Profile]) -> list[list[Profile]]:
    """One list per picture: main, then sub, then the rest. Main is the biggest that can be recorded, sub the
    H.264 nearest to 640x360; profiles of the same encoder are one stream."""
    sources: dict[str, dict[str, Profile]] = {}
    for profile in found:
        sources.setdefault(profile.source, {}).setdefault(profile.encoder or profile.token, profile)
    ordered = []
    for profiles_of in list(sources.values())[:MOST_CHANNELS]:
        streams = sorted(profiles_of.values(), key=lambda each: (_unfit(each), -each.width * each.height))
        subs = sorted(streams[1:], key=lambda each: (_unfit(each), each.codec != "h264", _distance(each)))
        ordered.append([*streams[:1], *subs])
    return ordered


def _unfit(profile: Profile) -> bool:
    return profile.codec not in ("h264", "h265")


def _distance(profile: Profile) -> int:
    return abs(profile.width * profile.height - _NICE_SUB)


async def _clock(device: Device) -> CameraClock | None:
    try:
        return await device.clock()
    except ApplianceError as error:
        if error.kind in ("unavailable", "not_found"):
            raise
        return None


async def _open(
    url: str, tries: Sequence[Credentials], session: aiohttp.ClientSession, clock: Clock
) -> tuple[int | None, Device, Information, tuple[Profile, ...]] | Finding:
    """Opened is what shows its profiles: some tell the rest to everybody."""
    for index, credentials in enumerate(tries or (None,)):
        device = Device(url, credentials, session, clock=clock)
        try:
            found = await profiles(device)
            said = await _information(device)
        except ApplianceError as error:
            if error.kind != "denied":
                raise
            if error.hint == LOCKED_HINT:
                return of_password(len(tries), locked=True)
            continue
        return (index if credentials else None), device, said, found
    return of_password(len(tries), locked=False)


async def _information(device: Device) -> Information:
    try:
        return await device.information()
    except ApplianceError as error:
        if error.kind in ("denied", "unavailable"):
            raise
        return Information("", "", "", "", "")


async def _streams(
    device: Device, found: Sequence[Profile]
) -> tuple[tuple[StreamDetails, ...], list[Finding]]:
    sources = by_source(found)
    told: list[StreamDetails] = []
    findings: list[Finding] = [] if sources else of_streams((), {})
    for number, streams in enumerate(sources, start=1):
        kept = []
        for profile in streams[:STREAMS_EACH]:
            try:
                url = await stream_uri(device, profile)
            except ApplianceError as error:
                if error.kind == "unavailable":
                    raise
                continue  # a profile without an address is no stream
            kept.append(profile)
            told.append(_told(profile, url))
        options = {each.token: await _options(device, each) for each in kept[:2] if _needs_options(each)}
        findings += of_streams(kept, options, f"channel {number}" if len(sources) > 1 else "")
    return tuple(told), findings


def _told(profile: Profile, url: str) -> StreamDetails:
    return StreamDetails(
        profile=profile.token,
        rtsp_url=url,
        codec=profile.codec,
        width=profile.width,
        height=profile.height,
        fps=profile.fps,
        bitrate_bps=profile.bitrate_bps,
        key_frame_interval_s=round(profile.key_frame_interval_s, 3),
        source=profile.source,
    )


def _needs_options(profile: Profile) -> bool:
    return profile.codec == "h265" or profile.key_frame_interval_s > LONG_GOP_S


async def _options(device: Device, profile: Profile) -> tuple[EncoderOptions, ...]:
    try:
        return await encoder_options(device, profile)
    except ApplianceError:
        return ()  # then nothing is promised


async def _mac(device: Device) -> str | None:
    """Of the interface that has the address we speak to, else of the first that has one."""
    try:
        interfaces = await device.interfaces()
    except ApplianceError:
        return None  # many show it to administrators only
    ours = [each.mac for each in interfaces if device.address in each.addresses]
    return next((mac for mac in (*ours, *(each.mac for each in interfaces)) if mac), None)


async def _snapshot_url(device: Device, found: Sequence[Profile]) -> str | None:
    try:
        return await snapshot_uri(device, by_source(found)[0][0]) if found else None
    except ApplianceError:
        return None
