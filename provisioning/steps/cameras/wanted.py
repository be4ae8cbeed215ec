"""Answers -> the cameras that the box is to have, and what that changes."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.base.model import Credentials
from appliance.base.url_login import part_login
from appliance.onvif.details import StreamDetails
from appliance.onvif.identity import identity, normal_mac, same
from appliance.onvif.makers import candidates
from provisioning.step import Change
from provisioning.steps.cameras.given import CameraGiven, CamerasGiven, tries
from provisioning.steps.cameras.naming import distinct
from provisioning.steps.cameras.seen import Looked, in_the_way, is_v4

_ALIKE = ("", "", "")  # a recorder's pictures share its serial: their addresses tell them apart
CODECS = {"h264": "H.264", "h265": "H.265", "hevc": "H.265", "mjpeg": "MJPEG", "mpeg4": "MPEG-4"}


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a device said of itself, in the shape of the API's ``device``."""

    serial: str = ""
    mac: str = ""
    endpoint: str = ""
    onvif_url: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """A camera that the box is to have. ``looked``: what it said of itself, where it was asked. ``told``: by
    which the box knows the device from the start; the daemon asks each camera too, but one after the other,
    and one that moves before its turn would be lost."""

    name: str
    rtsp_url: str
    sub_url: str
    credentials: Credentials | None
    serial: str = ""
    mac: str = ""
    endpoint: str = ""
    looked: Looked | None = None
    told: Told | None = None
    named: bool = True  # by a person: the box's own name for it gives way

    @property
    def host(self) -> str:
        return urlsplit(self.rtsp_url).hostname or ""


def all_wanted(
    given: CamerasGiven, found: Sequence[Looked], existing: Sequence[dict[str, Any]]
) -> tuple[Wanted, ...]:
    """In the order of the answers, then those that were only found. Raises ``invalid`` or ``not_found`` with
    the field for a camera that is not there."""
    credentials = tries(given.credentials)
    wanted: list[Wanted] = []
    taken: set[str] = set()
    for number, camera in enumerate(given.camera):
        one = _one(given, camera, found, f"camera.{number}", credentials)
        taken |= {one.looked.key} if one.looked is not None else set()
        wanted.append(one)
    for recorder in given.recorder:
        own = credentials[recorder.credential] if credentials else None
        channels = candidates(recorder.maker, recorder.address, own, recorder.channels)
        for each in channels:
            name = recorder.name if len(channels) == 1 else f"{recorder.name} {each.channel}"
            wanted.append(Wanted(name, each.main_url, each.sub_url, own))
    if given.add_found:
        for looked in found:
            if looked.usable and looked.key not in taken:
                wanted.append(_of_looked(looked, "", credentials))
    return _with_names(wanted, existing)


def known(wanted: Wanted, existing: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The same device among the box's cameras: by its identity where both tell one, else by its address."""
    mine = identity(wanted.serial, wanted.mac, wanted.endpoint)
    for camera in existing:
        told = camera.get("identity") or {}
        theirs = identity(told.get("serial"), told.get("mac"), told.get("endpoint"))
        if same(mine, theirs):
            return camera
    return next((camera for camera in existing if camera["rtsp_url"] == wanted.rtsp_url), None)


def has(existing: Sequence[dict[str, Any]], looked: Looked) -> bool:
    """Whether the box has this device already, or a camera where it is."""
    mine = Wanted(looked.name, "", "", None, looked.serial, looked.mac, looked.endpoint)
    hosts = [urlsplit(camera["rtsp_url"]).hostname for camera in existing]
    return known(mine, existing) is not None or looked.address in hosts


def change(wanted: Wanted, before: dict[str, Any] | None) -> Change | None:
    """What would be done about it; None: it is so already."""
    if before is None:
        return Change(f"add {wanted.name} ({wanted.host})", described(wanted.looked))
    said = []
    if before["rtsp_url"] != wanted.rtsp_url:
        said.append(f"follow it to {wanted.host}")
    elif (before["sub_url"] or "") != wanted.sub_url:
        said.append("change its second stream")
    if wanted.named and before["name"] != wanted.name:
        said.append(f"call it {wanted.name}")
    return Change(f"{before['name']}: {', '.join(said)}") if said else None


def body(wanted: Wanted, before: dict[str, Any] | None) -> dict[str, Any]:
    """For POST and PUT /cameras."""
    kept = ("enabled", "record", "retention_days", "detect")
    found: dict[str, Any] = {} if before is None else {key: before[key] for key in kept}
    name = before["name"] if before is not None and not wanted.named else wanted.name
    found |= {"name": name, "rtsp_url": wanted.rtsp_url, "sub_url": wanted.sub_url or None}
    if wanted.credentials is not None:
        found |= {"username": wanted.credentials.username, "password": wanted.credentials.password}
    # of a camera that it has, the API takes it only together with the password
    if wanted.told is not None and (before is None or wanted.credentials is not None):
        found["device"] = msgspec.to_builtins(wanted.told)
    return found


def described(looked: Looked | None) -> str:
    if looked is None:
        return ""
    lines = [" ".join(part for part in (looked.maker, looked.model, looked.firmware) if part)]
    for name, stream in zip(("main", "sub"), looked.streams, strict=False):
        lines.append(f"{name}: {in_words(stream)}")
    return "\n".join([*lines, *(f"! {finding.text}" for finding in looked.findings)])


def in_words(stream: StreamDetails) -> str:
    """``H.264 1920x1080, 25 fps, 4096 kbit/s, key frame every 2 s``; what is not known is left out."""
    parts = [f"{CODECS.get(stream.codec, stream.codec)} {stream.width}x{stream.height}".strip()]
    if stream.fps:
        parts.append(f"{stream.fps:g} fps")
    if stream.bitrate_bps:
        parts.append(f"{stream.bitrate_bps // 1000} kbit/s")
    if stream.key_frame_interval_s:
        parts.append(f"key frame every {stream.key_frame_interval_s:g} s")
    return ", ".join(parts)


def _one(
    given: CamerasGiven,
    camera: CameraGiven,
    found: Sequence[Looked],
    field: str,
    credentials: Sequence[Credentials],
) -> Wanted:
    if camera.rtsp_url:
        main, inside = _plain(camera.rtsp_url, f"{field}.rtsp_url")
        sub, _ = _plain(camera.sub_url, f"{field}.sub_url")
        own = inside if camera.credential is None else credentials[camera.credential]
        device = (camera.serial, camera.mac, camera.endpoint)
        told = _told(main, *device, camera.onvif_url) if camera.onvif_url else None
        return Wanted(camera.name, main, sub, own, *(_ALIKE if camera.channel else device), told=told)
    looked = _found(camera, found)
    which = camera.name or camera.address or camera.serial or camera.mac
    if looked is None:
        raise ApplianceError(
            "not_found", f"{which} is not found", "check its cable and address, and the networks to scan",
            field=f"{field}.address",
        )  # fmt: skip
    if not looked.usable:
        why = in_the_way(looked)
        raise invalid(f"{which}: {why.text}", why.hint, field=f"{field}.credential")
    return _of_looked(looked, camera.name, credentials)


def _plain(url: str, field: str) -> tuple[str, Credentials | None]:
    """The address as the daemon keeps it, and the login that stood in it."""
    try:
        bare, inside = part_login(url)
        parts = urlsplit(bare)
        login, at, place = parts.netloc.rpartition("@")
    except ValueError:
        hint = "write it as rtsp://192.168.1.20:554/stream1"
        raise invalid("this is not an address", hint, field=field) from None
    if at:
        user, _, password = login.partition(":")
        inside = Credentials(unquote(user), unquote(password))
        bare = bare.replace(f"//{parts.netloc}", f"//{place}", 1)
    return bare, inside


def _found(camera: CameraGiven, found: Sequence[Looked]) -> Looked | None:
    mine = identity(camera.serial, camera.mac, camera.endpoint)
    for looked in found:
        if same(mine, identity(looked.serial, looked.mac, looked.endpoint)):
            return looked
    wanted = normal_mac(camera.mac) if camera.mac else None
    if wanted is not None or camera.serial:
        return None  # another device at the address is not the one that was meant
    return next((looked for looked in found if looked.address == camera.address), None)


def _of_looked(looked: Looked, name: str, credentials: Sequence[Credentials]) -> Wanted:
    sub = looked.streams[1].rtsp_url if len(looked.streams) > 1 else ""
    own = None if looked.credential is None or not credentials else credentials[looked.credential]
    main = looked.streams[0].rtsp_url
    which = (looked.serial, looked.mac, looked.endpoint)
    told = _told(main, *which, looked.url)
    known_by = _ALIKE if looked.channel else which
    return Wanted(name or looked.name, main, sub, own, *known_by, looked, told, bool(name))


def _told(main_url: str, serial: str, mac: str, endpoint: str, onvif_url: str) -> Told | None:
    """None where there is nothing to know it by, and where its streams are not at its own IPv4 address: that
    is somebody else's promise to find it."""
    host = urlsplit(main_url).hostname or ""
    if not any((serial, mac, endpoint)) or host != urlsplit(onvif_url).hostname or not is_v4(host):
        return None
    return Told(serial, mac, endpoint, onvif_url)


def _with_names(wanted: Sequence[Wanted], existing: Sequence[dict[str, Any]]) -> tuple[Wanted, ...]:
    """Suggested names that are taken get a number; a camera that is there keeps the one it has."""
    taken = [one.name for one in wanted if one.named] + [camera["name"] for camera in existing]
    found = []
    for one in wanted:
        if not one.named and known(one, existing) is None:
            name = distinct(one.name, taken)
            taken.append(name)
            one = msgspec.structs.replace(one, name=name)  # noqa: PLW2901  # the same camera, named
        found.append(one)
    return tuple(found)
