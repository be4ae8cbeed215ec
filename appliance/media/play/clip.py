"""A clip: one progressive MP4 over many segment files, laid out from their sample tables.

Nothing is re-encoded and nothing is copied until it is read: the layout holds where each sample
lies, so that the size is known before the first byte, and any range can be asked for. The
timeline keeps wall time: over a gap the last frame before it stands still.
Boxes: ISO/IEC 14496-12, 8.6 (time), 8.7 (where samples lie).
"""

import asyncio
import hashlib
import os
import struct
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from itertools import groupby
from pathlib import Path

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from appliance.media.fragment import AUDIO_TRACK, TIMESCALE, VIDEO_TRACK
from appliance.media.mp4 import boxes
from appliance.media.mp4.fragmenter import ns_from_90k
from appliance.media.play.clip_tables import AudioTables, VideoTables
from appliance.media.play.footage import Opened, Piece, opened_part
from appliance.media.play.layout import Init, Layout, damaged, key_before, parse_init, read_layout
from appliance.media.ring.scan import AudioRun
from appliance.media.span import Span

PIECE_BYTES = 256 * 1024
AUDIO_LATE_90K = TIMESCALE  # sound lies in the file behind the picture it belongs to
_FTYP = boxes.box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isom", b"iso6", b"mp41")


class Split(ApplianceError):
    """The parameters change inside, at ``at_ns``: no clip of one track can be made of it."""

    def __init__(self, at_ns: list[int], points: str) -> None:
        hint = f"ask for one clip per part, split at {points}"
        super().__init__("conflict", f"the video's parameters change at {points}", hint)
        self.at_ns = tuple(at_ns)


class ClipFile:
    """``media.span.Clip``. ``read`` may be called again, also by several at once."""

    def __init__(self, builder: "Builder", gaps: tuple[Span, ...], complete: bool, pool: Executor) -> None:
        self._pool = pool
        self._front = builder.front()
        self._files = builder.files
        self._firsts = builder.firsts
        self._out = builder.out
        self._at = builder.at
        self.size_bytes = len(self._front) + builder.data_bytes
        self.start_ns = builder.base_ns
        self.gaps = gaps
        self.complete = complete
        # Of the tables and the files' names: an open segment that is closed meanwhile changes
        # nothing of what was laid out, so that a player's Range requests go on.
        names = "\n".join(str(path) for path in self._files)
        self.etag = hashlib.sha256(self._front + names.encode()).hexdigest()[:32]

    async def read(self, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Raises ``data_loss`` where footage vanished (retention) or cannot be read any more."""
        end = self.size_bytes if length is None else min(self.size_bytes, offset + length)
        at = max(0, offset)
        loop = asyncio.get_running_loop()
        while at < end:
            if at < len(self._front):
                piece = self._front[at : min(end, at + PIECE_BYTES)]
            else:
                inside = at - len(self._front)
                most = min(PIECE_BYTES, end - at)
                piece = await loop.run_in_executor(self._pool, self._piece, inside, most)
            at += len(piece)
            yield piece

    def _piece(self, at: int, most: int) -> bytes:
        """Up to ``most`` bytes of the mdat from ``at`` on: neighbouring samples in one read."""
        first = bisect_right(self._out, at) - 1
        number = bisect_right(self._firsts, first) - 1
        last = bisect_left(self._out, at + most)  # behind the last sample that is touched
        if number + 1 < len(self._firsts):
            last = min(last, self._firsts[number + 1])
        skip = at - self._out[first]
        begin = self._at[first] + skip
        until = min(self._out[last], at + most)
        end = self._at[last - 1] + until - self._out[last - 1]
        data = memoryview(_pread(self._files[number], begin, end - begin))
        if last - first == 1:
            return bytes(data)
        parts = []
        for sample in range(first, last):
            start = self._at[sample] - begin if sample > first else 0
            stop = self._at[sample] + min(self._out[sample + 1], until) - self._out[sample] - begin
            parts.append(data[start:stop])
        return b"".join(parts)


def _pread(path: Path, at: int, size: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(descriptor, size, at)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise damaged(path) from error
    if len(data) != size:
        raise damaged(path)
    return data


class Builder:
    """Takes pieces in order of time, then makes the tables. Blocks: use it in a thread."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self._start_ns, self._end_ns = start_ns, end_ns
        self.base_ns = start_ns  # wall time of tick 0 of the clip
        self.files: list[Path] = []
        self.firsts: list[int] = []  # the first extent of each file
        self.out = array("Q", [0])  # where each extent begins in the mdat; the last is its size
        self.at = array("Q")  # ... and in its file
        self.damaged: list[Piece] = []
        self._init: Init | None = None
        self._init_sha256 = ""
        self._with_audio = True
        self._splits: list[int] = []
        self._video = VideoTables()
        self._audio = AudioTables()
        self._last: Piece | None = None
        self._chunks: list[tuple[int, int, int]] = []  # track, samples, where in the mdat

    @property
    def data_bytes(self) -> int:
        return self.out[-1]

    @property
    def frames(self) -> int:
        return len(self._video.sizes)

    def add(self, piece: Piece) -> None:
        """A file that is gone or damaged is left out and kept in ``damaged``."""
        try:
            with opened_part(piece.part) as file:
                self._add(piece, file)
        except ApplianceError:
            self.damaged.append(piece)
        time.sleep(0)  # packet threads first

    def _add(self, piece: Piece, file: Opened) -> None:
        anchor_ns = file.start.head.anchor_ns
        is_first = self._init is None
        continuous = self._follows(piece)
        begin, skip_90k = self._begin(piece, file, is_first)
        end_90k = _ticks(min(piece.end_ns, self._end_ns) - anchor_ns)
        layout = read_layout(file.descriptor, begin, file.end, end_90k + AUDIO_LATE_90K)
        first = next((k for k in layout.keys if layout.ptss[k] >= skip_90k), None)
        # A part that is seen to its end is taken to its end; the clock was corrected at its seams.
        whole = piece.end_ns >= piece.part.end_ns and piece.part.end_ns <= self._end_ns
        last = len(layout.sizes) if whole else _cut(layout, end_90k)
        if not layout.whole:
            self.damaged.append(piece)
        if first is None or last <= first or not self._same_parameters(piece, file):
            return
        if is_first:
            self.base_ns = anchor_ns + ns_from_90k(layout.ptss[first])
            shift = -layout.ptss[first]
        else:
            shift = _ticks(anchor_ns - self.base_ns)
        shift = self._video.add(layout, first, last, shift, continuous)
        chosen = self._audio.choose(layout.audio, self._init, shift, self._video.end_90k())
        self._lay(file.path, layout, first, last, chosen)
        self._last = piece

    def _follows(self, piece: Piece) -> bool:
        last = self._last
        if last is None or last.end_ns != last.part.end_ns or piece.start_ns != piece.part.start_ns:
            return False
        return last.part.run == piece.part.run and last.part.sequence + 1 == piece.part.sequence

    def _begin(self, piece: Piece, file: Opened, is_first: bool) -> tuple[int, int]:
        """Where to walk from, and the least presentation time of the first key frame."""
        from_90k = _ticks(max(piece.start_ns, self._start_ns) - file.start.head.anchor_ns)
        if is_first and piece.start_ns <= max(self._start_ns, piece.part.start_ns):
            return key_before(file.keys, from_90k).offset, -(2**62)
        if piece.start_ns > piece.part.start_ns:
            return file.start.offset, from_90k
        return file.start.offset, -(2**62)

    def _same_parameters(self, piece: Piece, file: Opened) -> bool:
        if piece.part.init_sha256 == self._init_sha256:
            return not self._splits
        self._init_sha256 = piece.part.init_sha256
        init = parse_init(file.start.init, file.path)
        if self._init is None:
            self._init = init
        if init.video != self._init.video:
            self._splits.append(piece.start_ns)
            self._init = init
        if init.audio != self._init.audio or init.audio is None:
            self._with_audio = False
        return not self._splits

    def _lay(self, path: Path, layout: Layout, first: int, last: int, audio: list[AudioRun]) -> None:
        """Put the samples behind those that are there, in the order of the file."""
        self.files.append(path)
        self.firsts.append(len(self.at))
        at = first
        for run in audio:
            before = min(last, max(at, bisect_left(layout.offsets, run.offset)))
            self._lay_video(layout, at, before)
            at = before
            self._chunks.append((AUDIO_TRACK, len(run.sizes), self.out[-1]))
            self.at.append(run.offset)
            self.out.append(self.out[-1] + sum(run.sizes))
        self._lay_video(layout, at, last)

    def _lay_video(self, layout: Layout, first: int, last: int) -> None:
        if first == last:
            return
        self._chunks.append((VIDEO_TRACK, last - first, self.out[-1]))
        self.at.extend(layout.offsets[first:last])
        total = self.out[-1]
        for size in layout.sizes[first:last]:
            total += size
            self.out.append(total)

    def check(self) -> None:
        """Raises ``Split`` where the parameters change inside."""
        if self._splits:
            points = ", ".join(rfc3339(split) for split in self._splits)
            raise Split(self._splits, points)

    def front(self) -> bytes:
        """ftyp, moov and the header of the mdat."""
        assert self._init is not None
        audio = self._init.audio if self._with_audio and self._audio.sizes else None
        tables = self._video.tables(), self._audio.tables()
        front = len(_FTYP) + len(self._moov(audio, tables, 0)) + 16
        return (
            _FTYP + self._moov(audio, tables, front) + struct.pack(">I4sQ", 1, b"mdat", 16 + self.data_bytes)
        )

    def _moov(self, audio: boxes.AudioParameters | None, tables: tuple[bytes, bytes], data_at: int) -> bytes:
        assert self._init is not None
        video = self._video
        length = video.end_90k()
        where = self._chunk_tables(VIDEO_TRACK, data_at)
        edits = _edits([(length, video.media_time())])
        tracks = [boxes.trak(VIDEO_TRACK, self._init.video, None, tables[0] + where, length, edits)]
        if audio is not None:
            sound = self._audio
            length_90k = sound.length * TIMESCALE // audio.rate_hz
            offset_90k = sound.first * TIMESCALE // audio.rate_hz
            edits = _edits(([(offset_90k, -1)] if offset_90k else []) + [(length_90k, 0)])
            where = self._chunk_tables(AUDIO_TRACK, data_at)
            total = offset_90k + length_90k
            tracks.append(boxes.trak(AUDIO_TRACK, self._init.video, audio, tables[1] + where, total, edits))
            length = max(length, total)
        return boxes.box(b"moov", boxes.mvhd(TIMESCALE, length), *tracks)

    def _chunk_tables(self, track: int, data_at: int) -> bytes:
        chunks = [(samples, at) for kind, samples, at in self._chunks if kind == track]
        runs, number = [], 1
        for samples, group in groupby(chunks, key=lambda chunk: chunk[0]):
            runs.append(struct.pack(">III", number, samples, 1))
            number += len(list(group))
        places = array("Q", (data_at + at for _, at in chunks))
        places.byteswap()
        return boxes.full(b"stsc", 0, 0, struct.pack(">I", len(runs)), *runs) + boxes.full(
            b"co64", 0, 0, struct.pack(">I", len(chunks)), places.tobytes()
        )


def _cut(layout: Layout, end_90k: int) -> int:
    """Behind the last sample, in decode order, that is shown before ``end_90k``."""
    for number in range(len(layout.ptss) - 1, -1, -1):
        if layout.ptss[number] < end_90k:
            return number + 1
    return 0


def _ticks(span_ns: int) -> int:
    # Rounded up: a sample's wall time was rounded down, and must come back to the same tick.
    return -(-span_ns * 9 // 100_000)


def _edits(entries: list[tuple[int, int]]) -> bytes:
    packed = [struct.pack(">QqI", length, media_time, 0x10000) for length, media_time in entries]
    return boxes.box(b"edts", boxes.full(b"elst", 1, 0, struct.pack(">I", len(packed)), *packed))
