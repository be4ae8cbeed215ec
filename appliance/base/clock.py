"""One box clock (R8), injected everywhere.

The box clock is the monotonic clock plus an offset to UTC. The offset follows the system clock by
slewing at most 0.5 ms per second, so that no recording ever sees time jump because NTP made a
small correction. A difference of more than ``STEP_NS`` is a *step*: the offset jumps, every run
ends, and the step is in the ledger.
"""

import asyncio
import heapq
import itertools
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from appliance.base.errors import invalid

SECOND_NS = 1_000_000_000
MS_NS = 1_000_000
STEP_NS = 500 * MS_NS
SLEW_PPM = 500  # 0.5 ms per second


class Clock(Protocol):
    """What every part takes in its constructor instead of calling ``time``."""

    def now_ns(self) -> int:
        """UTC, nanoseconds since 1970."""

    def monotonic_ns(self) -> int:
        """Never goes back; only differences mean something."""

    async def sleep(self, seconds: float) -> None:
        """Like ``asyncio.sleep``; simulated clocks return when they are advanced."""

    @property
    def unsure(self) -> bool:
        """True until the first synchronisation: spans are then marked ``time_unsure``."""


class BoxClock:
    """The real clock. ``poll`` is to be called about once a second by the daemon."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._polled_ns = time.monotonic_ns()
        self._unsure = not _kernel_says_synchronised()

    def now_ns(self) -> int:
        return time.monotonic_ns() + self._offset_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @property
    def unsure(self) -> bool:
        return self._unsure

    def poll(self) -> int:
        """Follow the system clock; return the size of a step in ns, or 0 where there was none."""
        mono_ns = time.monotonic_ns()
        error_ns = time.time_ns() - mono_ns - self._offset_ns
        elapsed_ns = mono_ns - self._polled_ns
        self._polled_ns = mono_ns
        if self._unsure and _kernel_says_synchronised():
            self._unsure = False
        if abs(error_ns) > STEP_NS:
            self._offset_ns += error_ns
            return error_ns
        most_ns = elapsed_ns * SLEW_PPM // 1_000_000
        self._offset_ns += max(-most_ns, min(most_ns, error_ns))
        return 0


class ManualClock:
    """A clock that only moves when told: for tests and for replaying the past."""

    def __init__(self, start_ns: int = 1_768_919_400 * SECOND_NS) -> None:
        self._now_ns = start_ns
        self._mono_ns = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.unsure = False

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._mono_ns

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due_ns = self._mono_ns + round(seconds * SECOND_NS)
        heapq.heappush(self._sleepers, (due_ns, next(self._order), wake))
        await wake

    def set_ns(self, now_ns: int) -> None:
        """Step the wall clock without letting time pass."""
        self._now_ns = now_ns

    def tick(self, seconds: float) -> None:
        """Let time pass; sleepers that are due wake at the loop's next turn."""
        self._now_ns += round(seconds * SECOND_NS)
        self._mono_ns += round(seconds * SECOND_NS)
        while self._sleepers and self._sleepers[0][0] <= self._mono_ns:
            wake = heapq.heappop(self._sleepers)[2]
            if not wake.done():
                wake.set_result(None)

    async def advance(self, seconds: float, step_s: float = 1.0) -> None:
        """``tick`` in steps, giving everything that woke a chance to run after each."""
        end_ns = self._mono_ns + round(seconds * SECOND_NS)
        while self._mono_ns < end_ns:
            self.tick(min(step_s, (end_ns - self._mono_ns) / SECOND_NS))
            for _ in range(10):
                await asyncio.sleep(0)


def rfc3339(time_ns: int) -> str:
    """``2026-01-20T14:30:00.000Z``; milliseconds, rounded down."""
    seconds, rest_ns = divmod(time_ns, SECOND_NS)
    stamp = datetime.fromtimestamp(seconds, UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{rest_ns // MS_NS:03d}Z"


def parse_rfc3339(text: str, field: str | None = None) -> int:
    """Nanoseconds of an RFC 3339 time. A time without an offset is refused: UTC or nothing.

    Raises ``invalid`` for anything else.
    """
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        stamp = None
    if stamp is None or stamp.tzinfo is None or "T" not in text.upper():
        raise invalid(
            f"{text[:40]!r} is not a time",
            "write it as RFC 3339 with an offset, for example 2026-01-20T14:30:00.000Z",
            field=field,
        )
    whole = int(stamp.replace(microsecond=0).timestamp())
    return whole * SECOND_NS + stamp.microsecond * 1000


def boot_id() -> str:
    """The kernel's id of this boot: two runs with the same one lie between two power-ups."""
    override = os.environ.get("ARIES_BOOT_ID")  # tests play a power cut with it
    if override:
        return override
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _kernel_says_synchronised() -> bool:
    # systemd-timesyncd and chrony both leave this mark; a box without either has a
    # clock nobody vouches for, but a container's clock is its host's.
    if Path("/run/systemd/timesync/synchronized").exists():
        return True
    return not Path("/run/systemd/timesync").exists()
