"""When a stream's next key frame is due: cameras keep a steady distance, until they do not."""

from collections import deque
from typing import Final

from appliance.media.mp4.h26x import Codec, nal_type

STEADY: Final = 3  # equal distances in a row before they are believed
WANDER: Final = 0.1  # of the distance: clocks jitter, and a late frame is no new rhythm

H264_SLICES: Final = (1, 5)
H264_IDR: Final = 5
# IDR_W_RADL, IDR_N_LP (ITU-T H.265, table 7-1). Not CRA, whose leading pictures may refer to what
# came before it; not BLA, which only an editor makes.
HEVC_IDR: Final = (19, 20)


class Rhythm:
    """Feed it the times of key frames."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._gaps_ns: deque[int] = deque(maxlen=STEADY)

    def key(self, time_ns: int) -> None:
        if self._last_ns is not None:
            self._gaps_ns.append(time_ns - self._last_ns)
        self._last_ns = time_ns

    def lost(self) -> None:
        """The key frame did not come, or the stream began again."""
        self._last_ns = None
        self._gaps_ns.clear()

    @property
    def gap_ns(self) -> int | None:
        """The distance, where it is steady."""
        if len(self._gaps_ns) < STEADY:
            return None
        low, high = min(self._gaps_ns), max(self._gaps_ns)
        return high if low > 0 and high - low <= WANDER * high else None

    def next_ns(self) -> int | None:
        """When the next key frame is expected; None: nobody can know."""
        gap_ns = self.gap_ns
        return None if gap_ns is None or self._last_ns is None else self._last_ns + gap_ns


def starts_afresh(codec: Codec, body: bytes | bytearray) -> bool:
    """Whether nothing from this picture on refers to anything before it. ``body``: NAL units behind
    4-byte lengths. A recovery point or a CRA does not: pictures shown before it may look back."""
    at, size = 0, len(body)
    while at + 4 < size:
        kind = nal_type(codec, body[at + 4])
        if codec == "h264" and kind in H264_SLICES:
            return kind == H264_IDR
        if codec == "hevc" and kind < 32:  # a slice; parameter sets and messages are above
            return kind in HEVC_IDR
        at += 4 + int.from_bytes(body[at : at + 4], "big")
    return False
