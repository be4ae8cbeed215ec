"""A file under a passphrase: scrypt (RFC 7914) makes the key, AES-256-GCM seals it in pieces.

    magic, length of the head (2 bytes), head (JSON), pieces: length (4 bytes), ciphertext with its tag

Each piece has a nonce of its own: 7 random bytes of the file, its number (4), whether it is the last (1):
the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO 2015), so that no piece can be left out,
moved or cut off unseen. The head is authenticated with each.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from typing import Annotated, BinaryIO, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.base.errors import ApplianceError, invalid

MAGIC = b"ARIES-SEALED-1\n"
PIECE_BYTES = 1 << 20
TAG_BYTES = 16
SHORTEST_PASSPHRASE = 10
COST_N, COST_R, COST_P = 1 << 17, 8, 1  # 128 MiB and about half a second: a guess costs as much
_LENGTH = struct.Struct(">I")
_HEAD_LENGTH = struct.Struct(">H")


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``n`` is bounded: a stranger's file must not ask for all of the memory."""

    salt: bytes
    nonce: bytes
    n: Annotated[int, msgspec.Meta(ge=2, le=1 << 20)] = COST_N
    r: Annotated[int, msgspec.Meta(ge=1, le=16)] = COST_R
    p: Annotated[int, msgspec.Meta(ge=1, le=4)] = COST_P


def check_strength(passphrase: str) -> None:
    """Raises ``invalid``."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        text = f"a passphrase has at least {SHORTEST_PASSPHRASE} characters"
        raise invalid(text, "three or four unrelated words do well", field="passphrase")


class Sink(Protocol):
    """What sealed bytes go to."""

    def write(self, data: bytes, /) -> int: ...


def seal(source: BinaryIO, target: Sink, passphrase: str, *, cost_n: int = COST_N) -> None:
    """Write what ``source`` holds to ``target``, sealed. Raises ``invalid`` for a weak passphrase."""
    check_strength(passphrase)
    head = Head(os.urandom(16), os.urandom(7), cost_n)
    text = msgspec.json.encode(head)
    cipher = AESGCM(_key(passphrase, head))
    target.write(MAGIC + _HEAD_LENGTH.pack(len(text)) + text)
    piece = source.read(PIECE_BYTES)
    number = 0
    while True:
        following = source.read(PIECE_BYTES)
        sealed = cipher.encrypt(_nonce(head, number, last=not following), piece, MAGIC + text)
        target.write(_LENGTH.pack(len(sealed)) + sealed)
        if not following:
            return
        piece, number = following, number + 1


def open_sealed(source: BinaryIO, target: BinaryIO, passphrase: str) -> None:
    """Raises ``denied`` for another passphrase, ``data_loss`` for a file that is cut short or changed; what
    was written to ``target`` until then is worth nothing."""
    head, text = _read_head(source)
    cipher = AESGCM(_key(passphrase, head))
    for number, (sealed, last) in enumerate(_pieces(source)):
        try:
            target.write(cipher.decrypt(_nonce(head, number, last=last), sealed, MAGIC + text))
        except InvalidTag:
            if number == 0:
                raise ApplianceError(
                    "denied", "the passphrase is another one, or the file was changed", "type it again"
                ) from None
            raise _damaged() from None


def is_sealed(source: BinaryIO) -> bool:
    """Looks at the first bytes, and goes back to where it was."""
    at = source.tell()
    found = source.read(len(MAGIC)) == MAGIC
    source.seek(at)
    return found


def _read_head(source: BinaryIO) -> tuple[Head, bytes]:
    try:
        if source.read(len(MAGIC)) != MAGIC:
            raise ValueError("another magic")
        (length,) = _HEAD_LENGTH.unpack(source.read(_HEAD_LENGTH.size))
        text = source.read(length)
        head = msgspec.json.decode(text, type=Head)
        if len(head.nonce) != 7 or head.n & (head.n - 1):
            raise ValueError("no head of ours")
    except (ValueError, struct.error, msgspec.MsgspecError):
        raise invalid("this is not a file that a box sealed", "name a backup of a box") from None
    return head, text


def _pieces(source: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    sealed = _piece(source)
    if sealed is None:
        raise _damaged()
    while True:
        following = _piece(source)
        yield sealed, following is None
        if following is None:
            return
        sealed = following


def _piece(source: BinaryIO) -> bytes | None:
    """None at the end. Raises ``data_loss`` where it is torn."""
    length = source.read(_LENGTH.size)
    if not length:
        return None
    if len(length) < _LENGTH.size:
        raise _damaged()
    (size,) = _LENGTH.unpack(length)
    if not TAG_BYTES <= size <= PIECE_BYTES + TAG_BYTES:
        raise _damaged()
    sealed = source.read(size)
    if len(sealed) < size:
        raise _damaged()
    return sealed


def _key(passphrase: str, head: Head) -> bytes:
    memory = 132 * head.n * head.r * head.p  # OpenSSL wants 128 and some
    return hashlib.scrypt(
        passphrase.encode(), salt=head.salt, n=head.n, r=head.r, p=head.p, dklen=32, maxmem=memory + (1 << 20)
    )


def _nonce(head: Head, number: int, *, last: bool) -> bytes:
    return head.nonce + _LENGTH.pack(number) + bytes([last])


def _damaged() -> ApplianceError:
    return ApplianceError("data_loss", "this backup is damaged or cut short", "use another backup")
