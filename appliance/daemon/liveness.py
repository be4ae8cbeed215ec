"""Who is stuck: feeds the service manager's watchdog as long as nobody is whom a restart would help.

Where the line lies. A restart costs every camera a second, so it must mend something:

* A thread that is at one packet or one file for longer than ``STUCK_S``, or whose video reaches no file
  although no disk has failed, or that has ended: **our own fault**, which nothing but a new process mends.
  Nothing is fed any more, and the watchdog ends us. So does a loop that does not turn, by itself.
* A camera that is unplugged, refuses us or sends rubbish: its thread waits for it, and that is a **state**:
  a gap with its cause, "offline" on the screen. There may be no camera at all for a year.
* A disk that answers with errors, is full or gone: a **state**, too: the thread gets its answer, ends the
  segment with the cause, and tries again at the next key frame.
* A disk that does not answer at all: the thread sleeps in the kernel ("D", proc(5)), where no signal
  reaches it. A process with such a thread cannot even be ended, and a new one would wait at the same
  disk: a restart would take the other disks, the screen and the alarms away, for ever. So this is a
  **state** as well, and said: "the disk does not answer". When it answers again, all goes on.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from appliance.base.clock import SECOND_NS, Clock
from appliance.daemon.health import Finding
from appliance.media.work import Work
from appliance.system.notify import Notifier

log = logging.getLogger(__name__)

PERIOD_S = 1.0
STUCK_S = 10.0  # a turn takes a millisecond; what makes it longer, the disk, is excused
START_PERIOD_S = 10.0
START_GRACE_S = 60.0  # a loop that does not turn while the box starts is ended after so long
LONGEST_START_S = 3_600.0  # the recovery of a full disk on a slow machine is far below


class Liveness:
    """``works``: of all threads that move bytes, now."""

    def __init__(
        self,
        clock: Clock,
        works: Callable[[], list[Work]],
        notifier: Notifier,
        in_kernel: Callable[[int], bool] | None = None,
    ) -> None:
        self._clock, self._works, self._notifier = clock, works, notifier
        self._in_kernel = in_kernel or sleeps_in_kernel
        self._excused: dict[str, int] = {}  # name -> when it was last seen waiting for a disk
        self._stuck: list[str] = []
        self._unanswered: list[str] = []

    async def run(self) -> None:
        """For ever. A task of its own: no duty that waits for a disk may hold it up."""
        while True:
            self.look()
            await self._clock.sleep(PERIOD_S)

    def look(self) -> None:
        """Feed the watchdog, or do not."""
        now_ns = self._clock.monotonic_ns()
        stuck, self._unanswered = [], []
        for work in self._works():
            if not work.alive or self._stands_still(work, now_ns):
                stuck.append(work.name)
        if not stuck:
            self._notifier.watchdog()
        elif stuck != self._stuck:
            text = f"recording is stuck ({', '.join(stuck)}): waiting for the watchdog"
            log.critical("%s", text)
            self._notifier.status(text)
        self._stuck = stuck

    def _stands_still(self, work: Work, now_ns: int) -> bool:
        """By our own fault, that is."""
        if not work.since_ns or now_ns - work.since_ns < STUCK_S * SECOND_NS:
            self._excused.pop(work.name, None)
            return False
        if work.native_id is not None and self._in_kernel(work.native_id):
            self._excused[work.name] = now_ns
            self._unanswered.append(work.name)
            return False
        return now_ns - self._excused.get(work.name, work.since_ns) >= STUCK_S * SECOND_NS

    def findings(self) -> list[Finding]:
        if self._stuck:
            return [
                (
                    "recording",
                    "failing",
                    f"{len(self._stuck)} of its threads stuck; the box restarts",
                )
            ]
        if self._unanswered:
            return [("recording", "failing", "the disk does not answer")]
        return [("recording", "ok", "nothing holds it up")]


async def ask_for_time(clock: Clock, notifier: Notifier) -> None:
    """While the box starts: what a recovery takes depends on the footage and the disk, and no bound in a unit
    knows either. Ends after ``LONGEST_START_S``, from where on the manager's patience counts."""
    until_ns = clock.monotonic_ns() + round(LONGEST_START_S * SECOND_NS)
    while clock.monotonic_ns() < until_ns:
        notifier.extend(START_GRACE_S)
        await clock.sleep(START_PERIOD_S)


def sleeps_in_kernel(native_id: int) -> bool:
    """True for a thread of this process that waits for a device, and cannot be interrupted."""
    try:
        text = Path(f"/proc/self/task/{native_id}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] == "D"
