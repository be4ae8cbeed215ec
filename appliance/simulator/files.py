"""Files as cameras: every NAL unit passed through as it lies there, paced by its decode time.

B-frames keep their order and their presentation times; over the loop's seam time goes on. Before a
key frame that brings none, the file's parameter sets are sent in band, as cameras do.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import av
import av.container
import msgspec
from av.error import FFmpegError

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.simulator.sample import (
    AUDIO,
    NS,
    VIDEO,
    AudioFormat,
    Sample,
    StreamFormat,
    VideoFormat,
    is_parameter_set,
    split_annex_b,
    split_lengths,
)

_CODECS: dict[str, Literal["h264", "h265"]] = {"h264": "h264", "hevc": "h265"}
_LATE_NS = NS
_SEAM_NS = 1_000_000  # rounding, not an overlap


class Film(msgspec.Struct, frozen=True):
    """What is known of a file once it is open. ``length_bytes`` 0: units lie behind start codes."""

    format: StreamFormat
    length_bytes: int


class FileSource:
    """One file. Each ``run`` opens it anew and begins with its first picture."""

    def __init__(self, path: str, loop: bool, clock: Clock) -> None:
        self._path = path
        self._loop = loop
        self._clock = clock
        self._film: Film | None = None

    async def format(self) -> StreamFormat:
        return (await self._look()).format

    def request_key(self) -> bool:
        return False

    async def run(self, sink: Callable[[Sample], None]) -> None:
        film = await self._look()
        began_ns = self._clock.monotonic_ns()
        offset_ns = heard_ns = 0
        while True:
            container = await asyncio.to_thread(_open, self._path)
            try:
                reel = Reel(container, film, offset_ns, heard_ns)
                for due_ns, sample in reel.samples():
                    wait_ns = began_ns + due_ns - self._clock.monotonic_ns()
                    if wait_ns > 0:
                        await self._clock.sleep(wait_ns / NS)
                    elif wait_ns < -_LATE_NS:  # the machine slept: go on from here, in order
                        began_ns -= wait_ns
                    sink(sample)
            finally:
                container.close()
            if not self._loop or reel.end_ns <= offset_ns:
                return
            offset_ns, heard_ns = reel.end_ns, reel.heard_ns

    async def _look(self) -> Film:
        if self._film is None:
            self._film = await asyncio.to_thread(_look, self._path)
        return self._film


class Reel:
    """One pass over a file. ``end_ns`` is where the next begins, once ``samples`` is through, and
    ``heard_ns`` until when there was audio: often longer than the picture, it is cut at the seam."""

    def __init__(
        self, container: av.container.InputContainer, film: Film, offset_ns: int, heard_ns: int
    ) -> None:
        self._container = container
        self._film = film
        self._offset_ns = offset_ns
        self.end_ns = offset_ns
        self.heard_ns = heard_ns

    def samples(self) -> Iterator[tuple[int, Sample]]:
        """(when to send it, the sample); both on the media timeline that runs over all passes."""
        video = self._container.streams.video[0]
        chosen: list[av.stream.Stream] = [video]
        if self._film.format.audio is not None:
            chosen.append(self._container.streams.audio[0])
        base_ns: int | None = None  # of the first picture's decode time in the file
        first_ns = 0
        for packet in self._container.demux(*chosen):
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue
            tick = packet.time_base
            pts_ns = packet.pts * NS * tick.numerator // tick.denominator
            dts_ns = packet.dts * NS * tick.numerator // tick.denominator
            if packet.stream is video:
                if base_ns is None:
                    base_ns, first_ns = dts_ns, pts_ns
                long_ns = (packet.duration or 0) * NS * tick.numerator // tick.denominator
                shift_ns = self._offset_ns - (first_ns if self._offset_ns else base_ns)
                self.end_ns = max(self.end_ns, pts_ns + long_ns + shift_ns)
                due_ns = dts_ns + shift_ns
                yield due_ns, self._picture(bytes(packet), packet.is_keyframe, pts_ns + shift_ns)
            elif base_ns is not None:
                shift_ns = self._offset_ns - (first_ns if self._offset_ns else base_ns)
                audio = self._film.format.audio
                assert audio is not None
                pts_ns += shift_ns
                if pts_ns + _SEAM_NS < self.heard_ns:
                    continue
                self.heard_ns = pts_ns + (packet.duration or 0) * NS * tick.numerator // tick.denominator
                yield dts_ns + shift_ns, Sample(AUDIO, audio.codec, [bytes(packet)], pts_ns, False)

    def _picture(self, data: bytes, is_key: bool, pts_ns: int) -> Sample:
        video = self._film.format.video
        length = self._film.length_bytes
        units = split_lengths(data, length) if length else split_annex_b(data)
        if is_key and not any(is_parameter_set(video.codec, unit) for unit in units):
            units = [*video.parameter_sets, *units]
        return Sample(VIDEO, video.codec, units, pts_ns, is_key)


def _open(path: str) -> av.container.InputContainer:
    try:
        return av.open(path)
    except (FFmpegError, OSError) as error:
        name = Path(path).name
        raise ApplianceError("unavailable", f"{name} cannot be read as video", type(error).__name__) from None


def _look(path: str) -> Film:
    with _open(path) as container:
        name = Path(path).name
        video = next(iter(container.streams.video), None)
        codec = _CODECS.get(video.codec_context.name) if video is not None else None
        if video is None or codec is None:
            raise ApplianceError("unavailable", f"{name} holds no H.264 or H.265", "convert it with ffmpeg")
        length_bytes, sets = _configuration(codec, video.codec_context.extradata or b"")
        if not sets:
            raise ApplianceError("unavailable", f"{name} holds no parameter sets", "convert it to MP4")
        rate = float(video.average_rate) if video.average_rate else None
        audio = None
        for stream in container.streams.audio[:1]:
            context = stream.codec_context
            if context.name == "aac" and context.extradata:
                audio = AudioFormat("aac", context.sample_rate, context.channels, context.extradata)
        return Film(StreamFormat(VideoFormat(codec, sets, rate), audio), length_bytes)


def _configuration(codec: str, extradata: bytes) -> tuple[int, tuple[bytes, ...]]:
    """(bytes per length, parameter sets) of an avcC or hvcC (ISO/IEC 14496-15, 5.3.3 and 8.3.3), or of
    plain NAL units behind start codes."""
    if extradata[:3] in (b"\0\0\0", b"\0\0\1"):
        return 0, tuple(unit for unit in split_annex_b(extradata) if is_parameter_set(codec, unit))
    if len(extradata) < 7:
        return 0, ()
    sets: list[bytes] = []
    if codec == "h264":
        at = 5
        for mask in (0x1F, 0xFF):
            count, at = extradata[at] & mask, at + 1
            at = _take(extradata, at, count, sets)
        return (extradata[4] & 3) + 1, tuple(sets)
    at = 23
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[at + 1 : at + 3], "big")
        at = _take(extradata, at + 3, count, sets)
    return (extradata[21] & 3) + 1, tuple(unit for unit in sets if is_parameter_set(codec, unit))


def _take(data: bytes, at: int, count: int, into: list[bytes]) -> int:
    for _ in range(count):
        size = int.from_bytes(data[at : at + 2], "big")
        into.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return at
