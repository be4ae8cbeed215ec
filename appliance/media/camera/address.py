"""Camera addresses: where the login goes. What these give is never to be shown."""

from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit, urlunsplit

from appliance.base.model import Credentials

USER_KEYS = ("user", "username")
PASSWORD_KEYS = ("password", "pwd")
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
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    in_query = _in_query(bare, credentials) if credentials is not None else None
    if not parts.hostname:
        raise ValueError("no host")
    port = parts.port or PORTS[parts.scheme]
    return RtspAddress(parts.hostname, port, parts.scheme == "rtsps", in_query or bare, credentials)


def with_login(url: str, credentials: Credentials | None) -> str:
    """For libav alone, which knows no other way."""
    if credentials is None:
        return url
    in_query = _in_query(url, credentials)
    if in_query is not None:
        return in_query
    parts = urlsplit(url)
    login = f"{quote(credentials.username, safe='')}:{quote(credentials.password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))


def _in_query(url: str, credentials: Credentials) -> str | None:
    """DVRs that want ``?user=&password=`` get them there; None where there is no such place."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    if not any(query.get(key) == [""] for key in PASSWORD_KEYS):
        return None
    for key in query:
        if query[key] == [""] and key in USER_KEYS:
            query[key] = [credentials.username]
        elif query[key] == [""] and key in PASSWORD_KEYS:
            query[key] = [credentials.password]
    return urlunsplit(parts._replace(query=urlencode(query, doseq=True, quote_via=quote)))
