"""What people ask of the devices behind the cameras: who is there, what is wrong, turn, close a relay.

Each question has its deadline, and none is asked on the recording path. A stored password goes to the
host that it was entered for, as a digest.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import NamedTuple

import aiohttp

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.model import Camera, Credentials
from appliance.daemon.devices.search import CameraSearch, host_of, scan_apart
from appliance.onvif import mend as mending
from appliance.onvif import ptz, relays
from appliance.onvif.details import Details, details
from appliance.onvif.device import Device
from appliance.onvif.discovery import Announced, discover
from appliance.onvif.identity import Identity, identity, same
from appliance.onvif.mend import Mended
from appliance.onvif.ptz import Preset
from appliance.onvif.relays import Relay
from appliance.onvif.scan import Open
from appliance.onvif.streams import Profile, profiles
from appliance.store import camera_identities, cameras
from appliance.store.camera_identities import CameraIdentity
from appliance.store.database import Database
from appliance.system import tls
from appliance.web.ports import FoundDevice

_OPEN_NS = 60 * SECOND_NS
_ENTER_AGAIN = "enter the camera's user name and password once more"


class Opened(NamedTuple):
    """A device that was spoken to lately: finding its services again would be three questions more."""

    device: Device
    turning: Profile | None
    until_ns: int  # monotonic
    about: tuple[str, Credentials | None]  # what it was opened with; another makes it anew


class Devices:
    """``credentials`` blocks and is called in a thread."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        search: CameraSearch,
        credentials: Callable[[str], Credentials | None],
    ) -> None:
        self._db, self._clock, self._search, self._credentials = db, clock, search, credentials
        self._session: aiohttp.ClientSession | None = None
        self._opened: dict[str, Opened] = {}

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def discover(self, network: str | None) -> list[FoundDevice]:
        """All that announce themselves, and, where a network is named, all that answer in it."""
        wanted = _network(network) if network is not None else None
        local = [address for address in tls.names()[1] if ":" not in address]
        announced, opened = await asyncio.gather(
            discover(local, window_s=self._search.window_s, group=self._search.group),
            scan_apart(wanted) if wanted is not None else _nothing(),
        )
        listed = await self._db.read(cameras.list_cameras)
        known = await self._db.read(camera_identities.all_of)
        found = {one.address: _announced(one, listed, known) for one in announced}
        for one in opened:
            if one.address not in found and (one.onvif_url or one.rtsp):
                found[one.address] = _open(one, listed)
        return list(found.values())

    async def inspect(self, address: str, credentials: Credentials | None) -> Details:
        tries = () if credentials is None else (credentials,)
        return await details(address, tries, session=self._web(), clock=self._clock)

    async def stored_credentials(self, camera_id: str, host: str) -> Credentials | None:
        """Those of the camera, where ``host`` is the one they were entered for."""
        camera = await self._db.read(lambda conn: cameras.get(conn, camera_id))
        if camera is None or host_of(camera.rtsp_url) != host:
            return None
        return await asyncio.to_thread(self._credentials, camera_id)

    async def mend(self, camera_id: str, ntp_server: str | None) -> tuple[Mended, ...]:
        url, credentials = await self._way(camera_id)
        if credentials is None:
            raise ApplianceError("denied", "this camera's password is not known here", _ENTER_AGAIN)
        found = await details(url, (credentials,), session=self._web(), clock=self._clock)
        if found.credentials_index is None:
            raise ApplianceError("denied", "the camera does not take the stored password", _ENTER_AGAIN)
        return await mending.mend(
            found, credentials, session=self._web(), clock=self._clock, ntp_server=ntp_server
        )

    async def presets(self, camera_id: str) -> tuple[Preset, ...]:
        device, profile = await self._turning(camera_id)
        return await ptz.presets(device, profile)

    async def go_to(self, camera_id: str, preset: str) -> None:
        device, profile = await self._turning(camera_id)
        await ptz.go_to(device, profile, preset)

    async def move(self, camera_id: str, pan: float, tilt: float, zoom: float, for_s: float) -> None:
        device, profile = await self._turning(camera_id)
        await ptz.move(device, profile, pan=pan, tilt=tilt, zoom=zoom, for_s=for_s)

    async def stop(self, camera_id: str) -> None:
        device, profile = await self._turning(camera_id)
        await ptz.stop(device, profile)

    async def relays(self, camera_id: str) -> tuple[Relay, ...]:
        return await relays.relays((await self.open(camera_id)).device)

    async def set_relay(self, camera_id: str, relay: str, active: bool) -> None:
        await relays.set_relay((await self.open(camera_id)).device, relay, active=active)

    async def open(self, camera_id: str) -> Opened:
        """The device behind a camera. Raises ``unavailable`` where it does not answer, ``not_found`` where
        it speaks no ONVIF."""
        about = await self._way(camera_id)
        known, now_ns = self._opened.get(camera_id), self._clock.monotonic_ns()
        if known is not None and known.about == about and now_ns < known.until_ns:
            return known
        device = Device(about[0], about[1], self._web(), clock=self._clock)
        turning = None
        if "ptz" in await device.services():
            turning = next((one for one in await profiles(device) if one.ptz), None)
        opened = self._opened[camera_id] = Opened(device, turning, now_ns + _OPEN_NS, about)
        return opened

    async def _turning(self, camera_id: str) -> tuple[Device, Profile]:
        opened = await self.open(camera_id)
        if opened.turning is None:
            raise invalid("this camera cannot be turned", "it offers no PTZ")
        return opened.device, opened.turning

    async def _way(self, camera_id: str) -> tuple[str, Credentials | None]:
        """The device service's address and the password for it."""

        def look(conn: sqlite3.Connection) -> tuple[Camera | None, CameraIdentity | None]:
            return cameras.get(conn, camera_id), camera_identities.get(conn, camera_id)

        camera, identity = await self._db.read(look)
        if camera is None or camera.archived_ns is not None:
            raise not_found("camera", camera_id)
        host = host_of(camera.rtsp_url)
        if host is None:
            raise invalid("this camera has no address of its own", "only cameras with an IPv4 address can")
        credentials = await asyncio.to_thread(self._credentials, camera_id)
        if identity is not None and identity.host == host and identity.onvif_url is not None:
            return identity.onvif_url, credentials
        url = await self._search.onvif_at(host)
        if url is None:
            hint = "switch ONVIF on in the camera's own page"
            raise ApplianceError("unavailable", "no ONVIF device answers where this camera is", hint)
        return url, credentials

    def _web(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session


async def _nothing() -> list[Open]:
    return []


def _network(text: str) -> IPv4Network:
    try:
        network = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise invalid("this is no network", "write it as 192.168.1.0/24", field="network") from None
    if not network.is_private:
        raise invalid("this network is not yours alone", "only private networks are scanned", field="network")
    return network


def _announced(one: Announced, listed: list[Camera], known: dict[str, CameraIdentity]) -> FoundDevice:
    told = identity(None, one.mac, one.endpoint)
    ids = {
        camera_id
        for camera_id, row in known.items()
        if same(told, Identity(row.serial, row.mac, row.endpoint))
    }
    camera = next((camera.id for camera in listed if camera.id in ids), None)
    return FoundDevice(
        one.address,
        one.urls[0],
        one.name,
        one.maker,
        one.model,
        one.mac,
        True,
        camera or _by_address(one.address, listed),
    )


def _open(one: Open, listed: list[Camera]) -> FoundDevice:
    by_address = _by_address(one.address, listed)
    return FoundDevice(one.address, one.onvif_url, "", "", "", None, False, by_address)


def _by_address(address: str, listed: list[Camera]) -> str | None:
    return next((camera.id for camera in listed if host_of(camera.rtsp_url) == address), None)
