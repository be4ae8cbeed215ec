"""Questions about the past: what is recorded, clips, playlists, locks, the GOP of a moment.

Everything here blocks in threads of its own: a disk that hangs stops playback, and nothing else.
"""

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol, TypeVar, cast

from appliance.base.clock import MS_NS, SECOND_NS, Clock, rfc3339
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.ids import uuid7
from appliance.base.model import Gap, Lock
from appliance.media.play import footage, hls, packets
from appliance.media.play.clip import Builder, ClipFile
from appliance.media.play.footage import Piece
from appliance.media.play.known import SILENCE_NS, Known
from appliance.media.play.moment import FrameSource, frame_source
from appliance.media.play.packets import Packets
from appliance.media.ring import days
from appliance.media.ring.index import Index
from appliance.media.ring.volumes import Volumes
from appliance.media.span import Clip, Recordings, Span
from appliance.store import cameras, locks, segments
from appliance.store.database import Database

T = TypeVar("T")

LONGEST_CLIP_NS = 24 * 3600 * SECOND_NS
CACHED_CLIPS = 8
THREADS = 4


class Streams(Protocol):
    """The recorder, as far as the past needs it."""

    def gap(self, camera_id: str, stream: str) -> Gap | None:
        """The gap that is open now; the ledger's row may lag behind it."""

    def unsaved_gaps(self, camera_id: str, stream: str) -> list[Gap]:
        """Newest states of gaps that the database may not have yet."""


class Ledgers:
    """``Streams`` where nothing is recording: the commands beside the daemon."""

    def gap(self, camera_id: str, stream: str) -> Gap | None:
        return None

    def unsaved_gaps(self, camera_id: str, stream: str) -> list[Gap]:
        return []


class Archive:
    """``clock`` and all times are the box clock's. ``streams`` is the recorder."""

    def __init__(
        self,
        db: Database,
        archive_db: Database,
        volumes: Volumes,
        index: Index,
        clock: Clock,
        streams: Streams | None = None,
    ) -> None:
        self._db, self._archive_db = db, archive_db
        self._volumes, self._index, self._clock = volumes, index, clock
        self._streams: Streams = streams or Ledgers()
        self._pool = ThreadPoolExecutor(THREADS, "archive")
        self._clips: OrderedDict[object, ClipFile] = OrderedDict()

    def close(self) -> None:
        """Does not wait for a disk that hangs."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def recordings(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> Recordings:
        """What is there of [start_ns, end_ns), cut off at now. Raises ``not_found``, ``invalid``."""
        known = await self._known(camera_id, stream, start_ns, end_ns)
        spans, size = await self._run(lambda: (known.spans(), _bytes(known)))
        return Recordings(spans, known.start_ns, known.end_ns, size)

    async def clip(
        self, camera_id: str, stream: str, start_ns: int, end_ns: int, *, as_of_ns: int = 0
    ) -> ClipFile:
        """Laid out, not read. From the last key frame at or before ``start_ns`` where that moment
        is recorded, else from the first one behind it; frames shown at ``end_ns`` or later are out.
        ``as_of_ns``: a time that the clock had reached once, before it was set back.

        Raises ``not_found`` where nothing is recorded, ``conflict`` where the parameters change
        (the hint names the points), ``invalid`` for more than a day.
        """
        if end_ns - start_ns > LONGEST_CLIP_NS:
            raise invalid("a clip is at most 24 hours long", "ask for several clips", field="end_time")
        known = await self._known(camera_id, stream, start_ns, end_ns, as_of_ns)
        key = (camera_id, stream, start_ns, end_ns, known.fingerprint(end_ns))
        if key in self._clips:
            self._clips.move_to_end(key)
            return self._clips[key]
        made = await self._run(lambda: self._lay_out(camera_id, known, end_ns))
        self._clips[key] = made
        while len(self._clips) > CACHED_CLIPS:
            self._clips.popitem(last=False)
        return made

    def drop(self, clip: Clip) -> None:
        """It could not be read: whoever asks again gets what is there now."""
        for key in [key for key, made in self._clips.items() if made is clip]:
            del self._clips[key]

    def _lay_out(self, camera_id: str, known: Known, end_ns: int) -> ClipFile:
        builder = Builder(known.start_ns, end_ns)
        for piece in _without_sliver(known.pieces()):
            builder.add(piece)
        builder.check()
        lost = [self._lost(piece) for piece in builder.damaged]
        if builder.frames == 0:
            raise nothing_recorded(camera_id, known.start_ns, end_ns, damaged=bool(lost))
        found = [span for span in known.spans() if span.state == "gap"]
        merged = tuple(sorted(found + lost, key=lambda span: span.start_ns))
        complete = not any(span.cause == "damaged" for span in merged) and known.settled(end_ns)
        return ClipFile(builder, merged, complete, self._pool)

    def _lost(self, piece: Piece) -> Span:
        part = piece.part
        row = self._archive_db.read_now(lambda c: segments.by_path(c, part.volume_id, part.relative))
        cause: Literal["expired", "damaged"] = "damaged" if row or part.writer else "expired"
        return Span(piece.start_ns, piece.end_ns, "gap", cause)

    async def playlist(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> str:
        """HLS (RFC 8216) over the segment files; URIs are relative to the camera's own.

        Without an end tag while ``end_ns`` lies ahead. Raises ``not_found`` as ``clip`` does.
        """
        known = await self._known(camera_id, stream, start_ns, end_ns)
        is_growing = end_ns > known.now_ns
        text = await self._run(lambda: hls.playlist(known.pieces(), stream, start_ns, end_ns, is_growing))
        if text is None:
            raise nothing_recorded(camera_id, start_ns, end_ns)
        return text

    async def file(self, camera_id: str, stream: str, key: str) -> Path:
        """The segment that a playlist calls ``key``: looked up in the index, never made a path.

        Raises ``not_found``.
        """
        boot, run, sequence = hls.parse_key(key)
        opened = footage.open_part(self._index, camera_id, stream, boot, run, sequence)
        if opened is not None and opened.path is not None:
            return opened.path
        row = await self._archive_db.read(
            lambda conn: segments.by_identity(conn, camera_id, stream, boot, run, sequence)
        )
        volume = self._volumes.by_id(row.volume_id) if row else None
        if row is None or volume is None:
            raise not_found("segment", key[:200])
        return volume.root / row.path

    async def frame_source(self, camera_id: str, stream: str, time_ns: int) -> FrameSource:
        """The GOP up to the frame that is shown at ``time_ns``. Raises ``not_found``."""
        known = await self._known(camera_id, stream, time_ns - SILENCE_NS, time_ns + 1)
        pieces = known.pieces()
        piece = pieces[-1] if pieces else None
        if piece is None or (piece.end_ns <= time_ns and not known.is_running(piece.part)):
            raise nothing_recorded(camera_id, time_ns, time_ns)
        return await self._run(lambda: frame_source(piece, time_ns))

    async def packets(
        self, camera_id: str, stream: str, start_ns: int, end_ns: int
    ) -> AsyncIterator[Packets]:
        """What is recorded of [start_ns, end_ns), read as it is asked for; damaged footage is passed
        over. Raises ``not_found`` where there is no such stream."""
        known = await self._known(camera_id, stream, start_ns, end_ns)
        source = packets.read(known.pieces())
        while (some := await self._run(lambda: next(source, None))) is not None:
            yield some

    async def lock(
        self, camera_id: str, start_ns: int, end_ns: int, reason: str, owner: str, owner_id: str
    ) -> tuple[Lock, float]:
        """Keep [start_ns, end_ns) of all streams of a camera from retention (R6).

        Returns the lock and how many days the ring still holds. Raises ``invalid``, ``not_found``.
        """
        if end_ns <= start_ns:
            raise invalid("the end lies before the start", "swap them", field="end_time")
        if owner not in ("person", "event", "outbox"):
            raise invalid(f"{owner!r} cannot own a lock", "person, event or outbox", field="owner")
        now_ns = self._clock.now_ns()
        made = Lock(
            uuid7(now_ns), camera_id, start_ns, end_ns, reason,
            cast(Literal["person", "event", "outbox"], owner), owner_id, now_ns,
        )  # fmt: skip

        def write(conn: sqlite3.Connection) -> list[Lock]:
            if cameras.get(conn, camera_id) is None:
                raise not_found("camera", camera_id)
            locks.insert(conn, made)
            return locks.every(conn)

        every = await self._db.write(write)
        return made, await self._run(
            lambda: self._archive_db.read_now(lambda c: days.days(c, self._volumes, every, now_ns))
        )

    async def unlock(self, lock_id: str) -> None:
        """Raises ``not_found``."""
        if not await self._db.write(lambda conn: locks.delete(conn, lock_id)):
            raise not_found("lock", lock_id)

    async def _known(
        self, camera_id: str, stream: str, start_ns: int, end_ns: int, as_of_ns: int = 0
    ) -> Known:
        if end_ns <= start_ns:
            raise invalid("the end lies before the start", "swap them", field="end_time")
        now_ns = max(self._clock.now_ns(), as_of_ns)
        known = Known(start_ns, max(start_ns, min(end_ns, now_ns)), now_ns)
        # Before the databases are read: what moves into them meanwhile is then seen twice, not lost.
        known.unsaved = self._streams.unsaved_gaps(camera_id, stream)
        known.open_gap = self._streams.gap(camera_id, stream)
        known.opened = self._index.open_spans(camera_id, stream)
        camera = await self._db.read(lambda conn: known.load_ledger(conn, camera_id, stream))
        await self._archive_db.read(lambda conn: known.load_index(conn, self._volumes, camera_id, stream))
        if camera is None:
            raise not_found("camera", camera_id)
        has_stream = stream == "main" or (stream == "sub" and camera.sub_url is not None)
        if not has_stream and (stream != "sub" or known.exists_ns is None):
            raise not_found("stream", stream)
        return known

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def nothing_recorded(camera_id: str, start_ns: int, end_ns: int, *, damaged: bool = False) -> ApplianceError:
    when = rfc3339(start_ns) if start_ns == end_ns else f"between {rfc3339(start_ns)} and {rfc3339(end_ns)}"
    if damaged:
        return ApplianceError(
            "data_loss", f"the footage of {camera_id} {when} is damaged", "run `appliance check`"
        )
    return ApplianceError(
        "not_found", f"nothing of {camera_id} is recorded {when}", "its recordings show what is"
    )


def _bytes(known: Known) -> int:
    """Of the files, by the share of their time that lies inside."""
    total = 0
    for piece in known.pieces():
        length_ns = max(1, piece.part.end_ns - piece.part.start_ns)
        total += piece.part.bytes_ * (piece.end_ns - piece.start_ns) // length_ns
    return total


def _without_sliver(pieces: list[Piece]) -> list[Piece]:
    """We say times in milliseconds, rounded down: from the split point that ``conflict`` named, up to one
    of the part before it is still inside, and is not what was asked for."""
    if len(pieces) > 1 and pieces[0].part.init_sha256 != pieces[1].part.init_sha256:
        return pieces[1:] if pieces[0].end_ns - pieces[0].start_ns < MS_NS else pieces
    return pieces
