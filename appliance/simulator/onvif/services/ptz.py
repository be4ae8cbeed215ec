"""PTZ service: presets, moves, where it looks. It turns at once: there is no motor."""

from xml.etree.ElementTree import Element

from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.services.asked import Answer, Refused, duration_s
from appliance.simulator.onvif.soap import Node, node, tag, text

_LONGEST_MOVE_S = 60.0
_SPACE = "http://www.onvif.org/ver10/tptz"


def get_nodes(device: Device, asked: Element, path: str) -> Node:
    spaces = node(
        "tt:SupportedPTZSpaces",
        node(
            "tt:ContinuousPanTiltVelocitySpace",
            node("tt:URI", f"{_SPACE}/PanTiltSpaces/VelocityGenericSpace"),
        ),
        node("tt:ContinuousZoomVelocitySpace", node("tt:URI", f"{_SPACE}/ZoomSpaces/VelocityGenericSpace")),
    )
    return node(
        "tptz:GetNodesResponse",
        node(
            "tptz:PTZNode",
            node("tt:Name", "PTZNode"),
            spaces,
            node("tt:MaximumNumberOfPresets", 64),
            node("tt:HomeSupported", True),
            handle="PTZNode",
        ),
    )


def get_configurations(device: Device, asked: Element, path: str) -> Node:
    parts = (node("tt:Name", "PTZ"), node("tt:UseCount", 2), node("tt:NodeToken", "PTZNode"))
    return node("tptz:GetConfigurationsResponse", node("tptz:PTZConfiguration", *parts, handle="PTZToken"))


def get_presets(device: Device, asked: Element, path: str) -> Node:
    _check(device, asked)
    told = [
        node("tptz:Preset", node("tt:Name", name), _position("tt:PTZPosition", at), handle=token)
        for token, (name, at) in device.presets.items()
    ]
    return node("tptz:GetPresetsResponse", *told)


def go_to(device: Device, asked: Element, path: str) -> Node:
    _check(device, asked)
    token = text(asked, "tptz:PresetToken")
    if token not in device.presets:
        raise Refused("ter:NoToken", "no such preset")
    device.look_at(device.presets[token][1])
    return node("tptz:GotoPresetResponse")


def save(device: Device, asked: Element, path: str) -> Node:
    _check(device, asked)
    token = text(asked, "tptz:PresetToken") or str(len(device.presets) + 1)
    name = text(asked, "tptz:PresetName") or f"Preset {token}"
    device.presets[token] = (name, tuple(device.position))
    return node("tptz:SetPresetResponse", node("tptz:PresetToken", token))


def remove(device: Device, asked: Element, path: str) -> Node:
    _check(device, asked)
    if device.presets.pop(text(asked, "tptz:PresetToken"), None) is None:
        raise Refused("ter:NoToken", "no such preset")
    return node("tptz:RemovePresetResponse")


def move(device: Device, asked: Element, path: str) -> Node:
    _check(device, asked)
    device.move(_vector(asked, "tptz:Velocity"), duration_s(text(asked, "tptz:Timeout"), _LONGEST_MOVE_S))
    return node("tptz:ContinuousMoveResponse")


def stop(device: Device, asked: Element, path: str) -> Node:
    _check(device, asked)
    device.look_at(tuple(device.position))
    return node("tptz:StopResponse")


def move_to(device: Device, asked: Element, path: str) -> Node:
    _check(device, asked)
    device.look_at(_vector(asked, "tptz:Position"))
    return node("tptz:AbsoluteMoveResponse")


def status(device: Device, asked: Element, path: str) -> Node:
    _check(device, asked)
    state = "MOVING" if device.moving else "IDLE"
    return node(
        "tptz:GetStatusResponse",
        node(
            "tptz:PTZStatus",
            _position("tt:Position", tuple(device.position)),
            node("tt:MoveStatus", node("tt:PanTilt", state), node("tt:Zoom", state)),
        ),
    )


def _check(device: Device, asked: Element) -> None:
    if text(asked, "tptz:ProfileToken") not in device.maker.profiles:
        raise Refused("ter:NoProfile", "no such profile")


def _position(name: str, at: tuple[float, ...]) -> Node:
    return node(name, node("tt:PanTilt", x=f"{at[0]:g}", y=f"{at[1]:g}"), node("tt:Zoom", x=f"{at[2]:g}"))


def _vector(asked: Element, name: str) -> tuple[float, float, float]:
    turn = asked.find(f"{tag(name)}/{tag('tt:PanTilt')}")
    zoom = asked.find(f"{tag(name)}/{tag('tt:Zoom')}")
    try:
        pan, tilt = (float(turn.get(axis, "0")) if turn is not None else 0.0 for axis in "xy")
        vector = (pan, tilt, float(zoom.get("x", "0")) if zoom is not None else 0.0)
    except ValueError:
        raise Refused("ter:InvalidVelocity", "a number is no number") from None
    if not all(-1 <= part <= 1 for part in vector):
        raise Refused("ter:InvalidVelocity", "from -1 to 1")
    return vector


ANSWERS: dict[str, Answer] = {
    "GetNodes": get_nodes,
    "GetConfigurations": get_configurations,
    "GetPresets": get_presets,
    "GotoPreset": go_to,
    "SetPreset": save,
    "RemovePreset": remove,
    "ContinuousMove": move,
    "AbsoluteMove": move_to,
    "Stop": stop,
    "GetStatus": status,
}
