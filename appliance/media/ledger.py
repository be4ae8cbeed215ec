"""The ledger of one stream: every moment without video has one cause (R4).

Only gaps are stored. A silence begins as ``no_video`` and is refined by the first failed
reconnect; a later change of cause splits the gap. Used by the stream's thread alone; the rows
go to appliance.db's writer, which never makes this thread wait (R9).
"""

import sqlite3
from collections.abc import Callable

from appliance.base.model import Gap, GapCause
from appliance.store import gaps

Offer = Callable[[Callable[[sqlite3.Connection], None]], bool]


class StreamLedger:
    """``open_gap`` is what recovery found at the end of the past, or the stream's beginning."""

    def __init__(self, offer: Offer, boot_id: str, open_gap: Gap) -> None:
        self._offer = offer
        self._boot_id = boot_id
        self._gap: Gap | None = open_gap
        self._refinable = open_gap.cause == "no_video"
        self._unsaved: list[Gap] = []

    @property
    def gap(self) -> Gap | None:
        """The open gap, or None while video is recorded."""
        return self._gap

    def lost(self, camera_id: str, stream: str, start_ns: int, cause: GapCause) -> None:
        """Recording ended at ``start_ns``."""
        if self._gap is not None:
            self.refine(cause, start_ns)
            return
        self._gap = Gap(camera_id, stream, start_ns, None, cause)
        self._refinable = cause == "no_video"
        self._save(self._gap)

    def refine(self, cause: GapCause, now_ns: int) -> None:
        """We know better why, or the reason has changed."""
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

    def found(self, start_ns: int) -> None:
        """Recording goes on at ``start_ns``."""
        gap, self._gap = self._gap, None
        if gap is not None:
            self._save(Gap(gap.camera_id, gap.stream, gap.start_ns, max(start_ns, gap.start_ns), gap.cause))

    def close(self, now_ns: int) -> None:
        """The stream is taken away: its open gap ends now."""
        self.found(now_ns)

    def _save(self, gap: Gap) -> None:
        self._unsaved.append(gap)
        waiting = tuple(self._unsaved)

        def write(connection: sqlite3.Connection) -> None:
            for one in waiting:
                gaps.put(connection, one, self._boot_id)

        if self._offer(write):
            self._unsaved.clear()
