"""The certificate of an ``rtsps`` camera: kept at first use, and compared ever after.

Cameras sign themselves, so that no authority can vouch for them; what can be known is that it is
still the same device (trust on first use, as SSH does). Checked on a connection of its own just
before libav's, which cannot be asked for its peer: somebody who can let the first pass and take
over the second gets in. Digest authentication keeps the password from him even then.
"""

import hashlib
import hmac
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple


class Pinned(NamedTuple):
    """``pin`` gives the SHA-256 (hex) that is known, or None; ``keep`` stores one at first use."""

    pin: Callable[[], str | None]
    keep: Callable[[str], None]


def fingerprint(host: str, port: int, timeout_s: float) -> str:
    """SHA-256 (hex) of the certificate that the server shows. Raises ``OSError``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # cameras in the field have 1024 bit keys
    with (
        socket.create_connection((host, port), timeout=timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    if not shown:
        raise ssl.SSLError("the server shows no certificate")
    return hashlib.sha256(shown).hexdigest()


def check(host: str, port: int, pinned: Pinned, timeout_s: float) -> None:
    """Raises ``PermissionError`` where it is another certificate than the one that is pinned."""
    shown = fingerprint(host, port, timeout_s)
    known = pinned.pin()
    if known is None:
        pinned.keep(shown)
    elif not hmac.compare_digest(known.lower(), shown):
        raise PermissionError(
            "the camera shows another certificate than before: if it was replaced or reset, "
            "save its address again to accept the new one"
        )
