"""RTSP authentication as cameras do it: digest with MD5 (RFC 2617, section 3.2) and basic."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets

from appliance.simulator.spec import AuthKind

REALM = "Aries simulated camera"
_PAIR = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


class Authenticator:
    """One connection's: its nonce is of no use on another."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(16)

    def challenge(self, kind: AuthKind) -> str:
        """The value of WWW-Authenticate; with both, digest first, which clients prefer."""
        digest = f'Digest realm="{REALM}", nonce="{self._nonce}", algorithm=MD5'
        basic = f'Basic realm="{REALM}"'
        return {"digest": digest, "basic": basic, "both": f"{digest}\r\nWWW-Authenticate: {basic}"}[kind]

    def accepts(self, kind: AuthKind, user: str, password: str, method: str, header: str | None) -> bool:
        """Whether the Authorization ``header`` proves ``user`` and ``password`` for ``method``."""
        scheme, _, rest = (header or "").partition(" ")
        if scheme.lower() == "basic" and kind != "digest":
            return _same(_basic(rest), f"{user}:{password}")
        if scheme.lower() == "digest" and kind != "basic":
            return self._digest(user, password, method, rest)
        return False

    def _digest(self, user: str, password: str, method: str, text: str) -> bool:
        given = {match[1].lower(): match[2] or match[3] or "" for match in _PAIR.finditer(text)}
        if not _same(given.get("nonce", ""), self._nonce) or not _same(given.get("username", ""), user):
            return False
        first = _md5(f"{user}:{REALM}:{password}")
        second = _md5(f"{method}:{given.get('uri', '')}")
        middle = [self._nonce]
        if given.get("qop") == "auth":  # we do not offer it, but it does no harm
            middle += [given.get("nc", ""), given.get("cnonce", ""), "auth"]
        return _same(given.get("response", "").lower(), _md5(":".join([first, *middle, second])))


def _basic(text: str) -> str:
    try:
        return base64.b64decode(text.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
