"""Cameras that turn: presets and moves (ONVIF PTZ)."""

import msgspec

from appliance.onvif.device import Device
from appliance.onvif.streams import Profile


class Preset(msgspec.Struct, frozen=True):
    token: str
    name: str


async def presets(device: Device, profile: Profile) -> tuple[Preset, ...]:
    raise NotImplementedError


async def go_to(device: Device, profile: Profile, preset: str) -> None:
    raise NotImplementedError


async def save_preset(device: Device, profile: Profile, name: str) -> str:
    """Its token."""
    raise NotImplementedError


async def move(device: Device, profile: Profile, *, pan: float, tilt: float, zoom: float, for_s: float) -> None:
    """Speeds -1..1 (right, up, in); the camera stops by itself after ``for_s``."""
    raise NotImplementedError


async def stop(device: Device, profile: Profile) -> None:
    raise NotImplementedError
