"""What a source hands to its camera, and the parameters a client must know beforehand."""

from collections.abc import Callable
from typing import Final, Literal, Protocol

import msgspec

from appliance.simulator.spec import CameraSpec

Track = Literal[0, 1]
VIDEO: Final = 0
AUDIO: Final = 1
NS = 1_000_000_000


class VideoFormat(msgspec.Struct, frozen=True):
    """``parameter_sets``: SPS and PPS, for H.265 VPS, SPS and PPS, without start codes."""

    codec: Literal["h264", "h265"]
    parameter_sets: tuple[bytes, ...]
    fps: float | None = None


class AudioFormat(msgspec.Struct, frozen=True):
    """``config`` is the AudioSpecificConfig (ISO/IEC 14496-3, section 1.6.2.1) of AAC."""

    codec: Literal["pcmu", "pcma", "aac"]
    rate_hz: int
    channels: int = 1
    config: bytes = b""


class StreamFormat(msgspec.Struct, frozen=True):
    video: VideoFormat
    audio: AudioFormat | None = None


class Sample:
    """One access unit of video (``units``: NAL units without start codes) or one packet of audio
    (``units``: one piece). ``pts_ns`` is media time, 0 where the source was started; samples of
    video come in decode order. A plain class with slots: some thousand are made per second."""

    __slots__ = ("codec", "is_key", "pts_ns", "track", "units")

    def __init__(self, track: Track, codec: str, units: list[bytes], pts_ns: int, is_key: bool) -> None:
        self.track = track
        self.codec = codec
        self.units = units
        self.pts_ns = pts_ns
        self.is_key = is_key


class Source(Protocol):
    """Where samples come from. ``run`` paces them in real time, calls ``sink`` on the loop and
    returns at the end of the material; it is cancelled when the last client leaves."""

    async def format(self) -> StreamFormat:
        """What ``run`` will deliver. Raises ``unavailable`` where there is nothing to deliver."""

    async def run(self, sink: Callable[[Sample], None]) -> None:
        """Deliver from media time 0 until cancelled or at the end."""

    def request_key(self) -> bool:
        """Make the next picture a key frame; False where the source cannot."""


class ChangingSource(Source, Protocol):
    """A source that can be another size, rate or codec from its next key frame on."""

    def change(self, spec: CameraSpec) -> None: ...


def is_parameter_set(codec: str, unit: bytes) -> bool:
    """SPS or PPS (H.264 types 7, 8), or VPS, SPS, PPS (H.265 types 32-34)."""
    if codec == "h264":
        return unit[0] & 0x1F in (7, 8)
    return unit[0] >> 1 & 0x3F in (32, 33, 34)


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream (ITU-T H.264, annex B). 00 00 01 cannot occur inside one, and
    none ends with a zero byte, so the zeros before a start code belong to the code."""
    return [unit for part in data.split(b"\0\0\1") if (unit := part.rstrip(b"\0"))]


def split_lengths(data: bytes, length_bytes: int) -> list[bytes]:
    """The NAL units of a sample of an MP4 (ISO/IEC 14496-15): each behind its length."""
    units, at = [], 0
    while at + length_bytes <= len(data):
        size = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        if size:
            units.append(data[at : at + size])
        at += size
    return units
