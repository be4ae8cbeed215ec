"""The picture's settings (ONVIF Imaging)."""

import msgspec

from appliance.onvif.device import Device


class Imaging(msgspec.Struct, frozen=True):
    """In the camera's own units (``imaging_ranges``); None where it does not say. ``ir_cut``: on, off, auto."""

    brightness: float | None
    contrast: float | None
    saturation: float | None
    sharpness: float | None
    ir_cut: str | None


async def imaging(device: Device, source: str) -> Imaging:
    raise NotImplementedError


async def imaging_ranges(device: Device, source: str) -> dict[str, tuple[float, float]]:
    raise NotImplementedError


async def set_imaging(device: Device, source: str, wanted: Imaging) -> None:
    """What is None stays as it is."""
    raise NotImplementedError
