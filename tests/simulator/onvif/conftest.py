"""A client of our own: it shares no code with the cameras, nor with the box's."""

import base64
import hashlib
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import (
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    ProxyHandler,
    Request,
    build_opener,
)
from xml.etree.ElementTree import Element, fromstring

import pytest

_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_TYPE = _WSS + "username-token-profile-1.0#PasswordDigest"
PREFIXES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "tt": "http://www.onvif.org/ver10/schema",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "tmd": "http://www.onvif.org/ver10/deviceIO/wsdl",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wsa": "http://www.w3.org/2005/08/addressing",
}


class Told:
    """An answer: ``status``, ``find`` and ``text`` in the prefixes above."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.raw = body
        self.root: Element | None = fromstring(body) if body.lstrip().startswith(b"<") else None

    def all(self, path: str) -> list[Element]:
        return [] if self.root is None else self.root.findall(f".//{path}", PREFIXES)

    def text(self, path: str) -> str | None:
        found = self.all(path)
        return found[0].text if found else None


def token(user: str, password: str, ahead_s: float = 0.0, nonce: bytes | None = None) -> str:
    nonce = nonce or os.urandom(16)
    created = (datetime.now(UTC) + timedelta(seconds=ahead_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha1(nonce + created.encode() + password.encode()).digest()
    return (
        f'<s:Header><w:Security xmlns:w="{_WSS}wssecurity-secext-1.0.xsd" '
        f'xmlns:u="{_WSS}wssecurity-utility-1.0.xsd"><w:UsernameToken><w:Username>{user}</w:Username>'
        f'<w:Password Type="{_TYPE}">{base64.b64encode(digest).decode()}</w:Password>'
        f"<w:Nonce>{base64.b64encode(nonce).decode()}</w:Nonce><u:Created>{created}</u:Created>"
        "</w:UsernameToken></w:Security></s:Header>"
    )


def send(url: str, data: bytes | None, user: str | None, password: str, timeout_s: float = 20.0) -> Told:
    """With HTTP digest where a user is given; without otherwise."""
    known = HTTPPasswordMgrWithDefaultRealm()
    handlers: list[Any] = [ProxyHandler({})]
    if user is not None:
        known.add_password(None, url, user, password)
        handlers.append(HTTPDigestAuthHandler(known))
    request = Request(url, data, {"Content-Type": "application/soap+xml"})
    try:
        with build_opener(*handlers).open(request, timeout=timeout_s) as answer:
            return Told(answer.status, answer.read())
    except HTTPError as error:
        with error:
            return Told(error.code, error.read())


@pytest.fixture
def ask() -> Callable[..., Told]:
    """``ask(fleet, camera, "tds:GetNTP", body, by="token")``; ``by``: token, digest or nothing."""

    def ask(fleet, camera, name: str, body: str = "", *, by: str = "both", url: str | None = None, **other):
        spaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in PREFIXES.items())
        password = other.get("password", fleet.password)
        header = ""
        if by in ("token", "both"):
            header = token(fleet.user, password, other.get("ahead_s", 0.0), other.get("nonce"))
        envelope = f"<s:Envelope{spaces}>{header}<s:Body><{name}>{body}</{name}></s:Body></s:Envelope>"
        user = fleet.user if by in ("digest", "both") else None
        return send(url or camera.url, envelope.encode(), user, password, other.get("timeout_s", 20.0))

    return ask


@pytest.fixture
def get() -> Callable[..., Told]:
    return lambda url, user, password: send(url, None, user, password)


@pytest.fixture
def probe() -> Callable[..., dict[str, list[bytes]]]:
    """``probe(group, count)``: answers by the address they came from."""

    def probe(
        group: tuple[str, int], count: int, types: str = "", wait_s: float = 3.0
    ) -> dict[str, list[bytes]]:
        asked = f"<d:Types xmlns:n='x'>{types}</d:Types>" if types else ""
        message = (
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
            'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
            'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Header>'
            "<a:MessageID>urn:uuid:1234</a:MessageID></s:Header>"
            f"<s:Body><d:Probe>{asked}</d:Probe></s:Body></s:Envelope>"
        )
        found: dict[str, list[bytes]] = {}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
            plug.bind(("127.0.0.1", 0))
            plug.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            plug.settimeout(wait_s)
            plug.sendto(message.encode(), group)
            try:
                while len(found) < count:
                    data, (address, _) = plug.recvfrom(65_536)
                    found.setdefault(address, []).append(data)
            except TimeoutError:
                pass
        return found

    return probe
