"""Relay outputs of cameras (ONVIF Device IO)."""

import msgspec

from appliance.onvif.device import Device


class Relay(msgspec.Struct, frozen=True):
    """``holds_s``: it falls back by itself after this; None: it stays until it is told."""

    token: str
    holds_s: float | None
    idle_closed: bool


async def relays(device: Device) -> tuple[Relay, ...]:
    raise NotImplementedError


async def set_relay(device: Device, token: str, *, active: bool) -> None:
    raise NotImplementedError
