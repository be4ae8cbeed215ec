"""The camera's own clock, from its RTCP sender reports (RFC 3550, 6.4.1)."""

import struct
from collections.abc import Callable

from appliance.base.clock import SECOND_NS

_SENDER_REPORT = 200
_REPORT = struct.Struct(">BBHIIII")
_NTP_EPOCH_S = 2_208_988_800  # 1900 to 1970


class CameraClock:
    """``put`` the RTCP packets of a track. ``ticks``: a 32-bit stamp as the pictures count them."""

    def __init__(self, buffer: bytearray, ticks: Callable[[int], int], clock_hz: int) -> None:
        self._buffer = buffer
        self._ticks = ticks
        self._clock_hz = clock_hz
        self._known: tuple[int, int] | None = None  # 32-bit stamp, wall time

    def put(self, at: int, stop: int, end: int) -> int:
        if stop - at < _REPORT.size or self._buffer[at + 1] != _SENDER_REPORT:
            return stop
        _, _, _, _, seconds, fraction, stamp = _REPORT.unpack_from(self._buffer, at)
        if seconds > _NTP_EPOCH_S:
            self._known = (stamp, (seconds - _NTP_EPOCH_S) * SECOND_NS + (fraction * SECOND_NS >> 32))
        return stop

    def camera_ns(self, stamp: int) -> int | None:
        """When the picture of ``stamp`` was taken; None before the first report."""
        if self._known is None:
            return None
        reported, wall_ns = self._known
        return wall_ns + (stamp - self._ticks(reported)) * SECOND_NS // self._clock_hz
