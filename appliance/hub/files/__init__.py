"""Where files lie: a folder, or a bucket of any S3-compatible service, behind six verbs.

Objective: chunks and whole files under names; a name is written once, or again with the same bytes.
Invariants: what ``put`` and ``join`` have returned from is on stable storage; a reader sees all of a name's
bytes or none; nothing is held in memory but ``PIECE_BYTES`` and what an S3 part needs.
Non-goals: which names there are, whose they are and who may read them (``hub.store``); names are made by us
of checked ids and never of what a stranger wrote.
Read next: ``folder``, ``s3``.
"""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from appliance.base.errors import ApplianceError

PIECE_BYTES: Final = 256 << 10
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){1,4}/?")


class Files(Protocol):
    """Raises ``unavailable`` where the service does not answer, ``exhausted`` where the disk is full,
    ``not_found`` for a name that is not there."""

    kind: str

    async def put(self, name: str, data: bytes) -> None:
        """Write ``data``; the same name again is the same bytes again, and does no harm."""

    def read(self, name: str, offset_bytes: int, length_bytes: int) -> AsyncIterator[bytes]:
        """Pieces of that span; fewer bytes where the file ends before it does."""

    async def size_bytes(self, name: str) -> int | None:
        """None: there is no such file."""

    async def join(self, names: Sequence[str], whole: str) -> str:
        """Put the files ``names`` together to one named ``whole``, in bounded memory; its SHA-256, hex.
        ``whole`` counts for nothing until the caller has compared that."""

    async def delete(self, prefix: str) -> None:
        """All names that begin with ``prefix`` (a name, or a folder with its ``/``); none is no error."""

    async def probe(self) -> None:
        """Is it there, and can it be written? Leaves nothing behind."""


def checked(name: str) -> str:
    """The last net before a path or a key: ids were checked where they came in."""
    if _NAME.fullmatch(name) is None:
        raise ApplianceError(
            "internal", "a name for the store of files is not one", "this is a fault of ours"
        )
    return name
