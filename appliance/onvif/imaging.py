"""The picture's settings (ONVIF Imaging)."""

import msgspec

from appliance.onvif.device import Device
from appliance.onvif.tree import xml

_PLACES = {
    "brightness": "Brightness",
    "contrast": "Contrast",
    "saturation": "ColorSaturation",
    "sharpness": "Sharpness",
}


class Imaging(msgspec.Struct, frozen=True):
    """In the camera's own units (``imaging_ranges``); None where it does not say.
    ``ir_cut``: "ON" (day), "OFF" (night) or "AUTO"."""

    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    sharpness: float | None = None
    ir_cut: str | None = None


async def imaging(device: Device, source: str) -> Imaging:
    """``source``: a video source's token (``Profile.source``)."""
    answer = await device.ask("imaging", xml("timg:GetImagingSettings", xml("timg:VideoSourceToken", source)))
    figures = {name: answer.number(f"ImagingSettings/{place}") for name, place in _PLACES.items()}
    ir_cut = answer.said("ImagingSettings/IrCutFilter").upper()
    return Imaging(**figures, ir_cut=ir_cut if ir_cut in ("ON", "OFF", "AUTO") else None)


async def imaging_ranges(device: Device, source: str) -> dict[str, tuple[float, float]]:
    """Name of a field of ``Imaging`` → least and most, for those that can be set."""
    answer = await device.ask("imaging", xml("timg:GetOptions", xml("timg:VideoSourceToken", source)))
    found = {}
    for name, place in _PLACES.items():
        least = answer.number(f"ImagingOptions/{place}/Min")
        most = answer.number(f"ImagingOptions/{place}/Max")
        if least is not None and most is not None and least < most:
            found[name] = (least, most)
    return found


async def set_imaging(device: Device, source: str, wanted: Imaging) -> None:
    """What is None stays as it is."""
    settings = xml(
        "timg:ImagingSettings",
        # in the order of the schema
        _place("tt:Brightness", wanted.brightness),
        _place("tt:ColorSaturation", wanted.saturation),
        _place("tt:Contrast", wanted.contrast),
        _place("tt:IrCutFilter", wanted.ir_cut),
        _place("tt:Sharpness", wanted.sharpness),
    )
    token = xml("timg:VideoSourceToken", source)
    await device.ask(
        "imaging", xml("timg:SetImagingSettings", token, settings, xml("timg:ForcePersistence", True))
    )


def _place(name: str, value: float | str | None) -> str | None:
    return None if value is None else xml(name, value)
