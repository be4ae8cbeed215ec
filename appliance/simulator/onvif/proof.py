"""Proof of the password: WS-UsernameToken (OASIS WSS 1.0) and HTTP digest (RFC 7616)."""

import base64
import binascii
import hashlib
import hmac
from collections import deque
from datetime import datetime
from xml.etree.ElementTree import Element

from appliance.base.clock import SECOND_NS
from appliance.simulator.auth import Authenticator
from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.soap import text

_MOST_AGE_S = 300
_MOST_NONCES = 1_000


class Proof:
    """Of one camera. Its HTTP nonce lasts as long as the camera."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._authenticator = Authenticator()
        self._nonces: deque[bytes] = deque(maxlen=_MOST_NONCES)

    @property
    def challenge(self) -> str:
        return self._authenticator.challenge("digest") + ', qop="auth"'

    def accepts(self, method: str, header: Element | None, authorization: str | None) -> bool:
        """Whether a request may do what needs a password."""
        proofs = self._device.maker.proofs
        if "digest" in proofs and self.accepts_http(method, authorization):
            return True
        return "token" in proofs and self._token(header)

    def accepts_http(self, method: str, authorization: str | None) -> bool:
        device = self._device
        return self._authenticator.accepts("digest", device.user, device.password, method, authorization)

    def _token(self, header: Element | None) -> bool:
        path = "wsse:Security/wsse:UsernameToken"
        user = text(header, f"{path}/wsse:Username")
        given = text(header, f"{path}/wsse:Password")
        created = text(header, f"{path}/wsu:Created")
        try:
            nonce = base64.b64decode(text(header, f"{path}/wsse:Nonce"), validate=True)
        except (binascii.Error, ValueError):
            return False
        device = self._device
        if not nonce or nonce in self._nonces or not self._is_fresh(created):
            return False
        material = nonce + created.encode() + device.password.encode()
        wanted = base64.b64encode(hashlib.sha1(material, usedforsecurity=False).digest())
        # both are compared whatever the first says: no camera tells which of the two was wrong
        is_user = hmac.compare_digest(user.encode(), device.user.encode())
        if not hmac.compare_digest(given.encode(), wanted) or not is_user:
            return False
        self._nonces.append(nonce)
        return True

    def _is_fresh(self, created: str) -> bool:
        try:
            at_s = datetime.fromisoformat(created).timestamp()
        except (ValueError, OverflowError, OSError):
            return False
        if not self._device.maker.looks_at_time:
            return True
        return abs(at_s - self._device.now_ns() / SECOND_NS) <= _MOST_AGE_S
