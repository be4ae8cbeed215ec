"""Signing and checking: Ed25519 (RFC 8032) over the very bytes that travel.

Both ends use this, so that what one signs the other checks. A signature has exactly one spelling here:
base64 with other bits in its last letter, which decoders take for the same, is refused.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from appliance.base.errors import ApplianceError
from appliance.sync.protocol.command import CONTEXT, LONGEST_PAYLOAD_BYTES, Command, Signed

KEY_BYTES = 32
SIGNATURE_BYTES = 64


def key_id(public_key: bytes) -> str:
    """The first 16 hex digits of the key's SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def public_bytes(private: Ed25519PrivateKey) -> bytes:
    """The public half, 32 bytes."""
    form = serialization.PublicFormat.Raw
    return private.public_key().public_bytes(serialization.Encoding.Raw, form)


def sign_command(private: Ed25519PrivateKey, command: Command) -> Signed:
    """For the hub. Raises ``invalid`` where the order is longer than a box reads."""
    payload = msgspec.json.encode(command)
    if len(payload) > LONGEST_PAYLOAD_BYTES:
        raise ApplianceError("invalid", "this order is too long", "ask for less at a time", field="body")
    signature = base64.b64encode(private.sign(CONTEXT + payload)).decode()
    return Signed(payload.decode(), signature, key_id(public_bytes(private)))


def verify_command(signed: Signed, keys: Mapping[str, bytes]) -> Command:
    """What was signed by one of ``keys`` (key id -> 32 bytes). Raises ``denied``: it was not; ``invalid``:
    it was, and is no order all the same."""
    public_key = keys.get(signed.key_id)
    if public_key is None:
        raise ApplianceError("denied", "it is signed with a key that is not this box's hub's")
    payload = signed.payload.encode(errors="surrogatepass")
    if len(payload) > LONGEST_PAYLOAD_BYTES:
        raise ApplianceError("denied", "it is longer than any order")
    if not verified(public_key, signed.signature, CONTEXT + payload):
        raise ApplianceError("denied", "its signature does not fit")
    try:
        return msgspec.json.decode(payload, type=Command)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ApplianceError("invalid", "it is signed, but is no order that this box can read") from None


def verified(public_key: bytes, signature: str, text: bytes) -> bool:
    """Whether ``signature`` (base64, in its one spelling) is of ``text``."""
    try:
        raw = decoded(signature, SIGNATURE_BYTES)
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def decoded(text: str, length_bytes: int) -> bytes:
    """Base64 of exactly so many bytes, padded, in its one spelling. Raises ``ValueError``."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(raw) != length_bytes or base64.b64encode(raw).decode() != text:
        raise ValueError("not the one spelling of so many bytes")
    return raw
