"""Streams: profiles, addresses of video and stills (ONVIF Media and Media2).

Media2 is asked first where there is one: the older service does not know H.265, and shows such a stream
as H.264 or not at all.
"""

from typing import Literal

import msgspec

from appliance.base.errors import ApplianceError
from appliance.onvif.device import Device
from appliance.onvif.tree import Node, xml
from appliance.onvif.where import refuse_url, still_at, stream_at

Codec = Literal["h264", "h265", "mjpeg", "mpeg4", ""]
CODECS: dict[str, Codec] = {
    "h264": "h264",
    "h265": "h265",
    "hevc": "h265",
    "jpeg": "mjpeg",
    "mjpeg": "mjpeg",
    "mpeg4": "mpeg4",
    "mp4v-es": "mpeg4",
}
MOST_PROFILES = 256
MOST_STILL_BYTES = 20_000_000


class Profile(msgspec.Struct, frozen=True):
    """``gop``: frames from one key frame to the next; 0 where unknown, as are the other figures.
    ``source``, ``encoder``: tokens. ``media2``: read from the service that knows H.265."""

    token: str
    name: str
    source: str
    encoder: str
    codec: Codec
    width: int
    height: int
    fps: float
    bitrate_bps: int
    gop: int
    media2: bool
    ptz: bool

    @property
    def key_frame_interval_s(self) -> float:
        return self.gop / self.fps if self.fps > 0 else 0.0


async def profiles(device: Device) -> tuple[Profile, ...]:
    """Those with video, as the camera lists them."""
    if "media2" in await device.services():
        try:
            body = xml("tr2:GetProfiles", xml("tr2:Type", "All"))
            found = _profiles(await device.ask("media2", body), media2=True)
        except ApplianceError as error:
            if error.kind in ("denied", "unavailable"):
                raise
            found = ()  # named in the list of services, and not there
        if found:
            return found
    return _profiles(await device.ask("media", xml("trt:GetProfiles")), media2=False)


async def stream_uri(device: Device, profile: Profile) -> str:
    """RTSP over TCP; without credentials, and with the address that answered in it."""
    if profile.media2:
        body = xml("tr2:GetStreamUri", xml("tr2:Protocol", "RTSP"), xml("tr2:ProfileToken", profile.token))
    else:
        transport = xml("tt:Transport", xml("tt:Protocol", "RTSP"))
        setup = xml("trt:StreamSetup", xml("tt:Stream", "RTP-Unicast"), transport)
        body = xml("trt:GetStreamUri", setup, xml("trt:ProfileToken", profile.token))
    answer = await device.ask(_service(profile), body)
    url = stream_at(_uri(answer), device.url)
    if url is None:
        raise refuse_url("its video")
    return url


async def snapshot_uri(device: Device, profile: Profile) -> str:
    """Without credentials."""
    prefix = "tr2" if profile.media2 else "trt"
    body = xml(f"{prefix}:GetSnapshotUri", xml(f"{prefix}:ProfileToken", profile.token))
    answer = await device.ask(_service(profile), body)
    url = still_at(_uri(answer), device.url)
    if url is None:
        raise refuse_url("its stills")
    return url


async def snapshot(device: Device, profile: Profile) -> bytes:
    """A JPEG of at most 20 MB."""
    _, data = await device.fetch(await snapshot_uri(device, profile), most_bytes=MOST_STILL_BYTES)
    if not data.startswith(b"\xff\xd8"):
        raise ApplianceError("invalid", "the camera's still is no JPEG", "take the picture from its stream")
    return data


def _service(profile: Profile) -> str:
    return "media2" if profile.media2 else "media"


def _uri(answer: Node) -> str:
    return answer.said("MediaUri/Uri", 1000) or answer.said("Uri", 1000)


def _profiles(answer: Node, *, media2: bool) -> tuple[Profile, ...]:
    read = _profile2 if media2 else _profile
    found = [read(node) for node in answer.every("Profiles")[:MOST_PROFILES]]
    return tuple(profile for profile in found if profile is not None)


def _profile(node: Node) -> Profile | None:
    encoder = node.at("VideoEncoderConfiguration")
    if encoder is None or not node.attributes.get("token"):
        return None
    codec = CODECS.get(encoder.said("Encoding").lower(), "")
    gop = encoder.whole("H264/GovLength") if codec == "h264" else encoder.whole("MPEG4/GovLength")
    return _of(node, encoder, codec, gop, "VideoSourceConfiguration", "PTZConfiguration", media2=False)


def _profile2(node: Node) -> Profile | None:
    encoder = node.at("Configurations/VideoEncoder")
    if encoder is None or not node.attributes.get("token"):
        return None
    codec = CODECS.get(encoder.said("Encoding").lower(), "")
    gop = encoder.attributes.get("GovLength", "")
    length = int(gop) if gop.isdecimal() and gop.isascii() and len(gop) < 7 else 0
    return _of(node, encoder, codec, length, "Configurations/VideoSource", "Configurations/PTZ", media2=True)


def _of(
    node: Node, encoder: Node, codec: Codec, gop: int | None, source: str, ptz: str, *, media2: bool
) -> Profile:
    interval = encoder.number("RateControl/EncodingInterval") or 1.0
    fps = encoder.number("RateControl/FrameRateLimit") or 0.0
    return Profile(
        token=node.attributes["token"][:200],
        name=node.said("Name", 64),
        source=node.said(f"{source}/SourceToken"),
        encoder=encoder.attributes.get("token", "")[:200],
        codec=codec,
        width=_count(encoder.whole("Resolution/Width")),
        height=_count(encoder.whole("Resolution/Height")),
        fps=max(0.0, min(fps / max(1.0, interval), 1000.0)),
        bitrate_bps=_count(encoder.whole("RateControl/BitrateLimit")) * 1000,
        gop=_count(gop),
        media2=media2,
        ptz=node.at(ptz) is not None,
    )


def _count(value: int | None) -> int:
    return max(0, min(value or 0, 10_000_000))
