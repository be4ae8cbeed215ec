"""Cameras that turn: presets and moves (ONVIF PTZ)."""

import msgspec

from appliance.base.errors import invalid
from appliance.onvif.device import Device
from appliance.onvif.streams import Profile
from appliance.onvif.tree import xml

MOST_PRESETS = 500
LONGEST_MOVE_S = 10.0


class Preset(msgspec.Struct, frozen=True):
    token: str
    name: str


async def presets(device: Device, profile: Profile) -> tuple[Preset, ...]:
    answer = await device.ask("ptz", xml("tptz:GetPresets", _token(profile)))
    found = [(node.attributes.get("token", "")[:200], node) for node in answer.every("Preset")[:MOST_PRESETS]]
    return tuple(Preset(token, node.said("Name", 64) or token) for token, node in found if token)


async def go_to(device: Device, profile: Profile, preset: str) -> None:
    """``preset``: its token."""
    await device.ask("ptz", xml("tptz:GotoPreset", _token(profile), xml("tptz:PresetToken", preset)))


async def save_preset(device: Device, profile: Profile, name: str) -> str:
    """Where the camera looks now, under ``name``; its token."""
    answer = await device.ask("ptz", xml("tptz:SetPreset", _token(profile), xml("tptz:PresetName", name)))
    return answer.said("PresetToken")


async def remove_preset(device: Device, profile: Profile, preset: str) -> None:
    await device.ask("ptz", xml("tptz:RemovePreset", _token(profile), xml("tptz:PresetToken", preset)))


async def move(
    device: Device, profile: Profile, *, pan: float, tilt: float, zoom: float, for_s: float
) -> None:
    """Speeds -1..1 (right, up, in). The camera stops by itself after ``for_s`` (at most 10): a finger that
    loses its connection must not leave it turning. Raises ``invalid`` for figures out of range."""
    if not (max(abs(pan), abs(tilt), abs(zoom)) <= 1 and 0 < for_s <= LONGEST_MOVE_S):
        raise invalid("this is no move", f"speeds from -1 to 1, for at most {LONGEST_MOVE_S:g} s")
    velocity = xml(
        "tptz:Velocity", xml("tt:PanTilt", x=float(pan), y=float(tilt)), xml("tt:Zoom", x=float(zoom))
    )
    body = xml("tptz:ContinuousMove", _token(profile), velocity, xml("tptz:Timeout", f"PT{for_s:.1f}S"))
    await device.ask("ptz", body)


async def stop(device: Device, profile: Profile) -> None:
    body = xml("tptz:Stop", _token(profile), xml("tptz:PanTilt", True), xml("tptz:Zoom", True))
    await device.ask("ptz", body)


def _token(profile: Profile) -> str:
    return xml("tptz:ProfileToken", profile.token)
