"""Device IO: relay outputs and digital inputs. Relays are asked for at the device service too."""

from xml.etree.ElementTree import Element

from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.services.asked import Answer, Refused
from appliance.simulator.onvif.soap import Node, node, text


def _relays(device: Device, prefix: str) -> Node:
    properties = node(
        "tt:Properties",
        node("tt:Mode", "Bistable"),
        node("tt:DelayTime", "PT0S"),
        node("tt:IdleState", "open"),
    )
    told = [
        node(f"{prefix}:RelayOutputs", properties, handle=f"RelayOutput_{number + 1}")
        for number in range(device.maker.relays)
    ]
    return node(f"{prefix}:GetRelayOutputsResponse", *told)


def _set(device: Device, asked: Element, prefix: str) -> Node:
    token = text(asked, f"{prefix}:RelayOutputToken")
    state = text(asked, f"{prefix}:LogicalState")
    known = [f"RelayOutput_{number + 1}" for number in range(device.maker.relays)]
    if token not in known:
        raise Refused("ter:RelayToken", "no such relay")
    if state not in ("active", "inactive"):
        raise Refused("ter:InvalidArgVal", "a relay is active or inactive")
    device.switch(known.index(token), state == "active")
    return node(f"{prefix}:SetRelayOutputStateResponse")


def get_inputs(device: Device, asked: Element, path: str) -> Node:
    inputs = [
        node("tmd:DigitalInputs", handle=str(number + 1), IdleState="open")
        for number in range(device.maker.inputs)
    ]
    return node("tmd:GetDigitalInputsResponse", *inputs)


ANSWERS: dict[str, Answer] = {
    "GetRelayOutputs": lambda device, asked, path: _relays(device, "tmd"),
    "SetRelayOutputState": lambda device, asked, path: _set(device, asked, "tmd"),
    "GetDigitalInputs": get_inputs,
}
OF_DEVICE: dict[str, Answer] = {
    "GetRelayOutputs": lambda device, asked, path: _relays(device, "tds"),
    "SetRelayOutputState": lambda device, asked, path: _set(device, asked, "tds"),
}
