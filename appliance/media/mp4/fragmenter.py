"""One moof+mdat per video frame, at once; one per half second of audio.

Written by hand because libav's muxer needs a sample's duration and so holds each one until the
next arrives. Over RTP there are no decode times and the camera's clock may jump: ``Timeline`` makes
the run's own, and composition offsets are signed (ISO/IEC 14496-12, 8.8.8, version 1).
"""

import heapq
import struct

from appliance.base.clock import SECOND_NS
from appliance.media.fragment import AUDIO_TRACK, TIMESCALE, VIDEO_TRACK, Fragment

_MOOF_BYTES = 104
_MOOF = struct.Struct(
    ">I4s"  # moof
    "I4sII"  # mfhd: sequence number
    "I4s"  # traf
    "I4sII"  # tfhd: default-base-is-moof, track
    "I4sIQ"  # tfdt, 64 bit
    "I4sIIi IIIi"  # trun: count, data offset, duration, size, flags, signed composition offset
    "I4s"  # mdat
)
_SYNC = 0x02000000
_NOT_SYNC = 0x01010000
MAX_REORDER = 16
LEAD_IN_90K = TIMESCALE  # decode times start here so that they stay positive before B-frames
JUMP_90K = 2 * TIMESCALE


def moof(sequence: int, decode_90k: int, duration: int, size: int, is_key: bool, offset_90k: int) -> bytes:
    """The moof of one video sample and the header of its mdat."""
    return _MOOF.pack(
        _MOOF_BYTES, b"moof", 16, b"mfhd", 0, sequence & 0xFFFFFFFF,
        _MOOF_BYTES - 24, b"traf", 16, b"tfhd", 0x020000, VIDEO_TRACK,
        20, b"tfdt", 0x01000000, decode_90k,
        36, b"trun", 0x01000F01, 1, _MOOF_BYTES + 8,
        duration, size, _SYNC if is_key else _NOT_SYNC, offset_90k,
        8 + size, b"mdat",
    )  # fmt: skip


class Timeline:
    """The run's presentation time: continuous, in 90 kHz ticks, tied to the box clock.

    A jump of the camera's timestamps of more than two seconds against arrival is bridged with
    the time that really passed; no frame is lost to it.
    """

    def __init__(self, first_raw_90k: int, arrival_ns: int, not_before_ns: int = 0) -> None:
        self._shift = LEAD_IN_90K - first_raw_90k
        self._newest_90k = LEAD_IN_90K
        self._newest_arrival_ns = arrival_ns
        self.anchor_ns = max(arrival_ns, not_before_ns) - ns_from_90k(LEAD_IN_90K)
        self._least_delay_ns: int | None = None
        self._usual_delay_ns: int | None = None  # the least of the segment before
        self.lag_ns = 0  # how much later than the quickest the newest frame came
        self.jumps = 0

    def place(self, raw_90k: int, arrival_ns: int) -> int:
        """Ticks inside the run of a frame stamped ``raw_90k`` that arrived at ``arrival_ns``."""
        pts = raw_90k + self._shift
        passed = (arrival_ns - self._newest_arrival_ns) * TIMESCALE // SECOND_NS
        if abs(pts - self._newest_90k - passed) > JUMP_90K and abs(pts - self._newest_90k) > JUMP_90K:
            self._shift += self._newest_90k + max(passed, 1) - pts
            pts = raw_90k + self._shift
            self.jumps += 1
            self._least_delay_ns = self._usual_delay_ns = None
        if pts >= self._newest_90k:
            self._newest_90k = pts
            self._newest_arrival_ns = arrival_ns
        delay_ns = arrival_ns - ns_from_90k(pts)
        if self._least_delay_ns is None or delay_ns < self._least_delay_ns:
            self._least_delay_ns = delay_ns
        least_ns = self._least_delay_ns
        if self._usual_delay_ns is not None:
            least_ns = min(least_ns, self._usual_delay_ns)
        self.lag_ns = delay_ns - least_ns
        return pts

    def wall_ns(self, pts_90k: int) -> int:
        return self.anchor_ns + ns_from_90k(pts_90k)

    def anchor_again(self, length_ns: int) -> None:
        """At a segment's start: follow the camera's crystal by at most 0.5 % of the segment that
        ended, so that neighbouring segments stay neighbours on the wall clock."""
        if self._least_delay_ns is None:
            return
        most_ns = length_ns // 200
        self.anchor_ns += max(-most_ns, min(most_ns, self._least_delay_ns - self.anchor_ns))
        self._usual_delay_ns, self._least_delay_ns = self._least_delay_ns, None


class Fragmenter:
    """Fragments of one run's video. ``reorder`` as in ``h26x.Parameters``."""

    def __init__(self, reorder: int | None, nominal_90k: int = TIMESCALE // 15) -> None:
        self._depth = reorder or 0
        self._learning = reorder is None
        self._waiting: list[int] = []
        self._newest_pts = -1
        self._decode = -1
        self._duration = nominal_90k
        self._sequence = 0

    @property
    def duration_90k(self) -> int:
        """The last known distance between frames."""
        return self._duration

    def video(self, sample: bytes | bytearray, pts_90k: int, time_ns: int, is_key: bool) -> Fragment:
        decode = self._decode_time(pts_90k)
        self._sequence += 1
        head = moof(self._sequence, decode, self._duration, len(sample), is_key, pts_90k - decode)
        return Fragment(VIDEO_TRACK, head, sample, time_ns, pts_90k, is_key)

    def _decode_time(self, pts: int) -> int:
        # The n-th decode time is the n-th smallest presentation time, late by the reorder depth.
        # Where the depth is not in the parameter sets it is learnt from the first B-frames.
        if self._learning and pts < self._newest_pts:
            later = sum(1 for other in self._waiting if other > pts)
            self._depth = min(MAX_REORDER, max(self._depth, later, 1))
        self._newest_pts = max(self._newest_pts, pts)
        heapq.heappush(self._waiting, pts)
        if len(self._waiting) <= self._depth:
            first = self._waiting[0] - (self._depth - len(self._waiting) + 1) * self._duration
            candidate = max(first, 0)
        else:
            while len(self._waiting) > self._depth + 1:
                heapq.heappop(self._waiting)
            candidate = self._waiting[0]
        decode = max(candidate, self._decode + 1)
        if self._decode >= 0 and 0 < decode - self._decode < TIMESCALE * 2:
            self._duration = decode - self._decode
        self._decode = decode
        return decode


def audio_fragment(
    sequence: int, decode: int, frames: list[bytes], frame_ticks: int, time_ns: int, pts_90k: int
) -> Fragment:
    """AAC frames of ``frame_ticks`` samples each, in one fragment; ``decode`` in samples."""
    count = len(frames)
    sizes = b"".join(len(frame).to_bytes(4, "big") for frame in frames)
    body = b"".join(frames)
    traf = 8 + 20 + 20 + 20 + 4 * count
    size = 8 + 16 + traf
    head = struct.pack(
        f">I4sI4sIII4sI4sIIII4sIQI4sIIi{len(sizes)}sI4s",
        size, b"moof", 16, b"mfhd", 0, sequence & 0xFFFFFFFF, traf, b"traf",
        20, b"tfhd", 0x020008, AUDIO_TRACK, frame_ticks,
        20, b"tfdt", 0x01000000, decode,
        20 + len(sizes), b"trun", 0x00000201, count, size + 8, sizes,
        8 + len(body), b"mdat",
    )  # fmt: skip
    return Fragment(AUDIO_TRACK, head, body, time_ns, pts_90k, True)


def ns_from_90k(ticks: int) -> int:
    return ticks * 100_000 // 9
