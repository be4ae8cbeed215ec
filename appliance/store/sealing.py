"""Credentials at rest: AES-256-GCM under a key that lives in ``DIR/secrets/box.key``, or elsewhere
(``secret_path``): a disk that is stolen without it opens nothing.

The nonce (12 random bytes) stands before the ciphertext; the row's own name is authenticated with
it, so that a sealed password cannot be moved to another camera (NIST SP 800-38D).
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.base.errors import ApplianceError

KEY_BYTES = 32
NONCE_BYTES = 12


class Sealer:
    """Seals and opens small secrets. ``repr`` shows nothing."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def from_dir(cls, secrets_dir: Path) -> "Sealer":
        """Read ``box.key``, or make it (0600) on the first start."""
        path = secrets_dir / "box.key"
        if not path.exists():
            secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial = path.with_suffix(".new")
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
                os.fsync(file.fileno())
            partial.rename(path)
        return cls.from_file(path)

    @classmethod
    def from_file(cls, path: Path) -> "Sealer":
        """Read the key where the configuration says it lies (systemd: ``LoadCredentialEncrypted=box.key``
        and ``/run/credentials/appliance.service/box.key``). It is not made: a box that took a new key for
        a lost one would open nothing any more."""
        try:
            key = path.read_bytes()
        except OSError as error:
            raise ApplianceError(
                "unavailable",
                f"the box's secret key {path} cannot be read: {error.strerror}",
                "bring it back, or mend secret_path in appliance.toml",
                field="secret_path",
            ) from error
        if len(key) != KEY_BYTES:
            raise ApplianceError("data_loss", "the box's secret key is damaged", "restore it from a backup")
        return cls(key)

    def seal(self, plain: bytes, name: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """Raises ``data_loss`` where the key is not the one it was sealed with."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to be anything sealed
            raise ApplianceError(
                "data_loss", f"the secret of {name} cannot be opened with this box's key", "enter it again"
            ) from error
