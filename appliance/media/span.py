"""Answers of the archive: which time is recorded, and clips cut from it."""

from collections.abc import AsyncIterator
from typing import Literal, Protocol

import msgspec

from appliance.base.model import GapCause


class Span(msgspec.Struct, frozen=True):
    """Half-open [start_ns, end_ns). ``cause`` is None where ``state`` is ``recorded``."""

    start_ns: int
    end_ns: int
    state: Literal["recorded", "gap"]
    cause: GapCause | None
    locked: bool = False
    time_unsure: bool = False


class Recordings(msgspec.Struct, frozen=True):
    """``spans`` tile [start_ns, end_ns) exactly (R4)."""

    spans: tuple[Span, ...]
    start_ns: int
    end_ns: int
    bytes_: int


class Clip(Protocol):
    """A progressive MP4 that is laid out but not yet read: its size is known before its bytes."""

    size_bytes: int
    start_ns: int  # of the key frame it begins with
    gaps: tuple[Span, ...]
    complete: bool  # False: footage inside was damaged, or is still being written
    etag: str

    def read(self, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from ``offset`` on, in pieces of at most 256 kB, read in a thread."""
