"""The ledger of one stream: every moment without video has one cause (R4).

Only gaps are stored. A silence begins as ``no_video`` and is refined by the first failed
reconnect; a later change of cause splits the gap. Used by the stream's thread alone; the rows
go to appliance.db's writer, which never makes this thread wait (R9).
"""

import sqlite3
from collections.abc import Callable
from typing import Protocol

from appliance.base.model import Gap, GapCause
from appliance.store import gaps

Work = Callable[[sqlite3.Connection], None]


class Offer(Protocol):
    """``Database.offer``."""

    def __call__(self, work: Work, on_done: Callable[[bool], None] | None = None) -> bool: ...


class GapRows:
    """Gap rows on their way to appliance.db. None is forgotten because the queue is full, or
    because the database's own disk is: that is just when gaps begin.

    ``save`` and ``flush`` may be called from any thread: single dict operations, no lock (R9).
    """

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._waiting: dict[tuple[str, str, int, str], Gap] = {}
        self._busy = False

    def waiting(self) -> list[Gap]:
        """What the database may not have yet."""
        return list(self._waiting.values())

    def save(self, gap: Gap, boot_id: str) -> None:
        """``gap`` is new, or a newer state of one with the same start."""
        self._waiting[gap.camera_id, gap.stream, gap.start_ns, boot_id] = gap
        self.flush()

    def flush(self) -> None:
        """Offer what waits, unless it is on its way."""
        if self._busy or not self._waiting:
            return
        self._busy = True
        taken = dict(self._waiting)

        def write(conn: sqlite3.Connection) -> None:
            for key, gap in taken.items():
                gaps.put(conn, gap, key[3])

        def done(is_written: bool) -> None:
            if is_written:
                for key, gap in taken.items():
                    if self._waiting.get(key) is gap:
                        del self._waiting[key]
            self._busy = False
            if is_written:
                self.flush()

        if not self._offer(write, done):
            self._busy = False


class StreamLedger:
    """``open_gap`` is what recovery found at the end of the past, or the stream's beginning."""

    def __init__(self, offer: Offer, boot_id: str, open_gap: Gap) -> None:
        self._rows = GapRows(offer)
        self._boot_id = boot_id
        self._gap: Gap | None = open_gap
        self._refinable = open_gap.cause == "no_video"

    @property
    def gap(self) -> Gap | None:
        """The open gap, or None while video is recorded."""
        return self._gap

    def unsaved(self) -> list[Gap]:
        """The newest states of gaps that the database may not have yet."""
        return self._rows.waiting()

    def lost(self, camera_id: str, stream: str, start_ns: int, cause: GapCause) -> None:
        """Recording ended at ``start_ns``."""
        if self._gap is not None:
            self.refine(cause, start_ns)
            self._refinable = self._refinable or cause == "no_video"
            return
        self._gap = Gap(camera_id, stream, start_ns, None, cause)
        self._refinable = cause == "no_video"
        self._save(self._gap)

    def refine(self, cause: GapCause, now_ns: int) -> None:
        """We know better why, or the reason has changed."""
        self._rows.flush()
        gap = self._gap
        if gap is None or gap.cause == cause:
            return
        if self._refinable or now_ns <= gap.start_ns:
            self._gap = Gap(gap.camera_id, gap.stream, gap.start_ns, None, cause)
        else:
            self._save(Gap(gap.camera_id, gap.stream, gap.start_ns, now_ns, gap.cause))
            self._gap = Gap(gap.camera_id, gap.stream, now_ns, None, cause)
        self._refinable = False
        self._save(self._gap)

    def stepped(self, before_ns: int, now_ns: int) -> None:
        """The box clock went from ``before_ns`` to ``now_ns``: a gap that is open ends by the old
        clock, and what follows is told by the new one."""
        gap = self._gap
        if gap is None:
            return
        if now_ns >= before_ns:
            self.refine("clock_jump", max(before_ns, gap.start_ns))
            return
        self._save(Gap(gap.camera_id, gap.stream, gap.start_ns, max(before_ns, gap.start_ns), gap.cause))
        self._gap = Gap(gap.camera_id, gap.stream, now_ns, None, "clock_jump")
        self._refinable = False
        self._save(self._gap)

    def found(self, start_ns: int) -> None:
        """Recording goes on at ``start_ns``."""
        gap, self._gap = self._gap, None
        if gap is not None:
            self._save(Gap(gap.camera_id, gap.stream, gap.start_ns, max(start_ns, gap.start_ns), gap.cause))

    def close(self, now_ns: int) -> None:
        """The stream is taken away: its open gap ends now."""
        self.found(now_ns)

    def flush(self) -> None:
        """Rows that the database could not take are offered again; costs nothing without any."""
        self._rows.flush()

    def _save(self, gap: Gap) -> None:
        self._rows.save(gap, self._boot_id)
