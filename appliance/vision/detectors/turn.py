"""One thread at a time, and the next one at once."""

import threading
import time
from types import TracebackType

YIELD_S = 0.00005


class Turn:
    """A lock for runs that hold no GIL. Who waits for it wakes without the GIL, and would be kept waiting
    by the one who just left and reads his answers in Python: so he steps aside for a moment. With
    two threads it makes the time between two runs 0.1 ms instead of 0.2 to 0.6 (5 ms at worst)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = False

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._wanted = True
            self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wanted, self._wanted = self._wanted, False
        self._lock.release()
        if wanted:
            time.sleep(YIELD_S)
