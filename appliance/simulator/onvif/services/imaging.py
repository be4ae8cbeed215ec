"""Imaging service: brightness and its like, and the infrared filter: OFF is the night picture."""

from xml.etree.ElementTree import Element

from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.services.asked import Answer, Refused
from appliance.simulator.onvif.soap import Node, node, tag, text

_FILTER = ("ON", "OFF", "AUTO")


def get_settings(device: Device, asked: Element, path: str) -> Node:
    told = [node(f"tt:{name}", value) for name, value in device.image.items()]
    return node(
        "timg:GetImagingSettingsResponse",
        node("timg:ImagingSettings", *told[:3], node("tt:IrCutFilter", device.ir_cut), *told[3:]),
    )


def set_settings(device: Device, asked: Element, path: str) -> Node:
    given = asked.find(tag("timg:ImagingSettings"))
    mode = text(given, "tt:IrCutFilter", device.ir_cut)
    try:
        wanted = {name: float(text(given, f"tt:{name}", str(value))) for name, value in device.image.items()}
    except ValueError:
        raise Refused("ter:SettingsInvalid", "a number is no number") from None
    if mode not in _FILTER or not all(0 <= value <= 100 for value in wanted.values()):
        raise Refused("ter:SettingsInvalid", "a setting is out of range")
    device.image = wanted
    device.set_ir_cut(mode)
    return node("timg:SetImagingSettingsResponse")


def get_options(device: Device, asked: Element, path: str) -> Node:
    ranges = [node(f"tt:{name}", node("tt:Min", 0), node("tt:Max", 100)) for name in device.image]
    modes = [node("tt:IrCutFilterModes", mode) for mode in _FILTER]
    return node("timg:GetOptionsResponse", node("timg:ImagingOptions", *ranges, *modes))


ANSWERS: dict[str, Answer] = {
    "GetImagingSettings": get_settings,
    "SetImagingSettings": set_settings,
    "GetOptions": get_options,
}
