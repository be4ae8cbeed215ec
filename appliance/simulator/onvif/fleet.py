"""A fleet: cameras at addresses of their own, made, moved, misbehaving and ended together."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import msgspec

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.simulator.camera import Camera
from appliance.simulator.onvif.announcing import GROUP, Announcing
from appliance.simulator.onvif.device import FAULTS, Device, Wanted, Which
from appliance.simulator.onvif.front import Front
from appliance.simulator.onvif.loops import Shelf
from appliance.simulator.onvif.makers import MAKERS
from appliance.simulator.server import Server

FIRST_HOST = 11  # of the network: what is before it is for the box
SPARE_HOST = 200  # where cameras move to
# what an installer meets among twelve (issue 5); the last moves when it is told to
MIXED = {3: "wrong-password", 4: "long-gop", 5: "h265-only", 6: "h265-sub", 7: "clock-1970", 9: "elsewhere"}

_URL = re.compile(r"rtsps?://[^/]*(/.*?)/?(?:trackID=(\d))?", re.IGNORECASE)


class Streaming(Server):
    """RTSP of one camera: its maker's paths instead of names."""

    def __init__(self, device: Device, clock: Clock) -> None:
        super().__init__(clock)
        maker = device.maker
        self._paths: dict[str, Which] = {maker.main_path: "main", maker.sub_path: "sub", **maker.also}

    def find(self, url: str) -> tuple[Camera | None, str | None]:
        match = _URL.fullmatch(url)
        which = self._paths.get(match[1]) if match is not None else None
        return (self._cameras.get(which), match[2]) if match is not None and which else (None, None)

    @property
    def streams(self) -> tuple[Camera, ...]:
        return tuple(self._cameras.values())


class Standing:
    """One camera of the fleet, with all that listens for it."""

    def __init__(self, wanted: Wanted, clock: Clock, shelf: Shelf) -> None:
        self.device = Device(wanted, clock, shelf)
        self.device.on_encoder = self._encoder_was_set
        self.device.on_clock = self.follow_faults
        self._clock = clock
        self._front = Front(self.device, clock)
        self._streaming: Streaming | None = None

    async def open(self) -> None:
        """Raises ``unavailable`` where an address or a port cannot be had; then nothing listens."""
        device = self.device
        self._streaming = Streaming(device, self._clock)
        try:
            await self._streaming.listen(device.address, device.rtsp_port)
            for which, source in device.sources.items():
                await self._streaming.add(device.spec(which), source)
            await self._front.open()
        except ApplianceError:
            await self.close()
            raise
        self.follow_faults()

    async def close(self) -> None:
        await self._front.close()
        if self._streaming is not None:
            await self._streaming.close()
            self._streaming = None

    def follow_faults(self) -> None:
        """What is wrong with the device is wrong with its video."""
        for camera in self._streaming.streams if self._streaming is not None else ():
            camera.faults.clock_ahead_s = self.device.ahead_s
            camera.faults.asleep = "silent" in self.device.faults
            if camera.spec.password != self.device.password:
                camera.become(self.device.spec("main" if camera.spec.name == "main" else "sub"))

    def status(self) -> dict[str, Any]:
        device = self.device
        streams = self._streaming.streams if self._streaming is not None else ()
        return {
            "address": device.address,
            "clock_ahead_s": round(device.ahead_s, 3),
            "ntp": device.ntp_server,
            "by_ntp": device.by_ntp,
            "encoders": {which: msgspec.structs.asdict(one) for which, one in device.encoders.items()},
            "image": device.image | {"IrCutFilter": device.ir_cut},
            "relays": device.relays,
            "switched": list(device.switched),
            "position": device.position,
            "moving": device.moving,
            "reboots": device.reboots,
            "subscriptions": len(device.subscriptions),
            "players": {camera.spec.name: camera.status()["players"] for camera in streams},
        }

    def _encoder_was_set(self, which: Which) -> None:
        for camera in self._streaming.streams if self._streaming is not None else ():
            if camera.spec.name == which:
                camera.become(self.device.spec(which))


class Fleet:
    """``open``, ``add`` cameras, ``obey`` orders, ``close``. ``heard_on``: where discovery listens."""

    def __init__(
        self, clock: Clock, heard_on: Sequence[str] = ("127.0.0.1",), group: tuple[str, int] = GROUP
    ) -> None:
        self._clock = clock
        self._shelf = Shelf()
        self._announcing = Announcing(clock, heard_on, group)
        self._cameras: dict[str, Standing] = {}

    async def open(self) -> None:
        await self._announcing.open()

    async def add(self, wanted: Wanted) -> None:
        """Raises ``conflict`` for a known name and ``unavailable`` where it cannot listen."""
        if wanted.name in self._cameras:
            raise ApplianceError(
                "conflict", f"there is a camera {wanted.name!r} already", "take another name"
            )
        standing = Standing(wanted, self._clock, self._shelf)
        await standing.open()
        self._cameras[wanted.name] = standing
        await self._announcing.add(standing.device)

    async def move(self, name: str, address: str) -> None:
        """As DHCP would: it is gone from the old address, and the same camera at the new one."""
        standing = self.camera(name)
        try:
            IPv4Address(address)
        except ValueError:
            raise invalid(f"{address[:40]!r} is no address", "an IPv4 address", field="value") from None
        if address in {other.device.address for other in self._cameras.values()}:
            raise ApplianceError("conflict", f"{address} is another camera's", "take a free one")
        self._announcing.remove(name)
        await standing.close()
        standing.device.address = address
        standing.device.subscriptions.clear()
        await standing.open()
        await self._announcing.add(standing.device)

    def camera(self, name: str) -> Standing:
        standing = self._cameras.get(name)
        if standing is None:
            raise not_found("camera", name[:70])
        return standing

    def told(self) -> list[dict[str, Any]]:
        """All that a test or a person wants to know of each, without passwords."""
        return [_told(standing.device) for standing in self._cameras.values()]

    async def close(self) -> None:
        self._announcing.close()
        for standing in self._cameras.values():
            await standing.close()
        self._cameras.clear()


def plan(
    count: int,
    network: IPv4Network,
    *,
    user: str,
    password: str,
    faults: Iterable[tuple[int, str]] = (),
    **rest: Any,
) -> list[Wanted]:
    """``count`` cameras, the six makers in turn, at ``FIRST_HOST`` and on. ``faults``: (number from 1,
    fault). Those that are elsewhere have their addresses in the network after this one.

    Raises ``invalid``."""
    if not 1 <= count <= 128 or network.num_addresses < 256:
        raise invalid("that fleet does not fit", "1 to 128 cameras in a network of 256 addresses or more")
    wrong: dict[int, set[str]] = {}
    for number, fault in faults:
        if fault not in FAULTS or not 1 <= number <= count:
            raise invalid(f"no camera {number} can have the fault {fault[:30]!r}", ", ".join(FAULTS))
        wrong.setdefault(number, set()).add(fault)
    wanted = []
    for number in range(1, count + 1):
        own = frozenset(wrong.get(number, ()))
        base = int(network.broadcast_address) + 1 if "elsewhere" in own else int(network.network_address)
        wanted.append(
            Wanted(
                name=f"cam{number:02}",
                maker=MAKERS[(number - 1) % len(MAKERS)],
                user=user,
                password=password + "-other" if "wrong-password" in own else password,
                address=str(IPv4Address(base + FIRST_HOST + number - 1)),
                faults=own,
                family=str(network),
                **rest,
            )
        )
    return wanted


def _told(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "maker": device.maker.key,
        "model": device.maker.model,
        "address": device.address,
        "url": device.url("tds"),
        "main": device.stream_url("main"),
        "sub": device.stream_url("sub"),
        "snapshot": device.snapshot_url,
        "serial": device.serial,
        "mac": device.hardware_address,
        "endpoint": device.endpoint,
        "faults": sorted(device.faults),
    }
