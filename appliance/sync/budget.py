"""What a target may cost: bytes per day and hour, a rate by the time of day, metered links.

Counted is what goes out: what the target says it wrote (else bodies and what they are wrapped in), and on top
what the network's headers cost (``Budget.overhead_percent``). It is charged before it goes, and stored, so
that neither a crash nor a reboot forgets what today has used. The rate is held by the generic cell rate
algorithm (ITU-T I.371, virtual scheduling).
"""

from collections import defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.model import Schedule, ScheduleWindow
from appliance.rules.schedule import is_active
from appliance.store import spent
from appliance.store.database import Database
from appliance.store.policy import LANES, ROWS_FIRST, URGENT, Budget

RESERVED = 0.005  # of each limit is kept for rows up to ROWS_FIRST
OVERDRAFT = 0.009  # ... and this much over it goes for those up to URGENT: within the 1 % that is promised
AHEAD_BYTES = 262_144  # stored before it goes out: a crash counts too much, never too little ...
AHEAD_PART = 1 / 400  # ... and of a small budget no more than this part of it
REQUEST_BYTES = 400  # line and headers of a request, where the target does not say
ROW_BYTES = 120  # what a row's body is wrapped in
LEAST_BYTES = 2_000  # with less left a limit counts as reached
BURST_NS = SECOND_NS // 4
UNLIMITED = 1 << 60


class Meter:
    """Of one target. ``load`` before anything else."""

    def __init__(self, db: Database, target_id: str, budget: Budget, zone: str, clock: Clock) -> None:
        self._db, self._target_id, self._budget, self._clock = db, target_id, budget, clock
        self._zone = ZoneInfo(zone)
        self._slots: defaultdict[int, int] = defaultdict(int)
        self._unstored: defaultdict[int, int] = defaultdict(int)
        self._ahead_bytes = 0  # stored, but not out yet
        self._free_ns = 0  # monotonic: when the rate lets the next byte go

    async def load(self) -> None:
        now_slot = self.slot()
        self._slots.update(
            await self._db.read(lambda conn: spent.slots(conn, self._target_id, now_slot - spent.KEPT_SLOTS))
        )

    def cost(self, payload_bytes: int) -> int:
        return round(payload_bytes * (1 + self._budget.overhead_percent / 100))

    def used(self) -> tuple[int, int]:
        """Bytes of the site's day and of its hour, until now."""
        day, hour = self._intervals()
        return self._between(*day), self._between(*hour)

    def left(self, lane: int) -> int:
        """Bytes that a row of this lane may still cost; at most ``UNLIMITED``."""
        part = 1 + OVERDRAFT if lane <= URGENT else 1.0 if lane <= ROWS_FIRST else 1 - RESERVED
        day, hour = self.used()
        limits = ((self._budget.day_bytes, day), (self._budget.hour_bytes, hour))
        return min((int(most * part) - used for most, used in limits if most is not None), default=UNLIMITED)

    def most_lane(self) -> int:
        """Up to which lane anything may go now; -1: nothing at all."""
        lane = self._budget.metered_lane if self._budget.metered else LANES - 1
        for lower in (ROWS_FIRST, URGENT, -1):
            if lane > lower and self.left(lane) < LEAST_BYTES:
                lane = lower
        return min(lane, URGENT) if self.rate() == 0 else lane

    def rate(self) -> int | None:
        """Bytes per second now; None: no limit."""
        for window in self._budget.windows:
            plain = Schedule((ScheduleWindow(days=window.days, start=window.start, end=window.end),))
            if is_active(plain, self._clock.now_ns(), self._zone):
                return window.bytes_per_s
        return self._budget.bytes_per_s

    def wait_s(self) -> float:
        """How long the rate wants the next piece to wait."""
        return max(0, self._free_ns - BURST_NS - self._clock.monotonic_ns()) / SECOND_NS

    def charge(self, size_bytes: int, *, stored: bool = False) -> None:
        """So much goes out now, or went out beyond what was charged; negative: less. ``stored``: the
        database knows; else it is told with what ``pending`` gives."""
        slot = self.slot()
        if slot not in self._slots:  # once in a quarter of an hour
            for old in [known for known in self._slots if known < slot - spent.KEPT_SLOTS]:
                del self._slots[old]
        self._slots[slot] += size_bytes
        if not stored:
            self._unstored[slot] += size_bytes
        rate = self.rate()
        if rate:
            now_ns = self._clock.monotonic_ns()
            self._free_ns = max(now_ns, self._free_ns) + size_bytes * SECOND_NS // rate

    def pending(self) -> list[tuple[int, int]]:
        """Slots and bytes that are to be stored, once: ``spent.add`` them in the transaction that settles."""
        found = [(slot, size) for slot, size in self._unstored.items() if size]
        self._unstored.clear()
        return found

    async def charge_piece(self, size_bytes: int) -> None:
        """The same for one piece of a file, stored ahead by some of them at a time."""
        if self._ahead_bytes < size_bytes:
            slot, more = self.slot(), max(self._most_ahead_bytes(), size_bytes)
            self._ahead_bytes += more
            await self._db.write(lambda conn: spent.add(conn, self._target_id, [(slot, more)]))
        self._ahead_bytes -= size_bytes
        self.charge(size_bytes, stored=True)

    def _most_ahead_bytes(self) -> int:
        limits = (self._budget.day_bytes, self._budget.hour_bytes)
        return min((AHEAD_BYTES, *(int(most * AHEAD_PART) for most in limits if most is not None)))

    def file_is_over(self) -> None:
        """What was stored ahead and did not go is given back with the next ``pending``."""
        self._unstored[self.slot()] -= self._ahead_bytes
        self._ahead_bytes = 0

    def slot(self) -> int:
        return self._clock.now_ns() // spent.SLOT_NS

    def _between(self, start_slot: int, end_slot: int) -> int:
        return sum(size for slot, size in self._slots.items() if start_slot <= slot < end_slot)

    def _intervals(self) -> tuple[tuple[int, int], tuple[int, int]]:
        now = datetime.fromtimestamp(self._clock.now_ns() // SECOND_NS, self._zone)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        tomorrow = (midnight + timedelta(days=1)).replace(fold=0)
        hour_s = int(now.timestamp()) - now.minute * 60 - now.second
        return (_slot_of(midnight.timestamp()), _slot_of(tomorrow.timestamp())), (
            _slot_of(hour_s),
            _slot_of(hour_s + 3600),
        )


def _slot_of(seconds: float) -> int:
    return int(seconds) * SECOND_NS // spent.SLOT_NS
