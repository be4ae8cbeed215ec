"""Which files hold a stretch of time, closed ones and the open one alike."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from appliance.base.clock import SECOND_NS
from appliance.base.model import Segment
from appliance.media.play.layout import damaged, read_footer, read_start
from appliance.media.ring.index import Index, OpenSpan, Writing
from appliance.media.ring.segment import Key, Start
from appliance.media.ring.tiling import Layer, sweep
from appliance.media.ring.volumes import Volumes
from appliance.store import segments

LONGEST_SEGMENT_NS = 7200 * SECOND_NS  # bounds the walk of the index


class Part(NamedTuple):
    """One segment file; ``path`` None: its volume is not there. ``writer``: it is still open."""

    boot_id: str
    run_id: str
    sequence: int
    volume_id: str
    relative: str
    path: Path | None
    start_ns: int
    end_ns: int
    bytes_: int
    init_sha256: str
    time_unsure: bool
    writer: Writing | None

    @property
    def run(self) -> tuple[str, str]:
        return self.boot_id, self.run_id


class Piece(NamedTuple):
    """The time of a part that is seen: all of it but where a later pass covers it."""

    part: Part
    start_ns: int
    end_ns: int


def find(
    conn: sqlite3.Connection,
    volumes: Volumes,
    opened: list[OpenSpan],
    camera_id: str,
    stream: str,
    start_ns: int,
    end_ns: int,
) -> list[Part]:
    """Parts that share time with [start_ns, end_ns), lowest rank first.

    ``opened`` must have been read before ``conn``'s transaction began: a segment moves from there
    to the index, so that none is missed, and the one that is in both is taken from the index.
    """
    roots = {volume.id: volume.root for volume in volumes.all}
    rows = segments.overlapping(conn, camera_id, stream, start_ns, end_ns, LONGEST_SEGMENT_NS)
    parts = [of_row(row, roots.get(row.volume_id)) for row in rows]
    known = {(part.volume_id, part.relative) for part in parts}
    for span in opened:
        part = of_writer(span.writer)
        if (part.volume_id, part.relative) not in known and part.start_ns < end_ns and part.end_ns > start_ns:
            parts.append(part)
    # After a backward step of the clock both passes exist (R4): the one whose time is vouched for
    # is seen, else the later run; run ids sort by when they were made.
    parts.sort(key=lambda part: (not part.time_unsure, part.run_id, part.sequence))
    return parts


def of_row(row: Segment, root: Path | None) -> Part:
    return Part(
        row.boot_id, row.run_id, row.sequence, row.volume_id, row.path,
        root / row.path if root is not None else None,
        row.start_ns, row.end_ns, row.bytes_, row.init_sha256, bool(row.time_unsure), None,
    )  # fmt: skip


def of_writer(writer: Writing) -> Part:
    """Only what is written whole so far counts."""
    head, (size, end_ns) = writer.head, writer.progress
    return Part(
        head.boot_id, head.run_id, head.sequence, writer.volume_id, writer.relative, writer.path,
        head.start_ns, end_ns, size, writer.init_sha256, head.time_unsure, writer,
    )  # fmt: skip


def visible(parts: list[Part], start_ns: int, end_ns: int) -> list[Piece]:
    """By time, without overlap; ``parts`` as ``find`` ranks them."""
    layers = [Layer(part.start_ns, part.end_ns, part) for part in parts if part.start_ns < part.end_ns]
    return [
        Piece(piece.what, piece.start_ns, piece.end_ns)
        for piece in sweep(layers, start_ns, end_ns)
        if piece.what is not None
    ]


class Opened(NamedTuple):
    """A part whose file is open: its start, its key frames, and where its fragments end."""

    descriptor: int
    path: Path
    start: Start
    keys: list[Key]
    end: int


@contextmanager
def opened_part(part: Part) -> Iterator[Opened]:
    """Raises ``data_loss`` where the file is gone or does not begin like a segment."""
    if part.path is None:
        raise damaged(Path(part.relative))
    try:
        descriptor = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise damaged(part.path) from error
    try:
        start = read_start(descriptor, part.path)
        first = Key(part.start_ns, start.offset, 0)
        size = min(part.bytes_, os.fstat(descriptor).st_size)
        if part.writer is not None:
            yield Opened(descriptor, part.path, start, part.writer.keys or [first], size)
            return
        footer = read_footer(descriptor, part.bytes_) if size == part.bytes_ else None
        if footer is None:
            yield Opened(descriptor, part.path, start, [first], size)
        else:
            yield Opened(descriptor, part.path, start, footer[0].keys or [first], footer[1])
    except OSError as error:
        raise damaged(part.path) from error
    finally:
        os.close(descriptor)


def open_part(index: Index, camera_id: str, stream: str, boot: str, run: str, sequence: int) -> Part | None:
    """The open segment with this identity."""
    for span in index.open_spans(camera_id, stream):
        head = span.writer.head
        if (head.boot_id, head.run_id, head.sequence) == (boot, run, sequence):
            return of_writer(span.writer)
    return None
