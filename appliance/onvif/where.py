"""Where an answer points, and where we go: always to the address that answered.

Cameras behind a router, with a factory address in their settings or a name that nobody resolves, give
addresses that lead nowhere or to somebody else; a password is for the one that was asked (invariant).
"""

import ipaddress
from urllib.parse import urlsplit, urlunsplit

from appliance.base.errors import ApplianceError, invalid
from appliance.base.url_login import part_login

LONGEST = 1000
SERVICE_PATH = "/onvif/device_service"


def device_url(text: str) -> str:
    """``text`` as the address of a device service: host, host:port or http(s)://…; without credentials.

    Raises ``invalid`` for anything else.
    """
    url = text if "://" in text else f"http://{_bracketed(text)}"
    if not _is_usable(url, ("http", "https")):
        raise invalid(
            "this is no address of a camera", "write it as 192.168.1.20 or http://192.168.1.20:8000"
        )
    parts = urlsplit(url)
    path = parts.path if parts.path not in ("", "/") else SERVICE_PATH
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, parts.query, ""))


def service_at(found: str, answered_url: str) -> str | None:
    """The service ``found`` names, at the host and port that answered; None where ``found`` is no address.
    The port it names is kept only together with its host: behind a router neither is right."""
    if not _is_usable(found, ("http", "https")):
        return None
    parts, answered = urlsplit(found), urlsplit(answered_url)
    if parts.hostname == answered.hostname and parts.scheme == answered.scheme:
        netloc = parts.netloc.rpartition("@")[2]
    else:
        netloc = answered.netloc
    return urlunsplit((answered.scheme, netloc, parts.path or "/", parts.query, ""))


def still_at(found: str, answered_url: str) -> str | None:
    """As ``service_at``, and without a login inside."""
    url = service_at(found, answered_url)
    return None if url is None else part_login(url)[0]


def stream_at(found: str, answered_url: str) -> str | None:
    """The RTSP address at the host that answered, its own port kept, without credentials; None where
    ``found`` is none."""
    if not _is_usable(found, ("rtsp", "rtsps")):
        return None
    parts, answered = urlsplit(found), urlsplit(answered_url)
    host = _bracketed(answered.hostname or "")
    netloc = f"{host}:{parts.port}" if parts.port else host
    bare = found.partition("#")[0].replace(f"//{parts.netloc}", f"//{netloc}", 1)
    return part_login(bare)[0]


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def at_address(url: str, address: str) -> str:
    """``url`` with ``address`` for its host."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, _bracketed(address) + port, parts.path, parts.query, ""))


def refuse_url(what: str) -> ApplianceError:
    return invalid(f"the camera's address for {what} is none", "restart the camera, or renew its firmware")


def _bracketed(host: str) -> str:
    try:
        is_six = ipaddress.ip_address(host.partition("%")[0]).version == 6
    except ValueError:
        return host
    return f"[{host}]" if is_six else host


def _is_usable(url: str, schemes: tuple[str, ...]) -> bool:
    if len(url) > LONGEST or not url.isprintable() or not url.isascii() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    plain = all(character.isalnum() or character in ".-_:%" for character in host)
    return parts.scheme in schemes and bool(host) and plain and port != 0
