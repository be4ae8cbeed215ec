"""Streams: profiles, addresses of video and stills, encoder settings (ONVIF Media and Media2)."""

from typing import Literal

import msgspec

from appliance.onvif.device import Device

Codec = Literal["h264", "h265", "mjpeg", "mpeg4", ""]


class Profile(msgspec.Struct, frozen=True):
    """``gop``: frames from one key frame to the next; 0 where unknown, as are the other figures.
    ``media2``: read from the service that knows H.265."""

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


class EncoderOptions(msgspec.Struct, frozen=True):
    """What one encoder can do in one codec. ``sizes``: (width, height), the biggest first."""

    codec: Codec
    sizes: tuple[tuple[int, int], ...]
    gop: tuple[int, int]
    fps: tuple[float, float]


async def profiles(device: Device) -> tuple[Profile, ...]:
    raise NotImplementedError


async def stream_uri(device: Device, profile: Profile) -> str:
    """RTSP over TCP; without credentials, and with the address that answered in it."""
    raise NotImplementedError


async def snapshot_uri(device: Device, profile: Profile) -> str:
    raise NotImplementedError


async def snapshot(device: Device, profile: Profile) -> bytes:
    """A JPEG."""
    raise NotImplementedError


async def encoder_options(device: Device, profile: Profile) -> tuple[EncoderOptions, ...]:
    raise NotImplementedError


async def set_encoder(
    device: Device,
    profile: Profile,
    *,
    codec: Codec | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    bitrate_bps: int | None = None,
    gop: int | None = None,
) -> None:
    """What is None stays as it is."""
    raise NotImplementedError
