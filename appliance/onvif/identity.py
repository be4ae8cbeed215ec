"""Which camera is this? Known by its serial or MAC, wherever DHCP puts it.

The law (``same``): equal where either agrees and nothing contradicts.
"""

import re

import msgspec

_NO_SERIAL = re.compile(
    r"(.)\1*|0?1?2345?6?7?8?9?0?|(not ?set|none|null|unknown|n/?a|default|serial ?(number)?)"
)
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


class Identity(msgspec.Struct, frozen=True):
    """What a camera is recognised by; each in the form that ``identity`` gives, None where unknown.

    ``endpoint``: its UUID in WS-Discovery: what is known of it before a password is. A reset makes a new
    one, so another endpoint contradicts nothing.
    """

    serial: str | None = None
    mac: str | None = None
    endpoint: str | None = None


def identity(serial: str | None = None, mac: str | None = None, endpoint: str | None = None) -> Identity:
    """Of what a camera says; what says nothing (serial 00000000, MAC of zeros) counts as unknown."""
    return Identity(_serial(serial or ""), normal_mac(mac or ""), _endpoint(endpoint or ""))


def same(one: Identity, other: Identity) -> bool:
    """Symmetric; true only where something that both have agrees, and serial and MAC do not contradict."""
    agreed = [a == b for a, b in ((one.serial, other.serial), (one.mac, other.mac)) if a and b]
    if agreed:
        return all(agreed)
    return one.endpoint is not None and one.endpoint == other.endpoint


def normal_mac(text: str) -> str | None:
    """``28:57:be:65:7d:d5``; None for what is no address of one device (zeros, broadcast, groups)."""
    digits = re.sub(r"[:.\- ]", "", text.strip()).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits) or not int(digits, 16) or int(digits[:2], 16) & 1:
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _serial(text: str) -> str | None:
    plain = " ".join(text.split()).lower()
    return None if len(plain) < 4 or len(plain) > 128 or _NO_SERIAL.fullmatch(plain) else plain


def _endpoint(text: str) -> str | None:
    found = _UUID.search(text.lower())
    return None if found is None or not int(found[0].replace("-", ""), 16) else found[0].replace("-", "")
