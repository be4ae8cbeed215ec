"""Which WireGuard keys a box may bring: one form of each key, and none that two peers could share."""

import base64

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from appliance.base.errors import ApplianceError, invalid
from appliance.hub.settings import HubSettings, is_key

_PRIME = 2**255 - 19


def check(key: str, settings: HubSettings) -> None:
    """Raises ``invalid`` for what is no key of a box: base64 in another form than the one it is written in,
    a coordinate beyond the prime (RFC 7748, section 5, would read it as another's), a point of low order
    (section 6.1: every secret with it is zero), the hub's own key."""
    raw = base64.b64decode(key) if is_key(key) else b""
    if not raw or int.from_bytes(raw, "little") >= _PRIME or not _makes_secrets(raw):
        raise invalid("this is no key of a tunnel", "paste what `wg pubkey` prints", field="tunnel_key")
    if settings.tunnel is not None and key == settings.tunnel.public_key:
        raise invalid("this is the hub's own key", "make one for this box", field="tunnel_key")


def fits(key: str, settings: HubSettings) -> bool:
    """``check``, for who has nobody to tell."""
    try:
        check(key, settings)
    except ApplianceError:
        return False
    return True


def _makes_secrets(raw: bytes) -> bool:
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(raw))
    except ValueError:  # the library refuses a secret of zeros
        return False
    return True
