"""Logins inside addresses, as DVRs want them: ``?user=…&password=…``, also where a path should be
(``rtsp://host:554/user=…&password=…&channel=1&stream=0.sdp?``).

An address is shown and stored with both left empty; they are filled when the stream is opened.
"""

import re
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

from appliance.base.model import Credentials

_PLACE = re.compile(
    r"(?i)(?P<before>^|[/?&])(?P<key>(?P<user>user|usr|username)|password|passwd|pass|pwd)=(?P<value>[^&/?#]*)"
)
# Xiongmai firmware parts them with _ and gives its own hash of the password: as good as the password.
_UNDERSCORED = re.compile(r"(?i)(?<=[/?])(user)=([^/?#]*?)_(password)=([^/?#]*?)(?=_[a-z]+=|[/?#]|$)")


def part_login(url: str) -> tuple[str, Credentials | None]:
    """The address with the values of user and password left empty, and what they were (None: there were
    none, or they are empty already). What stands before an ``@`` is left as it is.

    Raises ``ValueError`` for an address that is none.
    """
    parts = urlsplit(url)
    found: dict[str, str] = {}

    def empty(match: re.Match[str]) -> str:
        found.setdefault("user" if match["user"] else "password", unquote_plus(match["value"]))
        return f"{match['before']}{match['key']}="

    def empty_both(match: re.Match[str]) -> str:
        found.update(user=unquote_plus(match[2]), password=unquote_plus(match[4]))
        return f"{match[1]}=_{match[3]}="

    path, underscored = _UNDERSCORED.subn(empty_both, parts.path)
    path = path if underscored else _PLACE.sub(empty, path)
    query = _PLACE.sub(empty, parts.query)
    named = found.get("user", ""), found.get("password", "")
    return _with(url, path, query), Credentials(*named) if any(named) else None


def fill_login(url: str, credentials: Credentials) -> str | None:
    """The address with ``credentials`` in its empty places; None where no place for a password is empty.

    Raises ``ValueError`` for an address that is none.
    """
    parts = urlsplit(url)
    filled = 0

    def fill(match: re.Match[str]) -> str:
        nonlocal filled
        if match["value"]:
            return match[0]
        filled += not match["user"]
        value = credentials.username if match["user"] else credentials.password
        return f"{match['before']}{match['key']}={quote(value, safe='')}"

    def fill_both(match: re.Match[str]) -> str:
        nonlocal filled
        if match[2] or match[4]:
            return match[0]
        filled += 1
        user, password = quote(credentials.username, safe=""), quote(credentials.password, safe="")
        return f"{match[1]}={user}_{match[3]}={password}"

    path, underscored = _UNDERSCORED.subn(fill_both, parts.path)
    path = path if underscored else _PLACE.sub(fill, path)
    query = _PLACE.sub(fill, parts.query)
    return _with(url, path, query) if filled else None


def _with(url: str, path: str, query: str) -> str:
    parts = urlsplit(url)
    changed = urlunsplit(parts._replace(path=path, query=query, fragment=""))
    bare = url.partition("#")[0]
    return f"{changed}?" if bare.endswith("?") and not query else changed  # ".sdp?" belongs to the name
