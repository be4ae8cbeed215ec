"""The one button: what ``details`` found and the camera lets us set, set right."""

import aiohttp
import msgspec

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError, invalid
from appliance.base.model import Credentials
from appliance.onvif.details import Details
from appliance.onvif.device import Device
from appliance.onvif.encoder import EncoderOptions, encoder_options, set_encoder
from appliance.onvif.findings import CLOCK_OFF_S, LONG_GOP_S, Finding, shorter_gop
from appliance.onvif.streams import Profile, profiles


class Mended(msgspec.Struct, frozen=True):
    """One per mendable finding, by its ``code``; ``text`` says what was set, or why not."""

    code: str
    text: str
    ok: bool


async def mend(
    details: Details,
    credentials: Credentials,
    *,
    session: aiohttp.ClientSession,
    clock: Clock,
    ntp_server: str | None,
) -> tuple[Mended, ...]:
    """Changes nothing that is not among the mendable findings; each change is read back, as some cameras
    take everything and do nothing. ``ntp_server`` None: the clock is set once, and nothing keeps it right.
    One refusal does not keep the rest from being tried; a camera that goes away is left alone.
    """
    device = Device(details.url, credentials, session, clock=clock)
    done: list[Mended] = []
    is_gone = False
    for finding in sorted(details.findings, key=_clock_first):
        if not finding.mendable:
            continue
        if is_gone:
            done.append(Mended(finding.code, "not tried: the camera no longer answers", False))
            continue
        try:
            text = await _mend(device, finding, ntp_server)
        except ApplianceError as error:
            is_gone = error.kind == "unavailable"
            done.append(Mended(finding.code, f"{error.message}; {error.hint}", False))
        else:
            done.append(Mended(finding.code, text, True))
    return tuple(done)


def _clock_first(finding: Finding) -> int:
    """Then NTP, which then only has to keep it; an H.264 stream before its GOP."""
    order = ("clock_off", "no_ntp", "h265_sub", "long_gop")
    return order.index(finding.code) if finding.code in order else len(order)


async def _mend(device: Device, finding: Finding, ntp_server: str | None) -> str:
    if finding.code == "clock_off":
        return await _set_clock(device, ntp_server)
    if finding.code == "no_ntp":
        return await _set_ntp(device, ntp_server)
    if finding.code == "h265_sub":
        return await _to_h264(device, finding.profile)
    if finding.code == "long_gop":
        return await _to_short_gop(device, finding.profile)
    raise invalid(f"nobody knows how to mend {finding.code}", "set it in the camera's own page")


async def _set_clock(device: Device, ntp_server: str | None) -> str:
    """A camera that asks a server and is wrong all the same has the wrong server: it gets ours."""
    was = await device.clock()
    await device.set_clock(device.box_clock.now_ns())
    if was.by_ntp and ntp_server is not None:
        await device.set_ntp(ntp_server)
    skew_s = (await device.clock()).skew_ns / 1e9
    if abs(skew_s) > CLOCK_OFF_S:
        raise invalid(f"the clock is still {abs(skew_s):.0f} s off", "set it in the camera's own page")
    return "clock set"


async def _set_ntp(device: Device, server: str | None) -> str:
    if server is None:
        raise invalid("there is no time server to name", "let the box serve time to the camera network")
    await device.set_ntp(server)
    if server not in (await device.ntp()).servers:
        raise invalid("the camera took the time server and forgot it", "set it in the camera's own page")
    if not (await device.clock()).by_ntp:
        raise invalid(
            "the camera knows the time server and does not ask it", "set it in the camera's own page"
        )
    return f"follows the time of {server}"


async def _to_h264(device: Device, token: str) -> str:
    profile, options = await _stream(device, token)
    able = next((each for each in options if each.codec == "h264"), None)
    if able is None:
        raise invalid("this stream has no H.264", "choose another stream")
    size = (profile.width, profile.height)
    if able.sizes and size not in able.sizes:
        size = min(able.sizes, key=lambda each: abs(each[0] * each[1] - profile.width * profile.height))
    as_h264 = msgspec.structs.replace(profile, codec="h264")
    gop = shorter_gop(as_h264, options)
    await set_encoder(device, profile, codec="h264", size=size, gop=gop)
    after, _ = await _stream(device, token)
    if after.codec != "h264":
        raise invalid("the camera stays at H.265", "set the sub stream to H.264 in the camera's own page")
    return f"sub stream is H.264, {after.width}x{after.height}"


async def _to_short_gop(device: Device, token: str) -> str:
    profile, options = await _stream(device, token)
    if profile.key_frame_interval_s > LONG_GOP_S:  # not mended on the way to H.264
        gop = shorter_gop(profile, options)
        if gop is None:
            raise invalid("the camera has no shorter interval", "set it in the camera's own page")
        await set_encoder(device, profile, gop=gop)
        profile, _ = await _stream(device, token)
    if profile.key_frame_interval_s > LONG_GOP_S:
        raise invalid(
            f"still a key frame every {profile.key_frame_interval_s:.3g} s", "set it in the camera's own page"
        )
    return f"key frame every {profile.key_frame_interval_s:.3g} s"


async def _stream(device: Device, token: str) -> tuple[Profile, tuple[EncoderOptions, ...]]:
    found = next((each for each in await profiles(device) if each.token == token), None)
    if found is None:
        raise invalid("the stream is gone", "look at the camera again")
    try:
        return found, await encoder_options(device, found)
    except ApplianceError as error:
        if error.kind != "invalid":
            raise
        return found, ()
