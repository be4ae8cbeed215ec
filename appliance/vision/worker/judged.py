"""Which stretches of a camera's video were judged: by the detector, or by the gate alone."""

import threading

HOLE_NS = 2_000_000_000  # between two judged frames: that is blindness, and no thinning
PERIODS = 3.0  # ... of the camera's own rate, where that is slower


class Judged:
    """``note`` comes from the decoder's and the detector's thread, ``take`` from the main one."""

    def __init__(self, fps: float) -> None:
        self._hole_ns = max(HOLE_NS, round(PERIODS * 1e9 / max(0.1, fps)))
        self._lock = threading.Lock()
        self._stretches: list[tuple[int, int]] = []

    def note(self, time_ns: int) -> None:
        """The frame of ``time_ns`` was judged."""
        with self._lock:
            if not self._stretches:
                self._stretches.append((time_ns, time_ns))
                return
            start_ns, end_ns = self._stretches[-1]
            if end_ns < time_ns <= end_ns + self._hole_ns:
                self._stretches[-1] = (start_ns, time_ns)
            elif time_ns > end_ns or time_ns < start_ns - self._hole_ns:  # or a clock that was set back
                self._stretches.append((time_ns, time_ns))

    def take(self) -> tuple[tuple[int, int], ...]:
        """What was judged since the last call: half-open in spirit, both ends are frames. The newest
        stretch goes on where it ended."""
        with self._lock:
            found = tuple(self._stretches)
            if found:
                newest_ns = found[-1][1]
                self._stretches = [(newest_ns, newest_ns)]
        return found
