"""The devices behind the cameras: found, looked at, set right, turned; their relays."""

import sqlite3
from typing import Annotated

import msgspec
from aiohttp import web

from appliance.base.errors import invalid
from appliance.base.model import Credentials
from appliance.onvif.details import Details
from appliance.onvif.mend import Mended
from appliance.onvif.ptz import LONGEST_MOVE_S, Preset
from appliance.onvif.relays import Relay
from appliance.onvif.where import device_url, host_of
from appliance.store import audit, camera_identities, cameras
from appliance.web.cameras.body import Password, Url, Username
from appliance.web.cameras.cameras import ONE, existing
from appliance.web.people.access import must_see_all
from appliance.web.ports import Devices, FoundDevice
from appliance.web.routes import API, Call, Route, answer, nothing, there

Speed = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Token = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class DiscoverBody(msgspec.Struct, forbid_unknown_fields=True):
    """``network``: tried address by address as well, such as 192.168.1.0/24; private ones only."""

    network: Annotated[str, msgspec.Meta(max_length=20)] | None = None


class InspectBody(msgspec.Struct, forbid_unknown_fields=True):
    """``address`` of the device, or ``url`` of its ONVIF service. ``camera_id``: where no password is given,
    the one stored for this camera, if it is the same host."""

    address: Url | None = None
    url: Url | None = None
    username: Username | None = None
    password: Password | None = None
    camera_id: str | None = None


class MendBody(msgspec.Struct, forbid_unknown_fields=True):
    """``ntp_server``: that the camera is to follow; without one its clock is set once."""

    ntp_server: Annotated[str, msgspec.Meta(min_length=1, max_length=253)] | None = None


class PtzBody(msgspec.Struct, forbid_unknown_fields=True):
    """One of: ``preset`` (its token); ``stop``; speeds from -1 to 1 (right, up, in) for ``for_s`` seconds."""

    preset: Token | None = None
    stop: bool = False
    pan: Speed | None = None
    tilt: Speed | None = None
    zoom: Speed | None = None
    for_s: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_MOVE_S)] = 1.0


class RelayBody(msgspec.Struct, forbid_unknown_fields=True):
    relay: Token
    active: bool


class DevicesAnswer(msgspec.Struct):
    devices: list[FoundDevice]


class DeviceAnswer(msgspec.Struct):
    device: Details


class MendedAnswer(msgspec.Struct):
    mended: list[Mended]


class PresetsAnswer(msgspec.Struct):
    presets: list[Preset]


class RelaysAnswer(msgspec.Struct):
    relays: list[Relay]


class IdentityEntry(msgspec.Struct):
    """Which device a camera is, as far as it was learnt at the address that it has now."""

    camera_id: str
    serial: str | None
    mac: str | None
    endpoint: str | None


class IdentitiesAnswer(msgspec.Struct):
    identities: list[IdentityEntry]


def _devices(call: Call) -> Devices:
    return there(call.box.devices, "the way to devices")


async def identities(call: Call) -> web.StreamResponse:
    """By which a device that is found is known to be a camera of this box, wherever DHCP has put it."""
    must_see_all(call.user)

    def look(conn: sqlite3.Connection) -> list[IdentityEntry]:
        hosts = {camera.id: host_of(camera.rtsp_url) for camera in cameras.list_cameras(conn)}
        found = camera_identities.all_of(conn).values()
        return [
            IdentityEntry(one.camera_id, one.serial, one.mac, one.endpoint)
            for one in found
            if hosts.get(one.camera_id) == one.host
        ]

    return answer({"identities": await call.box.db.read(look)})


async def discover(call: Call) -> web.StreamResponse:
    must_see_all(call.user)
    body = await call.body(DiscoverBody)
    return answer({"devices": await _devices(call).discover(body.network)})


async def inspect(call: Call) -> web.StreamResponse:
    must_see_all(call.user)
    body = await call.body(InspectBody)
    if (body.address is None) == (body.url is None):
        raise invalid("one address is wanted", "give address or url", field="address")
    url = device_url(body.address or body.url or "")
    credentials = None
    if body.password is not None:
        credentials = Credentials(body.username or "", body.password)
    elif body.camera_id is not None:
        credentials = await _devices(call).stored_credentials(body.camera_id, host_of(url))
    return answer({"device": await _devices(call).inspect(url, credentials)})


async def mend(call: Call) -> web.StreamResponse:
    camera = await existing(call)
    body = await call.body(MendBody)
    mended = await _devices(call).mend(camera.id, body.ntp_server)
    user, now_ns = call.user, call.now_ns
    detail = {"mended": [one.code for one in mended if one.ok]}
    await call.box.db.write(
        lambda conn: audit.add(conn, now_ns, user, "changed", f"camera/{camera.id}", detail)
    )
    return answer({"mended": list(mended)})


async def presets(call: Call) -> web.StreamResponse:
    camera = await existing(call)
    return answer({"presets": list(await _devices(call).presets(camera.id))})


async def turn(call: Call) -> web.StreamResponse:
    camera = await existing(call)
    body = await call.body(PtzBody)
    speeds = (body.pan, body.tilt, body.zoom)
    moves = any(speed is not None for speed in speeds)
    if [body.preset is not None, body.stop, moves].count(True) != 1:
        raise invalid("one thing at a time", "give preset, stop, or speeds", field="preset")
    devices = _devices(call)
    if body.preset is not None:
        await devices.go_to(camera.id, body.preset)
    elif body.stop:
        await devices.stop(camera.id)
    else:
        await devices.move(camera.id, body.pan or 0.0, body.tilt or 0.0, body.zoom or 0.0, body.for_s)
    return nothing()


async def relays(call: Call) -> web.StreamResponse:
    camera = await existing(call)
    return answer({"relays": list(await _devices(call).relays(camera.id))})


async def set_relay(call: Call) -> web.StreamResponse:
    camera = await existing(call)
    body = await call.body(RelayBody)
    await _devices(call).set_relay(camera.id, body.relay, body.active)
    user, now_ns = call.user, call.now_ns
    detail = {"relay": body.relay, "active": body.active}
    await call.box.db.write(
        lambda conn: audit.add(conn, now_ns, user, "changed", f"camera/{camera.id}", detail)
    )
    return nothing()


ROUTES = (
    Route(
        "GET", f"{API}/camera-identities", "installer", identities, "Which device each camera is",
        IdentitiesAnswer,
    ),
    Route(
        "POST", f"{API}/cameras/discover", "installer", discover, "Who is there", DevicesAnswer, DiscoverBody
    ),
    Route(
        "POST", f"{API}/cameras/inspect", "installer", inspect, "All of one device", DeviceAnswer, InspectBody
    ),
    Route("POST", f"{ONE}/mend", "installer", mend, "Set a device right", MendedAnswer, MendBody),
    Route("GET", f"{ONE}/ptz", "operator", presets, "Presets", PresetsAnswer),
    Route("POST", f"{ONE}/ptz", "operator", turn, "Turn", body=PtzBody, status=204),
    Route("GET", f"{ONE}/relays", "operator", relays, "Relay outputs", RelaysAnswer),
    Route("POST", f"{ONE}/relays", "operator", set_relay, "Switch a relay", body=RelayBody, status=204),
)  # fmt: skip
