"""How much of boxes' bodies one instance holds in memory at a time: so much of one box, so much of all.

A body counts from its first byte until it is answered. What a request says of its length counts against
its box at once, so that a third large chunk is refused before it is sent over a thin link; against the
sum of all boxes only what is really here counts. Per instance, since its memory is.
"""

import contextlib
from collections.abc import Iterator

from aiohttp import web

from appliance.base.errors import ApplianceError, Kind

MOST_OF_BOX_BYTES = 24 << 20  # two of the largest chunks, and a batch
MOST_OF_ALL_BYTES = 512 << 20
MOST_REQUESTS = 32  # of one box; a long poll is one


class Held:
    """What one request holds, and may still bring."""

    def __init__(self, budget: "Budget", box_id: str) -> None:
        self._budget, self._box_id = budget, box_id
        self._announced = self.here = 0

    def announce(self, size_bytes: int) -> None:
        """Raises 429 where the box has as much on its way as it may, 503 where the instance has."""
        self._announced = size_bytes
        self._budget.check(self._box_id)

    def add(self, size_bytes: int) -> None:
        """As ``announce``; the bytes are here."""
        self.here += size_bytes
        self._budget.here += size_bytes
        self._budget.check(self._box_id)

    @property
    def counted(self) -> int:
        """Against its box."""
        return max(self._announced, self.here)


class Budget:
    def __init__(self, of_box: int = MOST_OF_BOX_BYTES, of_all: int = MOST_OF_ALL_BYTES) -> None:
        self._of_box, self._of_all = of_box, of_all
        self._requests: dict[str, list[Held]] = {}
        self.here = 0

    @contextlib.contextmanager
    def request(self, box_id: str) -> Iterator[Held]:
        """Around one request of a box. Raises 429 where it has too many."""
        requests = self._requests.setdefault(box_id, [])
        if len(requests) >= MOST_REQUESTS:
            raise _busy("exhausted", "this box has too many requests open")
        held = Held(self, box_id)
        requests.append(held)
        try:
            yield held
        finally:
            requests.remove(held)
            self.here -= held.here
            if not requests:
                del self._requests[box_id]

    def check(self, box_id: str) -> None:
        if sum(held.counted for held in self._requests[box_id]) > self._of_box:
            raise _busy("exhausted", "this box has too much on its way at once")
        if self.here > self._of_all:
            raise _busy("unavailable", "this hub has too much on its way at once")


def _busy(kind: Kind, message: str) -> ApplianceError:
    """429 or 503, both with Retry-After."""
    return ApplianceError(kind, message, "send it again a little later")


BUDGET: web.AppKey[Budget] = web.AppKey("budget", Budget)
HELD: web.RequestKey[Held] = web.RequestKey("held", Held)
