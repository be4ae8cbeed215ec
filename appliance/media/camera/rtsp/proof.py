"""Saying who we are: digest (RFC 7616, and RFC 2069 as old cameras do it) and basic (RFC 7617)."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable

from appliance.base.model import Credentials

_PAIR = re.compile(r'\b(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
# Quoted text is matched so that what stands in it is not taken for a challenge.
_CHALLENGE = re.compile(r'"[^"]*"|(?:^|,)\s*(Digest|Basic)\b', re.IGNORECASE)


class Proof:
    """One connection's: it learns the camera's challenge, and answers it in every request."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._challenge: dict[str, str] | None = None
        self._is_basic = False
        self._count = 0
        self._was_accepted = False  # our answer to this challenge

    def learn(self, challenges: list[str]) -> bool:
        """The camera said 401 with these WWW-Authenticate lines: whether another try makes sense.

        Digest goes before Basic, SHA-256 before MD5; the same nonce twice means a wrong password.
        A new one does so too, unless it is said to be stale, or our answer to the one before was
        accepted: cameras whose nonces are good for one request do not always say ``stale``.
        """
        every = [pair for text in challenges for pair in _split(text)]
        known = [_pairs(text) for scheme, text in every if scheme == "digest"]
        usable = [c for c in known if _hash(c) is not None and c.get("nonce")]
        if usable:
            best = max(usable, key=lambda c: "SHA-256" in c.get("algorithm", "").upper())
            before = self._challenge
            is_new = before is None or self._is_basic
            is_stale = best.get("stale", "").lower() == "true" and best != before
            is_spent = self._was_accepted and before is not None and best["nonce"] != before["nonce"]
            self._challenge, self._is_basic, self._count, self._was_accepted = best, False, 0, False
            return is_new or is_stale or is_spent
        if any(scheme == "basic" for scheme, _ in every):
            was, self._is_basic = self._is_basic, True
            return not was
        return False

    def accepted(self) -> None:
        """The camera agreed to a request that went out with ``header``."""
        self._was_accepted = self._challenge is not None and not self._is_basic

    def header(self, method: str, url: str) -> str | None:
        """The value of Authorization; None before the first challenge."""
        user, password = self._credentials.username, self._credentials.password
        if self._is_basic:
            return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        if self._challenge is None:
            return None
        given = self._challenge
        hashed = _hash(given)
        assert hashed is not None
        realm, nonce = given.get("realm", ""), given["nonce"]
        first = hashed(f"{user}:{realm}:{password}")
        fields = {"username": user, "realm": realm, "nonce": nonce, "uri": url}
        client = secrets.token_hex(8)
        if given.get("algorithm", "").lower().endswith("-sess"):
            first = hashed(f"{first}:{nonce}:{client}")
        second = hashed(f"{method}:{url}")
        bare = {}
        if "auth" in re.split(r"[\s,]+", given.get("qop", "")):
            self._count += 1
            count = f"{self._count:08x}"
            fields["response"] = hashed(f"{first}:{nonce}:{count}:{client}:auth:{second}")
            bare = {"qop": "auth", "nc": count}
            fields["cnonce"] = client
        else:
            fields["response"] = hashed(f"{first}:{nonce}:{second}")
        if "opaque" in given:
            fields["opaque"] = given["opaque"]
        if "algorithm" in given:
            bare["algorithm"] = given["algorithm"]
        quoted = [f'{name}="{_escaped(value)}"' for name, value in fields.items()]
        return "Digest " + ", ".join(quoted + [f"{name}={value}" for name, value in bare.items()])


def _split(text: str) -> list[tuple[str, str]]:
    """Schemes and what is said of each: several may share a line (RFC 9110, 11.6.1)."""
    found = [match for match in _CHALLENGE.finditer(text) if match[1]]
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [(match[1].lower(), text[match.end() : end]) for match, end in zip(found, ends, strict=False)]


def _pairs(text: str) -> dict[str, str]:
    return {
        match[1].lower(): match[2] if match[2] is not None else match[3] for match in _PAIR.finditer(text)
    }


def _hash(challenge: dict[str, str]) -> Callable[[str], str] | None:
    name = challenge.get("algorithm", "MD5").upper().removesuffix("-SESS")
    if name == "MD5":
        return lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    if name == "SHA-256":
        return lambda text: hashlib.sha256(text.encode()).hexdigest()
    return None


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
