"""Camera addresses: checked, and parted from the credentials that people paste into them.

Two forms are known: ``rtsp://user:pass@host/…`` and ``…?user=…&password=…`` (or so in the path). The latter
keeps its empty places: that is where the camera wants them.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from appliance.base.errors import ApplianceError, invalid
from appliance.base.model import Credentials
from appliance.base.url_login import part_login
from appliance.simulator.spec import parse_sim_url

LONGEST = 2000
SCHEMES = ("rtsp", "rtsps", "http", "https", "sim", "file")
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_HOST = re.compile(r"(?!-)[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_EXAMPLE = "write it as rtsp://192.168.1.20:554/stream1"


@dataclass(frozen=True, slots=True)
class Address:
    """``url`` holds no credentials. ``destination`` is whom a password would be sent to."""

    url: str
    credentials: Credentials | None
    destination: tuple[str, str, int] | None


def read_address(text: str, field: str, *, allow_file: bool) -> Address:
    """Raises ``invalid`` naming ``field``; its message never repeats the address."""
    if not text or len(text) > LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        raise invalid("this is not an address", _EXAMPLE, field=field)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise invalid("this is not an address", _EXAMPLE, field=field) from None
    scheme = parts.scheme
    if scheme not in SCHEMES:
        raise invalid("cameras are not reached this way", f"use one of {', '.join(SCHEMES)}://", field=field)
    if scheme == "file":
        return _file(text, field, allow_file)
    parted, inside = part_login(text)
    inside = inside and _credentials(inside.username, inside.password)
    if scheme == "sim":
        return _simulated(parted, inside, field, allow_file)
    parts = urlsplit(parted)
    if port == 0:
        raise invalid("the port is out of range", "1 to 65535", field=field)
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise invalid("the address has no valid host", _EXAMPLE, field=field)
    from_userinfo = _userinfo(parts.netloc)
    if from_userinfo and inside and from_userinfo != inside:
        raise invalid("the address holds two different passwords", "leave one of them out", field=field)
    netloc = parts.netloc.rpartition("@")[2]
    url = parted.replace(f"//{parts.netloc}", f"//{netloc}", 1)
    secure = "tls" if scheme in ("rtsps", "https") else "plain"
    destination = (secure, parts.hostname.lower(), port or DEFAULT_PORTS[scheme])
    return Address(url, from_userinfo or inside, destination)


def one_credential(field: str, *found: Credentials | None) -> Credentials | None:
    """What several places say, where they say the same; raises ``invalid`` where they do not."""
    given = [credentials for credentials in found if credentials is not None]
    if any(credentials != given[0] for credentials in given):
        raise invalid("two different sets of credentials were given", "give one of them", field=field)
    return given[0] if given else None


def _userinfo(netloc: str) -> Credentials | None:
    userinfo, at, _ = netloc.rpartition("@")
    if not at:
        return None
    user, _, password = userinfo.partition(":")
    return _credentials(unquote(user), unquote(password))


def _credentials(user: str, password: str) -> Credentials:
    if not (user + password).isprintable() or len(user) > 100 or len(password) > 200:
        raise invalid("the credentials hold characters that no camera takes", "enter them as separate fields")
    return Credentials(user, password)


def _simulated(url: str, credentials: Credentials | None, field: str, allow_file: bool) -> Address:
    try:
        parse_sim_url(url, allow_files=allow_file)
    except ApplianceError as error:
        raise invalid(error.message, error.hint, field=field) from None
    return Address(url, credentials, None)


def _file(text: str, field: str, allow_file: bool) -> Address:
    if not allow_file:
        raise ApplianceError(
            "invalid",
            "files are not allowed as cameras on this box",
            "set allow_file_sources = true in appliance.toml",
            field=field,
        )
    parts = urlsplit(text)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or ".." in path.split("/"):
        raise invalid("this is not the address of a file", "write it as file:///x.mp4?loop=1", field=field)
    return Address(text, None, None)
