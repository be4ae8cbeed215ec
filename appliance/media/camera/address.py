"""Camera addresses: where the login goes. What these give is never to be shown."""

from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from appliance.base.model import Credentials
from appliance.base.url_login import fill_login

PORTS = {"rtsp": 554, "rtsps": 322}


class RtspAddress(NamedTuple):
    """``url``: what requests name, without a login in front of the host."""

    host: str
    port: int
    is_secure: bool
    url: str
    credentials: Credentials | None


def rtsp_address(url: str, credentials: Credentials | None) -> RtspAddress:
    """Raises ``ValueError`` for a port that is none, or a missing host."""
    parts = urlsplit(url)
    if credentials is None and parts.username is not None:
        credentials = Credentials(unquote(parts.username), unquote(parts.password or ""))
    netloc = parts.netloc.rpartition("@")[2]
    bare = url.partition("#")[0].replace(f"//{parts.netloc}", f"//{netloc}", 1)
    inside = fill_login(bare, credentials) if credentials is not None else None
    if not parts.hostname:
        raise ValueError("no host")
    port = parts.port or PORTS[parts.scheme]
    return RtspAddress(parts.hostname, port, parts.scheme == "rtsps", inside or bare, credentials)


def with_login(url: str, credentials: Credentials | None) -> str:
    """For libav alone, which knows no other way."""
    if credentials is None:
        return url
    inside = fill_login(url, credentials)  # DVRs that want ?user=&password= get them there
    if inside is not None:
        return inside
    parts = urlsplit(url)
    login = f"{quote(credentials.username, safe='')}:{quote(credentials.password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))
