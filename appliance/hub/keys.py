"""Secrets of the hub as a whole: the key that signs commands, shared by all instances.

It lies in the database, sealed with ``DIR/secrets/box.key``: whoever has only a copy of the database can
order nothing. Several instances need the same file there.
"""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.base.errors import ApplianceError
from appliance.hub.store import Store, kept
from appliance.store.sealing import Sealer
from appliance.sync.protocol import signing
from appliance.sync.protocol.command import Command, Signed

_NAME = "command key"


class CommandKey:
    """Ed25519 (RFC 8032). ``repr`` shows nothing."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        public = private.public_key().public_bytes_raw()
        self.public = base64.b64encode(public).decode()
        self.key_id = signing.key_id(public)

    def sign(self, command: Command) -> Signed:
        """As the box checks it."""
        return signing.sign_command(self._private, command)

    def sign_text(self, text: bytes) -> str:
        """Base64 of 64 bytes. ``text`` begins with the context of what is signed, which is no command's."""
        return base64.b64encode(self._private.sign(text)).decode()


async def command_key(store: Store, sealer: Sealer) -> CommandKey:
    """Made at the very first start; of two instances that start at once, one's. Raises ``data_loss``
    where this instance's ``box.key`` is not that of the others."""
    fresh = sealer.seal(Ed25519PrivateKey.generate().private_bytes_raw(), _NAME)
    sealed = await store.write(lambda: kept.keep(_NAME, fresh))
    try:
        return CommandKey(Ed25519PrivateKey.from_private_bytes(sealer.open(sealed, _NAME)))
    except ApplianceError as error:
        raise ApplianceError(
            "data_loss",
            "this hub's key does not open what its database holds",
            "give every instance the same secrets/box.key, the one of the first start",
        ) from error
