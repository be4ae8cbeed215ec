"""Sign-in attempts: 5 failures in a minute per address and user, then a pause, whoever asks."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.http_errors import HttpError

FAILURES = 5
FAILURES_OF_ADDRESS = 100  # one machine trying many names
WINDOW_NS = 60 * SECOND_NS
MOST_KEYS = 10_000


class Throttle:
    """Attempts with one key are made one after another, so that six at once are six, not one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()
        self._turns: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def attempt(self, address: str, username: str) -> AsyncIterator[None]:
        """Raises 429 (``exhausted``) with Retry-After while the key is paused."""
        key = (address, username.casefold())
        lock, users = self._turns.get(key, (asyncio.Lock(), 0))
        self._turns[key] = (lock, users + 1)
        try:
            async with lock:
                self._refuse(key, FAILURES)
                self._refuse((address, ""), FAILURES_OF_ADDRESS)
                yield
        finally:
            lock, users = self._turns.pop(key)
            if users > 1:
                self._turns[key] = (lock, users - 1)

    def failed(self, address: str, username: str) -> None:
        now_ns = self._clock.monotonic_ns()
        for key in ((address, username.casefold()), (address, "")):
            self._failures.setdefault(key, deque(maxlen=FAILURES_OF_ADDRESS)).append(now_ns)
            self._failures.move_to_end(key)
        while len(self._failures) > MOST_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, address: str, username: str) -> None:
        self._failures.pop((address, username.casefold()), None)

    def _refuse(self, key: tuple[str, str], most: int) -> None:
        times = self._failures.get(key)
        if times is None:
            return
        now_ns = self._clock.monotonic_ns()
        while times and now_ns - times[0] >= WINDOW_NS:
            times.popleft()
        if not times:
            del self._failures[key]
        elif len(times) >= most:
            wait_s = -(-(times[-most] + WINDOW_NS - now_ns) // SECOND_NS)
            raise HttpError(
                429,
                "exhausted",
                "too many failed sign-ins",
                f"wait {wait_s} s and try again",
                headers={"Retry-After": str(wait_s)},
            )
