"""Which frames a detector sees, and when.

Of a camera's frames the grid picks ``fps`` a second; of these a look is worth it where something
moves, sparingly while known tracks stand still, and now and then in any case. Whose turn it is then:
``batcher``.
"""

from appliance.vision.looking.gate import Motion

SECOND_NS = 1_000_000_000
AFTERGLOW_NS = 1 * SECOND_NS  # keep looking after the last motion
WATCH_NS = 1 * SECOND_NS  # between looks at tracks that stand still
IDLE_NS = 5 * SECOND_NS  # between looks at nothing


class Grid:
    """Picks frames at ``fps``, evenly, and lets a camera's timing wander by a quarter of a period: a
    camera that sends exactly ``fps`` loses none."""

    def __init__(self, fps: float) -> None:
        self.fps = max(0.1, fps)
        self._period_ns = round(SECOND_NS / self.fps)
        self._due_ns: int | None = None

    def pick(self, time_ns: int) -> bool:
        """In presentation order; a clock that went back starts a new grid."""
        due_ns = self._due_ns
        if due_ns is None or abs(time_ns - due_ns) > 2 * self._period_ns:
            self._due_ns = time_ns + self._period_ns
            return True
        if self.may_skip(time_ns):
            return False
        self._due_ns = due_ns + self._period_ns
        return True

    def may_skip(self, time_ns: int) -> bool:
        """True: it will not be picked. Good for packets too, in decoding order, since what is still
        on its way only moves the next pick further off."""
        due_ns = self._due_ns
        return due_ns is not None and due_ns - 2 * self._period_ns <= time_ns < due_ns - self._period_ns // 4


class Looks:
    """Whether a picked frame goes to the detector."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._hot_until_ns = 0

    def wants(self, time_ns: int, motion: Motion, *, known: bool, unsure: bool) -> bool:
        """``known``: there are tracks; ``unsure``: some of them wait to be confirmed."""
        if motion.any:
            self._hot_until_ns = time_ns + AFTERGLOW_NS
        since_ns = IDLE_NS if self._last_ns is None else time_ns - self._last_ns
        due_ns = WATCH_NS if known else IDLE_NS
        wants = unsure or time_ns < self._hot_until_ns or since_ns >= due_ns or since_ns < 0
        if wants:
            self._last_ns = time_ns
        return wants
