"""What a stream thread hands on: built once, given unchanged to the file, the hash and the viewers."""

from typing import Literal, Protocol

import msgspec

TIMESCALE = 90_000  # ticks per second of every video track, as RTP has it (RFC 6184, section 8.2.1)

VIDEO_TRACK: Literal[1] = 1
AUDIO_TRACK: Literal[2] = 2


class StreamInit(msgspec.Struct, frozen=True):
    """The parameters of one run. ``init`` is ftyp+moov of the video alone, for viewers;
    ``codec_config`` the payload of avcC or hvcC (a decoder's extradata)."""

    camera_id: str
    stream: str
    run_id: str
    codec: Literal["h264", "hevc"]
    mime: str  # video/mp4; codecs="avc1.640028"
    init: bytes
    codec_config: bytes
    width: int
    height: int
    start_ns: int  # wall time of pts_90k == 0 in this run's fragments, at its start


class Fragment(msgspec.Struct, frozen=True):
    """One moof+mdat. ``head`` is the moof and the mdat's header, ``body`` the sample itself:
    length-prefixed NAL units (ISO/IEC 14496-15) for video, AAC frames for audio."""

    track: Literal[1, 2]
    head: bytes
    body: bytes | bytearray
    time_ns: int  # box clock, of this sample's presentation
    pts_90k: int  # presentation time inside the run
    is_key: bool


class Tap(Protocol):
    """Somebody who wants a stream's fragments. Called in the stream's thread: must never block,
    never take a lock that is held for long, never raise (R9)."""

    def started(self, init: StreamInit) -> None:
        """A run began; ``put`` follows, first with a key frame."""

    def put(self, fragment: Fragment) -> None:
        """The next fragment. ``body`` must not be changed, and may be kept."""

    def ended(self) -> None:
        """The run ended; another ``started`` may follow."""
