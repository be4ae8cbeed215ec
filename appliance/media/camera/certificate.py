"""The certificate of an ``rtsps`` camera: kept at first use, and compared ever after.

Cameras sign themselves, so that no authority can vouch for them; what can be known is that it is
still the same device (trust on first use, as SSH does).
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import NamedTuple


class Pinned(NamedTuple):
    """``pin`` gives the SHA-256 (hex) that is known, or None; ``keep`` stores one at first use."""

    pin: Callable[[], str | None]
    keep: Callable[[str], None]


def check(certificate: bytes, pinned: Pinned) -> None:
    """``certificate``: as the camera showed it (DER). Raises ``PermissionError`` where it is another
    one than the one that is pinned, or none."""
    if not certificate:
        raise PermissionError("the camera shows no certificate")
    shown = hashlib.sha256(certificate).hexdigest()
    known = pinned.pin()
    if known is None:
        pinned.keep(shown)
    elif not hmac.compare_digest(known.lower(), shown):
        raise PermissionError(
            "the camera shows another certificate than before: if it was replaced or reset, "
            "save its address again to accept the new one"
        )
