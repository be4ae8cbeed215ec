"""Which device a camera is, told by who adds it: what the daemon would else ask itself, some time later."""

import re
from ipaddress import AddressValueError, IPv4Address

from appliance.base.errors import ApplianceError, invalid
from appliance.base.model import Camera
from appliance.onvif.identity import identity
from appliance.onvif.where import device_url, host_of
from appliance.store.camera_identities import CameraIdentity
from appliance.web.cameras.body import DeviceBody

_MAC = re.compile(r"([0-9A-Fa-f]{2}[:.\- ]?){6}")


def identity_of(device: DeviceBody | None, camera: Camera, now_ns: int) -> CameraIdentity | None:
    """None where nothing tells it from others. Raises ``invalid`` with the field: a stored password goes to
    ``onvif_url``, so it has to be where the camera is."""
    if device is None:
        return None
    if device.mac and not _MAC.fullmatch(device.mac.strip()):
        raise invalid("this is no MAC", "write it as 28:57:be:65:7d:d5", field="device.mac")
    told = identity(device.serial, device.mac, device.endpoint)
    host = _address(camera.rtsp_url)
    url = _service(device.onvif_url, host) if device.onvif_url else None
    found = CameraIdentity(camera.id, host, now_ns, told.serial, told.mac, told.endpoint, url)
    return found if found.is_known else None


def known_by(found: CameraIdentity) -> list[str]:
    """For the audit log."""
    return [name for name in ("serial", "mac", "endpoint") if getattr(found, name)]


def _address(rtsp_url: str) -> str:
    try:
        if rtsp_url.startswith(("sim:", "file:")):
            raise AddressValueError(rtsp_url)
        return str(IPv4Address(host_of(rtsp_url)))
    except (AddressValueError, ValueError):
        hint = "leave it out: only a camera with an IPv4 address is looked for"
        raise invalid("this camera has no address of its own", hint, field="device") from None


def _service(text: str, host: str) -> str:
    try:
        url = device_url(text)
        is_there = host_of(url) == host
    except (ApplianceError, ValueError):
        is_there = False
    if not is_there:
        hint = f"give one at {host}, or leave it out"
        raise invalid("this is not where the camera is", hint, field="device.onvif_url")
    return url
