"""Whose batch is written next, where more come than the database takes.

Boxes come back together: a provider's link, a city's power. Without turns all of them wait for the database
in one line, and so long that each gives up and sends its batch again. Here a batch waits for its turn with
its body read (a thin link holds no turn), what is urgent goes first and has a turn of its own kept free, and
who would wait too long is told at once when to come back, each a different time (RFC 9110, section 10.2.3;
AWS Architecture Blog, "Exponential Backoff And Jitter", 2015). How urgent a batch is the box says: RFC 9218.
"""

import asyncio
import random
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from appliance.base.http_errors import HttpError

AT_ONCE = 5  # of the 8 connections that write: a heartbeat and a person find one
URGENT_MORE = 2
URGENT = 1  # up to this urgency, which is the lane of a batch's first row
DEFAULT_URGENCY = 3  # RFC 9218, section 4.1
LONGEST_WAIT_S = 12.0  # boxes give up after 30
MOST_BYTES = 256_000_000  # of bodies that wait
LONGEST_AWAY_S = 60.0
LEARNED = 0.05  # of how long a turn takes, from each
_URGENCY = re.compile(r"(?:^|,)\s*u=([0-7])\s*(?:$|[,;])")


def urgency(header: str) -> int:
    """Of a ``Priority`` header: 0 most urgent, 7 least."""
    found = _URGENCY.search(header[:100])
    return DEFAULT_URGENCY if found is None else int(found[1])


class Turns:
    """Of one instance. ``turn`` raises 503 with Retry-After."""

    def __init__(self) -> None:
        self._busy = 0
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()
        self._bytes = 0
        self._turn_s = 0.02  # how long one takes, as learned

    @property
    def wait_s(self) -> float:
        """How long one that is not urgent would wait now, about."""
        return (len(self._urgent) + len(self._others)) * self._turn_s / AT_ONCE

    @asynccontextmanager
    async def turn(self, size_bytes: int, urgent: bool) -> AsyncIterator[None]:
        """Inside, it is our turn."""
        if (not urgent and self.wait_s > LONGEST_WAIT_S) or self._bytes + size_bytes > MOST_BYTES:
            raise self._later()
        self._bytes += size_bytes
        try:
            await self._wait(urgent)
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            try:
                yield
            finally:
                self._turn_s += LEARNED * (loop.time() - began_s - self._turn_s)
                self._busy -= 1
                self._next()
        finally:
            self._bytes -= size_bytes

    async def _wait(self, urgent: bool) -> None:
        line = self._urgent if urgent else self._others
        mine = asyncio.get_running_loop().create_future()
        line.append(mine)
        self._next()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # it was given, and nobody is here to use it
                self._busy -= 1
                self._next()
            elif mine in line:
                line.remove(mine)
            raise

    def _next(self) -> None:
        while self._urgent and self._busy < AT_ONCE + URGENT_MORE:
            self._give(self._urgent)
        while self._others and self._busy < AT_ONCE:
            self._give(self._others)

    def _give(self, line: deque[asyncio.Future[None]]) -> None:
        mine = line.popleft()
        if not mine.cancelled():
            self._busy += 1
            mine.set_result(None)

    def _later(self) -> HttpError:
        away_s = min(LONGEST_AWAY_S, max(2.0, self.wait_s) * random.uniform(0.5, 2.0))
        return HttpError(
            503,
            "unavailable",
            "many boxes are here at once",
            "it comes back by itself",
            headers={"Retry-After": str(round(away_s) or 1)},
        )
