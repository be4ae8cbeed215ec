"""One camera's device service: what it is, its clock, its network (ONVIF Core 8)."""

import aiohttp
import msgspec

from appliance.base.clock import Clock
from appliance.base.model import Credentials


class Information(msgspec.Struct, frozen=True):
    maker: str
    model: str
    firmware: str
    serial: str
    hardware: str


class CameraClock(msgspec.Struct, frozen=True):
    """``skew_ns``: the camera's clock minus ours, at half the round trip. ``by_ntp``: it follows a server."""

    now_ns: int
    skew_ns: int
    by_ntp: bool
    time_zone: str
    daylight_saving: bool


class Ntp(msgspec.Struct, frozen=True):
    from_dhcp: bool
    servers: tuple[str, ...]


class Interface(msgspec.Struct, frozen=True):
    name: str
    mac: str | None
    addresses: tuple[str, ...]
    dhcp: bool


class Capabilities(msgspec.Struct, frozen=True):
    """``services``: short names of what it offers: device, media, media2, events, imaging, ptz, device_io."""

    services: tuple[str, ...]
    inputs: int
    relays: int


class Device:
    """``url``: of the device service. ``credentials`` None: only what needs none can be asked.

    Every method raises ``ApplianceError``: denied (password), unavailable (no answer in ``deadline_s``),
    not_found (no ONVIF there), invalid (the camera cannot do it, or answers what nobody understands).
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None,
        session: aiohttp.ClientSession,
        *,
        clock: Clock,
        deadline_s: float = 5.0,
    ) -> None:
        raise NotImplementedError

    @property
    def address(self) -> str:
        raise NotImplementedError

    async def information(self) -> Information:
        raise NotImplementedError

    async def clock(self) -> CameraClock:
        raise NotImplementedError

    async def set_clock(self, now_ns: int) -> None:
        raise NotImplementedError

    async def ntp(self) -> Ntp:
        raise NotImplementedError

    async def set_ntp(self, server: str) -> None:
        """Follow ``server`` (address or name) from now on."""
        raise NotImplementedError

    async def interfaces(self) -> tuple[Interface, ...]:
        raise NotImplementedError

    async def capabilities(self) -> Capabilities:
        raise NotImplementedError

    async def reboot(self) -> None:
        raise NotImplementedError
