"""Relay outputs of cameras (ONVIF Device 8.6)."""

import re

import msgspec

from appliance.onvif.device import Device
from appliance.onvif.tree import xml

_DURATION = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?")


class Relay(msgspec.Struct, frozen=True):
    """``holds_s``: it falls back by itself after this; None: it stays until it is told."""

    token: str
    holds_s: float | None
    idle_closed: bool


async def relays(device: Device) -> tuple[Relay, ...]:
    answer = await device.ask("device", xml("tds:GetRelayOutputs"))
    return tuple(
        Relay(
            node.attributes["token"][:200],
            seconds(node.said("Properties/DelayTime"))
            if node.said("Properties/Mode").lower() == "monostable"
            else None,
            node.said("Properties/IdleState").lower() == "closed",
        )
        for node in answer.every("RelayOutputs")
        if node.attributes.get("token")
    )


async def set_relay(device: Device, token: str, *, active: bool) -> None:
    await device.ask(
        "device",
        xml(
            "tds:SetRelayOutputState",
            xml("tds:RelayOutputToken", token),
            xml("tds:LogicalState", "active" if active else "inactive"),
        ),
    )


def seconds(text: str) -> float | None:
    """Of an xs:duration (``PT0.5S``, ``P1DT2H``); None for what is none."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
