"""From volume threads to the index: rows of closed segments, and what is still open.

The archive's queue is bounded and never waits (R9): a row that finds it full stays here and is
offered again with the next one. After a crash recovery makes it from the file.
"""

import sqlite3
from pathlib import Path
from typing import NamedTuple, Protocol

from appliance.base.model import Segment
from appliance.media.ring.segment import Head, Key, SegmentWriter
from appliance.store import segments
from appliance.store.database import Database


class Writing(Protocol):
    """A segment that is not in the index, as readers see it: here its ``SegmentWriter``, in another process
    what its file says (``unindexed``)."""

    @property
    def head(self) -> Head: ...

    @property
    def volume_id(self) -> str: ...

    @property
    def relative(self) -> str: ...

    @property
    def path(self) -> Path: ...

    @property
    def init_sha256(self) -> str: ...

    @property
    def keys(self) -> list[Key]:
        """So far; a copy, for readers in other threads."""

    @property
    def progress(self) -> tuple[int, int]:
        """(bytes, end_ns) of what is whole, as one."""

    @property
    def row(self) -> Segment | None:
        """Once it is closed."""


class OpenSpan(NamedTuple):
    """Footage that is in a file but not yet in the index."""

    camera_id: str
    stream: str
    start_ns: int
    end_ns: int
    writer: Writing


class Index:
    """``opened`` is called by stream threads, ``closed`` by volume threads: single dict and deque
    operations, no lock."""

    def __init__(self, archive_db: Database) -> None:
        self._db = archive_db
        self._writers: dict[str, SegmentWriter] = {}
        self._rows: dict[str, Segment] = {}
        self._offered: set[str] = set()

    def opened(self, writer: SegmentWriter) -> None:
        self._writers[str(writer.path)] = writer

    def dropped(self, writer: SegmentWriter) -> None:
        """The file turned out to hold nothing."""
        self._writers.pop(str(writer.path), None)

    def closed(self, row: Segment, path: str) -> None:
        self._rows[path] = row
        self.flush()

    def flush(self) -> None:
        for path, row in list(self._rows.items()):
            if path in self._offered:
                continue  # a row that is written twice could come back behind its own deletion

            def write(conn: sqlite3.Connection, row: Segment = row) -> None:
                segments.put(conn, row)

            def done(is_written: bool, path: str = path) -> None:
                # Only now: a reader sees the segment here or in the index, for a moment in both.
                if is_written:
                    self._rows.pop(path, None)
                    self._writers.pop(path, None)
                self._offered.discard(path)

            self._offered.add(path)
            if not self._db.offer(write, done):
                self._offered.discard(path)
                return

    def open_spans(self, camera_id: str, stream: str) -> list[OpenSpan]:
        """What ``segments`` does not have yet; may overlap with a row that was just written."""
        spans = []
        for writer in list(self._writers.values()):
            head = writer.head
            if (head.camera_id, head.stream) == (camera_id, stream) and writer.frames:
                spans.append(OpenSpan(camera_id, stream, head.start_ns, writer.end_ns, writer))
        return sorted(spans, key=lambda span: span.start_ns)

    def is_open(self, path: str) -> bool:
        return path in self._writers
