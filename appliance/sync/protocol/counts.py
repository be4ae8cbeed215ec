"""Reconciliation: do both ends have the same? Told by day and kind, in a few hundred bytes.

The digest of a day's rows is the sum of their ids' digests: order does not matter, and SQL can sum it.
Where a day's figures differ, the box asks which of its acknowledged ids the hub does not have, and owes
those again.
"""

import hashlib

import msgspec

DIGEST_BITS = 40  # 8 million rows of a day and kind still sum up within 63 bits
MOST_ASKED = 1_000


def digest(row_id: str) -> int:
    """The first ``DIGEST_BITS`` of the id's SHA-256."""
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[: DIGEST_BITS // 8])


class Bucket(msgspec.Struct, frozen=True):
    """``day``: YYYY-MM-DD, UTC, of ``created_at`` as the box said it. ``kind``: as the row came, so a
    tombstone's is tombstone. Of files only those that are complete count."""

    kind: str
    day: str
    count: int
    digest: int


class Counts(msgspec.Struct, frozen=True):
    buckets: list[Bucket]


class Missing(msgspec.Struct, frozen=True):
    """Asked with ids that the box believes acknowledged (at most ``MOST_ASKED``); answered with those
    that the hub does not have."""

    ids: list[str]
