"""Pull points: what a camera noticed, kept for each that asked until it is pulled (ONVIF Core, 9.2)."""

import asyncio
import itertools
from collections import deque
from typing import NamedTuple

from appliance.base.clock import SECOND_NS, Clock

MOST_SUBSCRIPTIONS = 8
_MOST_WAITING = 100


class Noticed(NamedTuple):
    """One message: ``source`` = ``token`` says where, ``item`` = ``active`` what."""

    topic: str
    source: str
    token: str
    item: str
    active: bool
    at_ns: int
    operation: str


class Subscription:
    def __init__(self, number: int, ends_ns: int) -> None:
        self.number = number
        self.ends_ns = ends_ns  # monotonic
        self.waiting: deque[Noticed] = deque(maxlen=_MOST_WAITING)
        self._some = asyncio.Event()

    def put(self, message: Noticed) -> None:
        self.waiting.append(message)
        self._some.set()

    async def pull(self, wait_s: float, most: int) -> list[Noticed]:
        """What waits, at once; or what comes within ``wait_s``."""
        if not self.waiting and wait_s > 0:
            self._some.clear()
            try:
                await asyncio.wait_for(self._some.wait(), wait_s)
            except TimeoutError:
                return []
        return [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]


class Subscriptions:
    """Of one camera; they end when nobody renews them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._known: dict[int, Subscription] = {}

    def __len__(self) -> int:
        self._forget()
        return len(self._known)

    def add(self, lasts_s: float) -> Subscription | None:
        """None where there are as many as the camera bears."""
        self._forget()
        if len(self._known) >= MOST_SUBSCRIPTIONS:
            return None
        number = next(self._numbers)
        subscription = self._known[number] = Subscription(number, self._end_ns(lasts_s))
        return subscription

    def find(self, number: str) -> Subscription | None:
        self._forget()
        return self._known.get(int(number)) if number.isdigit() else None

    def renew(self, subscription: Subscription, lasts_s: float) -> None:
        subscription.ends_ns = self._end_ns(lasts_s)

    def remove(self, subscription: Subscription) -> None:
        self._known.pop(subscription.number, None)

    def put(self, message: Noticed) -> None:
        self._forget()
        for subscription in self._known.values():
            subscription.put(message)

    def clear(self) -> None:
        self._known.clear()

    def _end_ns(self, lasts_s: float) -> int:
        return self._clock.monotonic_ns() + round(lasts_s * SECOND_NS)

    def _forget(self) -> None:
        now_ns = self._clock.monotonic_ns()
        self._known = {
            number: subscription
            for number, subscription in self._known.items()
            if subscription.ends_ns > now_ns
        }
