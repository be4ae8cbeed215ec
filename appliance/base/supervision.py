"""How a part runs: ``run_once`` again and again, with a growing pause after each failure.

A part takes its inputs in its constructor and has a straight-line ``run_once``. The supervisor
logs a failure once and counts its repeats, so that a camera that is off for a week is one line.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Iterator

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class BackOff:
    """1, 2, 4 ... 60 s with +-20 % jitter (AWS Architecture Blog, "Exponential Backoff And
    Jitter", 2015: jitter keeps 64 cameras from knocking at once after a power cut)."""

    def __init__(self, first_s: float = FIRST_PAUSE_S, longest_s: float = LONGEST_PAUSE_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.failures = 0

    def next_s(self) -> float:
        pause_s = min(self._longest_s, self._first_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return pause_s * random.uniform(0.8, 1.2)

    def reset(self) -> None:
        self.failures = 0

    def __iter__(self) -> Iterator[float]:
        while True:
            yield self.next_s()


async def supervise(
    name: str,
    run_once: Callable[[], Awaitable[None]],
    clock: Clock,
    *,
    healthy_after_s: float = 60.0,
    on_failure: Callable[[Exception], None] | None = None,
) -> None:
    """Run ``run_once`` until cancelled.

    A run that returns is started again after the first pause; one that raised, after the next
    longer one. A run that lasted ``healthy_after_s`` resets the back-off.
    """
    back_off = BackOff()
    last_text, repeats = "", 0
    while True:
        began_ns = clock.monotonic_ns()
        try:
            await run_once()
            back_off.reset()
        except Exception as error:  # that no failure of a part ends it is what we are for
            if clock.monotonic_ns() - began_ns > healthy_after_s * SECOND_NS:
                back_off.reset()
            text = f"{type(error).__name__}: {error}"
            if text == last_text:
                repeats += 1
                if repeats in (10, 100) or repeats % 1000 == 0:
                    log.warning("%s failed %d times more: %s", name, repeats, text)
            else:
                # What cannot be reached now is a fact that the words tell; the way there helps nobody.
                is_known = isinstance(error, ApplianceError) and error.kind == "unavailable"
                log.warning("%s failed: %s", name, text, exc_info=None if is_known else error)
                last_text, repeats = text, 0
            if on_failure is not None:
                on_failure(error)
        await clock.sleep(back_off.next_s())
