"""What cameras notice themselves: PullPoint events (ONVIF Core 9)."""

from typing import Literal

import msgspec

from appliance.onvif.device import Device

EventKind = Literal["motion", "tamper", "digital_input", "other"]


class CameraEvent(msgspec.Struct, frozen=True):
    """``active``: begins or ends; None where the camera only says that something was. ``source``: token of
    the video source, input or rule. ``at_ns``: of the camera's clock, moved to ours. ``is_initial``: the state
    as it was when we began to listen, no change."""

    kind: EventKind
    active: bool | None
    source: str
    topic: str
    at_ns: int
    is_initial: bool


class PullPoint:
    """``async with PullPoint(device) as point: for event in await point.pull(): …``; renews itself."""

    def __init__(self, device: Device, *, lasts_s: float = 60.0) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> "PullPoint":
        raise NotImplementedError

    async def __aexit__(self, *error: object) -> None:
        raise NotImplementedError

    async def pull(self, *, wait_s: float = 20.0, most: int = 100) -> tuple[CameraEvent, ...]:
        """Returns when something is noticed, or empty after ``wait_s``."""
        raise NotImplementedError
