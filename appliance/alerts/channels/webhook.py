"""A program of the site's own that takes JSON over HTTPS: one POST per alert.

Body: ``{id, device_id, site, title, severity, is_test, camera, alert, event}``, alert and event in the shape
of the box's own API. ``id`` is the key, which stands in ``Idempotency-Key`` too: a receiver that has seen it
answers 2xx and does nothing. The token goes as ``Authorization: Bearer`` (RFC 6750).
"""

import ipaddress
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from appliance import __version__
from appliance.alerts.channels import Given, faults
from appliance.alerts.channels.notice import Notice
from appliance.alerts.channels.options import Line, Pem, read, tls
from appliance.base.errors import invalid

PEER = "the receiver"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``ca``: PEM of the only authorities that it is believed by; empty: the system's."""

    url: Annotated[Line, msgspec.Meta(min_length=1)]
    ca: Pem = ""


def check(options: Options, *, has_secret: bool) -> None:
    """Plain HTTP goes to this machine only: what is sent could be read on the way."""
    url = options.url
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or not url.isascii() or " " in url or parts.scheme not in ("https", "http"):
        raise invalid("this is no address of a receiver", "write https://host/path", field="options.url")
    if parts.username is not None or parts.password is not None:
        raise invalid("an address with a password in it would be shown", "use secret", field="options.url")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise invalid("plain HTTP can be read on the way", "use https://", field="options.url")
    tls(options.ca)


def goes_to(options: Options) -> tuple[Any, ...]:
    parts = urlsplit(options.url)
    return (parts.scheme, parts.hostname, parts.port)


def make(given: Given) -> "Webhook":
    return Webhook(given, read(given.channel.options, Options))


class Webhook:
    """One session, made at the first use."""

    wants_still = False

    def __init__(self, given: Given, options: Options) -> None:
        self._given, self._options = given, options
        self._tls = tls(options.ca)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, notice: Notice, key: str) -> str:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if self._given.secret:
            headers["Authorization"] = f"Bearer {self._given.secret}"
        try:
            async with self._open().post(
                self._options.url, data=self._body(notice, key), headers=headers, ssl=self._tls,
                allow_redirects=False,
            ) as response:  # fmt: skip
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise faults.of(error, PEER) from None
        if not 200 <= status < 300:
            raise faults.of_status(status, PEER)
        return f"{PEER} took it: HTTP {status}"

    def _body(self, notice: Notice, key: str) -> bytes:
        return msgspec.json.encode(
            {
                "id": key,
                "device_id": self._given.device_id,
                "site": notice.site,
                "title": notice.title,
                "severity": notice.severity,
                "is_test": notice.is_test,
                "camera": notice.camera,
                "alert": notice.alert,
                "event": notice.event,
            }
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._given.timeout_s)
            self._session = aiohttp.ClientSession(
                timeout=timeout, headers={"User-Agent": f"aries-edge/{__version__}"},
                cookie_jar=aiohttp.DummyCookieJar(), trust_env=False,
            )  # fmt: skip
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
