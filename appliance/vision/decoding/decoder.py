"""One camera's decoder: packets in decoding order, frames in presentation order."""

from fractions import Fraction
from typing import Final, Protocol

import av
from av.video.codeccontext import VideoCodecContext

EVERY: Final = Fraction(1, 1_000_000_000)  # frames and packets are stamped in ns of the box clock
MOST_PIXELS: Final = 8192 * 4608  # an 8K camera with room to spare; a forged size must not be allocated


class Decoder(Protocol):
    """``path``: which way is really in use, for people: ``software``, ``cuda``, ``nvv4l2decoder`` ..."""

    path: str

    def decode(self, body: bytes, time_ns: int, *, spare: bool) -> list[av.VideoFrame]:
        """Frames with ``pts`` in ns, in system memory, Y plane first. ``spare``: this frame will not be
        looked at, so it may be left out where no other refers to it. Raises what libav raises."""

    def close(self) -> None:
        """Give the hardware back; may be called twice."""


class Software:
    """libav, one thread: frame threads would hold as many frames back, and all cores are taken."""

    path = "software"

    def __init__(self, codec: str, config: bytes) -> None:
        self._context = open_context(codec, config)

    def decode(self, body: bytes, time_ns: int, *, spare: bool) -> list[av.VideoFrame]:
        packet = av.Packet(body)
        packet.pts, packet.time_base = time_ns, EVERY
        self._context.skip_frame = "NONREF" if spare else "DEFAULT"
        return self._context.decode(packet)

    def close(self) -> None:
        """The context goes with its last reference."""


def open_context(codec: str, config: bytes) -> VideoCodecContext:
    """Raises what libav raises."""
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = config
    context.thread_count = 1
    context.options = {"max_pixels": str(MOST_PIXELS)}
    return context


def reason_of(error: Exception) -> str:
    """For people, short; libav's longer texts may hold a stream's address."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.split("; last error")[0] or type(error).__name__)[:80]
