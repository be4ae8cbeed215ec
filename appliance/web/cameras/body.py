"""What people send to add or replace a camera, and what becomes of its credentials."""

import sqlite3
from typing import Annotated, Any

import msgspec

from appliance.base.errors import invalid
from appliance.base.model import Camera, Credentials, DetectSettings, RecordSettings, StreamName
from appliance.rules.validate import validate_polygon
from appliance.store import cameras
from appliance.store.sealing import Sealer
from appliance.web.connections.addresses import Address, one_credential, read_address
from appliance.web.params import Name, Share

Url = Annotated[str, msgspec.Meta(max_length=2000)]
Username = Annotated[str, msgspec.Meta(max_length=100)]
Password = Annotated[str, msgspec.Meta(max_length=200)]
Fps = Annotated[float, msgspec.Meta(ge=0.1, le=60)]
Mask = Annotated[tuple[tuple[Share, Share], ...], msgspec.Meta(max_length=100)]
MOST_MASKS = 32
Days = Annotated[float, msgspec.Meta(ge=0.04, le=3650)]  # an hour: less keeps nothing


class DetectBody(msgspec.Struct, forbid_unknown_fields=True):
    """``masks``: polygons in which neither motion counts nor what has its anchor point there, each simple
    and of 3 to 64 points."""

    enabled: bool = True
    fps: Fps = 5.0
    stream: StreamName = "sub"
    classes: Annotated[tuple[Name, ...], msgspec.Meta(max_length=200)] = ()
    min_confidence: Share = 0.4
    masks: Annotated[tuple[Mask, ...], msgspec.Meta(max_length=MOST_MASKS)] = ()


class DeviceBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which device it is, as it said itself: the camera is known by that at once, and found again where it
    moves. What says nothing (a serial of zeros) counts for nothing. ``endpoint``: its UUID in WS-Discovery.
    ``onvif_url``: of its device service, at the host of ``rtsp_url``."""

    serial: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    mac: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    endpoint: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    onvif_url: Url | None = None


class CameraBody(msgspec.Struct, forbid_unknown_fields=True):
    """``username`` and ``password``: left out means kept, null means none. ``device``: left out, the box asks
    the camera itself, later. ``id`` and ``status``, which a GET returns, may come back unchanged."""

    name: Name
    rtsp_url: Url
    sub_url: Url | None = None
    username: Username | msgspec.UnsetType | None = msgspec.UNSET
    password: Password | msgspec.UnsetType | None = msgspec.UNSET
    enabled: bool = True
    record: RecordSettings = RecordSettings()
    retention_days: Days | None = None
    detect: DetectBody = msgspec.field(default_factory=DetectBody)
    device: DeviceBody | None = None
    id: str | msgspec.UnsetType = msgspec.UNSET
    status: Any = None


class ProbeBody(msgspec.Struct, forbid_unknown_fields=True):
    """``camera_id``: where no password is given, use the one stored for this camera, if it is the
    same device."""

    rtsp_url: Url
    username: Username | None = None
    password: Password | None = None
    camera_id: str | None = None


class Wanted(msgspec.Struct, frozen=True):
    """A checked body: addresses parted from what they held."""

    main: Address
    sub: Address | None
    credentials: Credentials | None  # newly given
    username_only: bool  # a name without a password: the stored password stays
    forget: bool  # username null: the stored credentials go

    @property
    def destinations(self) -> set[tuple[str, str, int]]:
        return {a.destination for a in (self.main, self.sub) if a is not None and a.destination is not None}


def check_body(body: CameraBody, *, allow_file: bool) -> Wanted:
    main = read_address(body.rtsp_url, "rtsp_url", allow_file=allow_file)
    sub = read_address(body.sub_url, "sub_url", allow_file=allow_file) if body.sub_url else None
    for number, mask in enumerate(body.detect.masks):
        validate_polygon(mask, f"detect.masks[{number}]")
    explicit = None
    if isinstance(body.password, str):
        explicit = Credentials(body.username if isinstance(body.username, str) else "", body.password)
    from_urls = one_credential("sub_url", main.credentials, sub.credentials if sub else None)
    if explicit is not None and from_urls is not None and not explicit.username:
        explicit = None if explicit.password == from_urls.password else explicit
    credentials = one_credential("password", explicit, from_urls)
    return Wanted(
        main,
        sub,
        credentials,
        username_only=credentials is None and isinstance(body.username, str) and bool(body.username),
        forget=credentials is None and (body.username is None or body.password is None),
    )


def to_camera(body: CameraBody, wanted: Wanted, camera_id: str, before: Camera | None, now_ns: int) -> Camera:
    if wanted.credentials is not None:
        username: str | None = wanted.credentials.username
    elif isinstance(body.username, str):
        username = body.username or None
    else:
        username = None if wanted.forget or before is None else before.username
    detect = DetectSettings(**msgspec.structs.asdict(body.detect))
    return Camera(
        id=camera_id,
        name=body.name,
        rtsp_url=wanted.main.url,
        sub_url=wanted.sub.url if wanted.sub else None,
        username=username,
        enabled=body.enabled,
        record=body.record,
        retention_days=body.retention_days,
        detect=detect,
        created_ns=before.created_ns if before else now_ns,
    )


def seal_for(
    conn: sqlite3.Connection, sealer: Sealer, camera: Camera, before: Camera | None, wanted: Wanted
) -> bytes | cameras.Keep | None:
    """What to store as the camera's secret.

    A stored password is only ever sent where it was entered for: another host, port or a fall-back
    from TLS to plain needs it entered again.
    """
    if wanted.credentials is not None:
        return _seal(sealer, camera.id, wanted.credentials)
    stored = cameras.secret(conn, camera.id) if before is not None else None
    if wanted.forget or stored is None:
        if wanted.username_only:
            return _seal(sealer, camera.id, Credentials(camera.username or "", ""))
        return None
    if before is not None and not wanted.destinations <= destinations_of(before):
        raise invalid(
            "the address leads to another device",
            "enter user name and password again, so that the old one is not sent to a stranger",
            field="password",
        )
    if wanted.username_only and before is not None and camera.username != before.username:
        kept = open_secret(sealer, camera.id, stored)
        return _seal(sealer, camera.id, Credentials(camera.username or "", kept.password))
    return cameras.KEEP


def destinations_of(camera: Camera) -> set[tuple[str, str, int]]:
    """Whom the stored password may be sent to."""
    found = set()
    for url in (camera.rtsp_url, camera.sub_url):
        address = read_address(url, "rtsp_url", allow_file=True) if url else None
        if address is not None and address.destination is not None:
            found.add(address.destination)
    return found


def open_secret(sealer: Sealer, camera_id: str, sealed: bytes) -> Credentials:
    plain = sealer.open(sealed, cameras.secret_name(camera_id))
    return msgspec.msgpack.decode(plain, type=Credentials)


def _seal(sealer: Sealer, camera_id: str, credentials: Credentials) -> bytes:
    return sealer.seal(msgspec.msgpack.encode(credentials), cameras.secret_name(camera_id))
