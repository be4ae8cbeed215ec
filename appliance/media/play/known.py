"""What the box knows of one stream around a stretch of time: files, ledger, locks."""

import sqlite3

from appliance.base.clock import MS_NS, SECOND_NS
from appliance.base.model import Camera, Gap, Lock
from appliance.media.play import footage
from appliance.media.play.footage import Part, Piece
from appliance.media.ring.index import OpenSpan
from appliance.media.ring.tiling import Layer, Recorded, tile
from appliance.media.ring.volumes import Volumes
from appliance.media.span import Span
from appliance.store import cameras, gaps, locks, segments

MARGIN_NS = 600 * SECOND_NS  # a hole at the edge of a question is judged by what lies beyond it
SILENCE_NS = 4 * SECOND_NS  # a read timeout: before it has passed nobody knows of a gap


class Known:
    """All that the box knows of one stream around [start_ns, end_ns), read at ``now_ns``."""

    def __init__(self, start_ns: int, end_ns: int, now_ns: int) -> None:
        self.start_ns, self.end_ns, self.now_ns = start_ns, end_ns, now_ns
        self.open_gap: Gap | None = None
        self.unsaved: list[Gap] = []
        self.opened: list[OpenSpan] = []
        self.exists_ns: int | None = None
        self._parts: list[Part] = []
        self._gaps: list[Gap] = []
        self._locks: list[Lock] = []

    def load_ledger(self, conn: sqlite3.Connection, camera_id: str, stream: str) -> Camera | None:
        found = {gap.start_ns: gap for gap in gaps.overlapping(conn, camera_id, stream, *self._wide())}
        found |= {gap.start_ns: gap for gap in self.unsaved}
        self._locks = locks.overlapping(conn, camera_id, self.start_ns, self.end_ns)
        self._begins(gaps.first_start_ns(conn, camera_id, stream))
        if self.open_gap is not None:
            found[self.open_gap.start_ns] = self.open_gap
            self._begins(self.open_gap.start_ns)
        self._gaps = list(found.values())
        return cameras.get(conn, camera_id)

    def load_index(self, conn: sqlite3.Connection, volumes: Volumes, camera_id: str, stream: str) -> None:
        self._parts = footage.find(conn, volumes, self.opened, camera_id, stream, *self._wide())
        self._begins(segments.first_start_ns(conn, camera_id, stream))
        for span in self.opened:
            self._begins(span.start_ns)

    def _begins(self, time_ns: int | None) -> None:
        if time_ns is not None:
            self.exists_ns = time_ns if self.exists_ns is None else min(self.exists_ns, time_ns)

    def _wide(self) -> tuple[int, int]:
        return self.start_ns - MARGIN_NS, self.end_ns + MARGIN_NS

    def is_running(self, part: Part) -> bool:
        """It is being written now: up to a read timeout of silence does not show yet."""
        writer = part.writer
        running = writer is not None and writer.row is None and self.open_gap is None
        return running and 0 <= self.now_ns - part.end_ns < SILENCE_NS

    def pieces(self) -> list[Piece]:
        """What is seen of [start_ns, end_ns), by time."""
        return footage.visible(self._parts, self.start_ns, self.end_ns)

    def spans(self) -> tuple[Span, ...]:
        """Of [start_ns, end_ns)."""
        recorded = [
            Layer(
                part.start_ns,
                self.now_ns if self.is_running(part) else part.end_ns,
                Recorded(part.run, part.time_unsure),
            )
            for part in self._parts
        ]
        people = [lock for lock in self._locks if lock.owner == "person"]
        return tile(
            recorded, self._gaps, people, self.start_ns, self.end_ns, self.exists_ns, margin_ns=MARGIN_NS
        )

    def settled(self, end_ns: int) -> bool:
        """Nothing will be added to [start_ns, end_ns) any more."""
        if end_ns > self.now_ns:
            return False
        return not any(self.is_running(part) and part.end_ns + MS_NS < end_ns for part in self._parts)

    def fingerprint(self, end_ns: int) -> tuple[object, ...]:
        """Equal where a clip of [start_ns, end_ns) would be equal."""
        parts = [(p.volume_id, p.relative, p.bytes_, p.writer is None) for p in self._parts]
        return (*parts, *self._gaps, self.settled(end_ns))
