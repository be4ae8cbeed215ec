"""A budget is kept whatever is sent, however the clock steps and however often the box dies."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.clock import ManualClock
from appliance.store import spent
from appliance.store.database import Database
from appliance.store.policy import Budget
from appliance.sync.budget import Meter

SECOND_NS = 10**9
MIDNIGHT_NS = round(datetime(2026, 1, 20, tzinfo=UTC).timestamp()) * SECOND_NS


class Metered:
    def __init__(self, folder: Path, zone: str = "Etc/UTC", **budget) -> None:
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
        self.clock = ManualClock(MIDNIGHT_NS + 12 * 3600 * SECOND_NS)
        self.zone = zone
        self.budget = msgspec.convert({"overhead_percent": 0} | budget, Budget)
        self.meter = Meter(self.db, "hub", self.budget, zone, self.clock)

    async def reboot(self) -> None:
        """What was not stored is forgotten."""
        self.meter = Meter(self.db, "hub", self.budget, self.zone, self.clock)
        await self.meter.load()

    def store(self) -> None:
        pending = self.meter.pending()
        self.db.write_now(lambda c: spent.add(c, "hub", pending))


@pytest.fixture
def metered(tmp_path: Path):
    made: list[Metered] = []

    def make(**fields) -> Metered:
        made.append(Metered(tmp_path, **fields))
        return made[-1]

    yield make
    for each in made:
        each.db.close()


def at(hour: int, minute: int = 0, day: int = 20, month: int = 1) -> int:
    return round(datetime(2026, month, day, hour, minute, tzinfo=UTC).timestamp()) * SECOND_NS


def test_without_limits_everything_may_go(metered) -> None:
    meter = metered().meter
    meter.charge(10**12)
    assert meter.most_lane() == 7 and meter.left(7) > 10**15 and meter.wait_s() == 0


def test_the_last_half_percent_is_for_rows_and_only_alerts_go_a_little_over(metered) -> None:
    meter = metered(day_bytes=1_000_000).meter
    meter.charge(994_000)
    assert meter.most_lane() == 2, "files stop first"
    meter.charge(5_000)
    assert meter.most_lane() == 1
    meter.charge(8_000)
    assert meter.most_lane() == -1 and meter.used()[0] <= 1_010_000, "within one per cent"


def test_the_day_is_the_sites_also_when_it_has_23_hours(metered) -> None:
    box = metered(zone="Europe/Berlin", day_bytes=1_000)
    box.clock.set_ns(at(22, 30, day=28, month=3))  # 23:30 in Berlin, before the night that lacks an hour
    box.meter.charge(1_000)
    assert box.meter.used()[0] == 1_000
    box.clock.set_ns(at(23, 30, day=28, month=3))  # 00:30 of the 29th
    assert box.meter.used() == (0, 0)
    box.meter.charge(700)
    box.clock.set_ns(at(21, 30, day=29, month=3))  # 23:30 of the same day
    assert box.meter.used() == (700, 0)
    box.clock.set_ns(at(22, 0, day=29, month=3))  # midnight came an hour early
    assert box.meter.used()[0] == 0


def test_hours_are_their_own(metered) -> None:
    box = metered(hour_bytes=10_000, day_bytes=100_000, zone="Asia/Kathmandu")  # +05:45
    box.clock.set_ns(at(12, 20))  # 18:05
    box.meter.charge(10_000)
    assert box.meter.most_lane() == -1 or box.meter.most_lane() <= 1
    box.clock.set_ns(at(13, 14))
    assert box.meter.used() == (10_000, 10_000)
    box.clock.set_ns(at(13, 15))  # 19:00
    assert box.meter.used() == (10_000, 0)


def test_rates_by_the_time_of_day(metered) -> None:
    windows = [
        {"days": ["tue"], "from": "08:00", "to": "18:00", "bytes_per_s": 1_000},
        {"days": ["tue"], "from": "18:00", "to": "19:00", "bytes_per_s": 0},
    ]
    box = metered(windows=windows, bytes_per_s=50_000, zone="Europe/Berlin")
    box.clock.set_ns(at(6, 59))
    assert box.meter.rate() == 50_000
    box.clock.set_ns(at(7, 0))
    assert box.meter.rate() == 1_000
    box.clock.set_ns(at(17, 30))
    assert (box.meter.rate(), box.meter.most_lane()) == (0, 1), "nothing but alerts"


def test_a_metered_link_takes_only_the_lanes_it_is_told(metered) -> None:
    assert metered(metered=True, metered_lane=3).meter.most_lane() == 3


async def test_the_rate_is_held_to_the_percent(metered) -> None:
    box = metered(bytes_per_s=8_000)
    sent = 0
    for _ in range(3_000):
        box.clock.tick(0.05)
        while box.meter.wait_s() <= 0:
            await box.meter.charge_piece(1_000)
            sent += 1_000
    assert sent == pytest.approx(8_000 * 150, rel=0.01)


async def test_a_crash_counts_too_much_never_too_little(metered) -> None:
    box = metered(day_bytes=100_000_000)
    await box.meter.load()
    for _ in range(150):
        await box.meter.charge_piece(10_000)
    await box.reboot()
    assert 1_500_000 <= box.meter.used()[0] <= 1_500_000 + 262_144
    await box.meter.charge_piece(10_000)
    box.meter.file_is_over()
    box.store()
    before = box.meter.used()[0]
    await box.reboot()
    assert box.meter.used()[0] == before, "a clean end gives back what did not go"


@pytest.mark.parametrize("limit", ["day_bytes", "hour_bytes"])
async def test_of_a_small_budget_a_crash_costs_a_quarter_of_a_percent(metered, limit) -> None:
    box = metered(**{limit: 4_000_000})
    await box.meter.load()
    await box.meter.charge_piece(1_000)
    await box.reboot()
    assert 1_000 <= box.meter.used()[0] <= 10_000


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["piece", "batch", "crash", "over"]), st.integers(1, 300_000)), max_size=40
    )
)
@settings(max_examples=40, deadline=None)
def test_what_is_stored_is_never_less_than_what_went_out(tmp_path_factory, steps) -> None:
    import asyncio

    async def play() -> None:
        box = Metered(tmp_path_factory.mktemp("meter"), day_bytes=1 << 40)
        await box.meter.load()
        out = 0
        for what, size in steps:
            if what == "piece":
                await box.meter.charge_piece(size)
                out += size
            elif what == "batch":
                box.db.write_now(lambda c, size=size: spent.add(c, "hub", [(box.meter.slot(), size)]))
                box.meter.charge(size, stored=True)
                out += size
            elif what == "over":
                box.meter.file_is_over()
                box.store()
            else:
                await box.reboot()
            assert box.meter.used()[0] >= out
        box.db.close()

    asyncio.run(play())


def test_a_clock_that_was_years_ahead_does_not_use_up_today(metered) -> None:
    box = metered(day_bytes=1_000)
    now_ns = box.clock.now_ns()
    box.clock.set_ns(now_ns + 400 * 86_400 * SECOND_NS)
    box.meter.charge(1_000)
    box.clock.set_ns(now_ns)
    assert box.meter.used()[0] == 0
    box.store()
    box.db.write_now(lambda c: spent.prune(c, now_ns // spent.SLOT_NS))
    assert box.db.read_now(lambda c: spent.slots(c, "hub", 0)) == {}
