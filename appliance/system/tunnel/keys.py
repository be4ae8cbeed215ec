"""The box's WireGuard keys, and how one follows another without the tunnel being lost.

    current ──announce──► current + next ──acknowledged──► next becomes current, the old one is previous
                                                             ├─ handshake with it ─► settle: previous goes
                                                             └─ none in time ──────► fall_back: as before

All secrets of the tunnel are one struct, sealed as one: no crash leaves half of a rotation.
"""

from typing import Literal

import msgspec
from wireguard_tools import WireguardKey

from appliance.base.errors import ApplianceError
from appliance.base.redaction import forbid
from appliance.system.tunnel.config import check_key


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Private keys and the pre-shared key, base64 (empty: none). ``repr`` shows nothing."""

    current: str
    next: str = ""  # made and announced, not acknowledged
    previous: str = ""  # kept until a handshake with ``current``
    preshared: str = ""

    def __repr__(self) -> str:
        return f"Keys({self.phase})"

    @property
    def phase(self) -> Literal["steady", "announced", "trying"]:
        if self.previous:
            return "trying"
        return "announced" if self.next else "steady"

    @property
    def public(self) -> str:
        return public_of(self.current)

    @property
    def next_public(self) -> str:
        """Empty where no rotation is announced."""
        return public_of(self.next) if self.next else ""


def make() -> Keys:
    """From the kernel's randomness. What is made here must never be shown: the redaction is told."""
    return watched(Keys(current=_generate()))


def watched(keys: Keys) -> Keys:
    """``keys``, after the log's redaction knows them, in the forms in which tools print them."""
    for text in (keys.current, keys.next, keys.previous, keys.preshared):
        if text:
            forbid(text, WireguardKey(text).hex)
    return keys


def with_preshared(keys: Keys, preshared: str) -> Keys:
    """``preshared``: base64, or empty for none. Raises ``invalid``."""
    if preshared:
        check_key(preshared, "preshared_key")
    return watched(msgspec.structs.replace(keys, preshared=preshared))


def announce(keys: Keys) -> Keys:
    """A new key beside the one in use. Announced twice it is the same key: saying a thing twice is
    saying it once. Raises ``conflict`` while the last rotation is being tried."""
    if keys.phase == "trying":
        raise ApplianceError(
            "conflict", "the last rotation of the tunnel's keys is still being tried", "try again in a minute"
        )
    if keys.phase == "announced":
        return keys
    return watched(msgspec.structs.replace(keys, next=_generate()))


def acknowledged(keys: Keys, public: str) -> Keys:
    """The endpoint has said that it takes ``public``: it is used from now on, the old one waits behind
    it. Of an acknowledgement that came twice nothing changes. Raises ``conflict`` for any other key."""
    if keys.public == public:
        return keys
    if not keys.next or keys.next_public != public:
        raise ApplianceError(
            "conflict",
            "the endpoint acknowledged a key that this box did not announce",
            "rotate again: appliance tunnel rotate",
        )
    return Keys(current=keys.next, previous=keys.current, preshared=keys.preshared)


def settle(keys: Keys) -> Keys:
    """A handshake was made with the new key: the old one goes."""
    return msgspec.structs.replace(keys, previous="")


def fall_back(keys: Keys) -> Keys:
    """No handshake with the new key: the old one again, the new one stays announced."""
    if not keys.previous:
        return keys
    return Keys(current=keys.previous, next=keys.current, preshared=keys.preshared)


def public_of(private: str) -> str:
    return str(WireguardKey(private).public_key())


def _generate() -> str:
    return str(WireguardKey.generate())
