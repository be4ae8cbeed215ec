"""How long a target that fails is left alone.

Back-off from 1 s to 5 min with jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015), and
on top of it a circuit breaker (M. Nygard, "Release It!", 2nd ed., ch. 5): after ``OPEN_AFTER`` failures in a
row nothing is tried for ``OPEN_S``; then one small attempt decides (half-open).
"""

import asyncio
import random
from typing import Literal

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.supervision import BackOff
from appliance.sync.answer import LONGEST_PAUSE_S
from appliance.sync.waiting import first_of

FIRST_PAUSE_S = 1.0
OPEN_AFTER = 5
OPEN_S = 60.0

State = Literal["closed", "open", "half_open"]


class Breaker:
    """One per activity. ``due_ns``: when the pause under way ends, by the box clock; None: no pause."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._back_off = BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._failures = 0
        self._until_ns = 0  # monotonic
        self._nudged = asyncio.Event()
        self.due_ns: int | None = None

    @property
    def failures(self) -> int:
        """Silences and troubles of the target in a row; what it refused was an answer."""
        return self._failures

    @property
    def state(self) -> State:
        if self.failures < OPEN_AFTER:
            return "closed"
        return "open" if self._clock.monotonic_ns() < self._until_ns else "half_open"

    @property
    def resting(self) -> bool:
        """A pause is under way."""
        return self._clock.monotonic_ns() < self._until_ns

    def succeeded(self) -> None:
        self._back_off.reset()
        self._failures = 0
        self._until_ns, self.due_ns = 0, None

    def failed(self, after_s: float = 0.0, *, answered: bool = False) -> float:
        """The pause from now on, in seconds; ``after_s``: what the target wished. ``answered``: it is
        there, and refused what it was asked."""
        pause_s = self._back_off.next_s()
        self._failures = 0 if answered else self._failures + 1
        if self.failures >= OPEN_AFTER:
            pause_s = max(pause_s, OPEN_S * random.uniform(0.8, 1.2))
        pause_s = min(LONGEST_PAUSE_S, max(pause_s, after_s))
        self._until_ns = self._clock.monotonic_ns() + round(pause_s * SECOND_NS)
        self.due_ns = self._clock.now_ns() + round(pause_s * SECOND_NS)
        return pause_s

    def nudge(self) -> None:
        """Something has changed for the better, such as the link: try now."""
        self._until_ns = 0
        self._nudged.set()

    async def pause(self) -> None:
        """Until the pause is over."""
        while (left_ns := self._until_ns - self._clock.monotonic_ns()) > 0:
            self._nudged.clear()
            await first_of(self._clock.sleep(left_ns / SECOND_NS), self._nudged.wait())
