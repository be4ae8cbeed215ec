"""The box's identity key: Ed25519 (RFC 8032), made on the box, sealed under the box's secret.

It says that this is the box that it was yesterday. Its private half is never in the clear on a disk, in
a log or on a wire: a copy of the databases without the secret (``DIR/secrets/box.key``, or wherever
``secret_path`` says) cannot sign, and so cannot enrol or pass as the box. A secret that was lost cannot be
replaced by a new one: the box would be another one, and its hub has to be told so.
"""

import hashlib
import sqlite3

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from appliance.base.errors import ApplianceError
from appliance.store.sealing import Sealer

SEALED_AS = "identity"


class Identity:
    """``sign`` with the private half; ``public_key`` is 32 bytes. ``repr`` shows nothing."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = _public(private)

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.public_key)

    def sign(self, text: bytes) -> bytes:
        """64 bytes. ``text`` begins with the context of what is signed, so that no signature can be
        used for another purpose."""
        return self._private.sign(text)


def fingerprint_of(public_key: bytes) -> str:
    """SHA-256, hex: as the hub shows it, and as a code that is for one box alone names it."""
    return hashlib.sha256(public_key).hexdigest()


def verified(public_key: bytes, signature: bytes, text: bytes) -> bool:
    """Whether the box of ``public_key`` signed ``text``."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def ensure(conn: sqlite3.Connection, sealer: Sealer, now_ns: int) -> Identity:
    """The identity, made if there is none. Raises ``denied`` where it was sealed under another secret."""
    row = conn.execute("SELECT public_key, sealed FROM identity").fetchone()
    if row is not None:
        return _opened(row, sealer)
    private = Ed25519PrivateKey.generate()
    raw = private.private_bytes_raw()
    conn.execute(
        "INSERT INTO identity (one, public_key, sealed, created_ns) VALUES (1, ?, ?, ?)",
        (_public(private), sealer.seal(raw, SEALED_AS), now_ns),
    )
    return Identity(private)


def public_key(conn: sqlite3.Connection) -> bytes | None:
    """None before the first enrolment. Needs no secret."""
    row = conn.execute("SELECT public_key FROM identity").fetchone()
    return None if row is None else bytes(row["public_key"])


def _opened(row: sqlite3.Row, sealer: Sealer) -> Identity:
    try:
        found = Identity(Ed25519PrivateKey.from_private_bytes(sealer.open(row["sealed"], SEALED_AS)))
    except (ApplianceError, ValueError):
        found = None
    if found is None or found.public_key != row["public_key"]:
        raise ApplianceError(
            "denied",
            "this box's identity cannot be opened: its secret is missing, or is another box's",
            "put secrets/box.key back, from a backup of this box",
        )
    return found


def _public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
