"""Which targets make sense, said before they are stored."""

import ipaddress
import re
import ssl
from urllib.parse import urlsplit

from appliance.base.errors import invalid
from appliance.store.targets import Target
from appliance.sync.targets import registry

SPOKEN_TO_IN_HTTP = ("https", "hub")
LONGEST_URL = 2_000
LONGEST_TOKEN = 4_000
LONGEST_CA = 200_000
_ID = re.compile(r"[a-z0-9-]{1,63}")
_TOKEN = re.compile(r"[\x21-\x7e]+")


def validate(target: Target, token: str | None = None) -> None:
    """Raises ``invalid`` with the field that is wrong. Plain HTTP goes to this machine only: the
    token and the events would be read on the way."""
    if _ID.fullmatch(target.id) is None:
        raise invalid("this is no id for a target", "use a-z, 0-9 and -, at most 63", field="id")
    if target.kind in SPOKEN_TO_IN_HTTP:
        _check_url(target.url)
    elif "@" in target.url.partition("://")[2].partition("/")[0]:
        raise invalid("an address with a password in it would be shown", "use the token", field="url")
    if token is not None and (_TOKEN.fullmatch(token) is None or len(token) > LONGEST_TOKEN):
        raise invalid("the token has characters that no header can carry", "paste it again", field="token")
    registry.check(target, token)
    if target.ca is not None:
        _check_ca(target.ca)


def tls_of(target: Target) -> ssl.SSLContext:
    """TLS 1.2 or later, host names checked, trusting ``target.ca`` alone where there is one."""
    context = ssl.create_default_context(cadata=target.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or not host:
        raise invalid("this is no address of a target", "write https://host/path", field="url")
    if parts.username is not None or parts.password is not None:
        raise invalid("an address with a password in it would be shown", "use the token", field="url")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise invalid("plain HTTP can be read on the way", "use https://", field="url")
    if parts.scheme not in ("https", "http"):
        raise invalid(f"{parts.scheme[:20]!r} is not spoken here", "use https://", field="url")


def _check_ca(pem: str) -> None:
    try:
        if not pem.strip() or len(pem) > LONGEST_CA:
            raise ValueError
        ssl.create_default_context(cadata=pem)
    except (ValueError, ssl.SSLError, TypeError):  # TypeError: a letter that is not ASCII
        raise invalid(
            "this is no certificate authority",
            "paste the PEM text, from -----BEGIN CERTIFICATE----- on",
            field="ca",
        ) from None


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
