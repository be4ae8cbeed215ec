"""Identifiers: UUIDv7 (RFC 9562, section 5.7) and slugs."""

import os
import re
import unicodedata
import uuid

from appliance.base.clock import MS_NS

SLUG = re.compile(r"[a-z0-9-]{1,63}")


def uuid7(time_ns: int) -> str:
    """A UUIDv7: sorts by the millisecond it was made in; 74 random bits."""
    ms = (time_ns // MS_NS) & ((1 << 48) - 1)
    random = int.from_bytes(os.urandom(10), "big")
    value = ms << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & ((1 << 62) - 1)
    return str(uuid.UUID(int=value & ((1 << 128) - 1)))


def made_ns(id_: str) -> int:
    """When a UUIDv7 was made, to the millisecond."""
    return (uuid.UUID(id_).int >> 80) * MS_NS


def slug(name: str) -> str:
    """``Loading bay 2`` -> ``loading-bay-2``; ``camera`` where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:58].strip("-") or "camera"


def free_slug(name: str, taken: set[str]) -> str:
    """The slug of ``name``, with ``-2``, ``-3`` ... behind it while that is taken."""
    first = slug(name)
    candidate, number = first, 1
    while candidate in taken:
        number += 1
        candidate = f"{first}-{number}"
    return candidate
