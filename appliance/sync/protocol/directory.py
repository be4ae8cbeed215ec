"""What things on a box are called: told when it changed, for people alone.

Each heartbeat says the digest of the box's directory. A hub that holds another one answers
``directory_wanted``, and the box sends all of it. A box of old says no digest and is not asked; a hub of old
asks for nothing, and its people read ids.
"""

import hashlib
from typing import Annotated

import msgspec

LONGEST_BYTES = 256_000  # as it is sent, unpacked
MOST_CAMERAS = 256
MOST_ZONES = MOST_RULES = 1_000
LONGEST_NAME = 100
DIGEST_LETTERS = 32

# On one line, and nothing that moves a cursor.
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$(?!\n)"
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=_PLAIN)]
Label = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME, pattern=_PLAIN)]


class NamedCamera(msgspec.Struct, frozen=True):
    """``streams``: those that are recorded, main | sub; none while ``enabled`` is false."""

    id: Id
    name: Label
    streams: Annotated[tuple[Id, ...], msgspec.Meta(max_length=8)] = ()
    enabled: bool = True


class NamedZone(msgspec.Struct, frozen=True):
    id: Id
    name: Label
    camera_id: Id


class NamedRule(msgspec.Struct, frozen=True):
    id: Id
    name: Label
    enabled: bool = True


class Directory(msgspec.Struct, frozen=True):
    """``name``: what the box calls its site. ``time_zone``: IANA name. ``cut``: there are more than fit."""

    name: Label
    time_zone: Label
    cameras: Annotated[tuple[NamedCamera, ...], msgspec.Meta(max_length=MOST_CAMERAS)] = ()
    zones: Annotated[tuple[NamedZone, ...], msgspec.Meta(max_length=MOST_ZONES)] = ()
    rules: Annotated[tuple[NamedRule, ...], msgspec.Meta(max_length=MOST_RULES)] = ()
    cut: bool = False


def digest(body: bytes) -> str:
    """Of the very bytes that are sent: both ends say the same, however they write JSON."""
    return hashlib.sha256(body).hexdigest()[:DIGEST_LETTERS]
