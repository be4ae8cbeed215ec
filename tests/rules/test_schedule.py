from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import Schedule
from appliance.rules.schedule import DAYS, is_active, validate

BERLIN = ZoneInfo("Europe/Berlin")


def schedule(start: str, end: str, *days: str) -> Schedule:
    return msgspec.convert({"windows": [{"days": days or DAYS, "from": start, "to": end}]}, Schedule)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def minutes_active(plan: Schedule, first_utc: str, hours: int) -> int:
    start = datetime.fromisoformat(first_utc).replace(tzinfo=UTC)
    moments = (start + timedelta(minutes=n) for n in range(hours * 60))
    return sum(is_active(plan, int(m.timestamp()) * 1_000_000_000, BERLIN) for m in moments)


def test_none_is_always():
    assert is_active(None, 0, BERLIN)


@pytest.mark.parametrize(
    ("utc", "active"),
    [
        ("2026-01-20T20:59", False),  # Tuesday 21:59 in Berlin
        ("2026-01-20T21:00", True),
        ("2026-01-21T04:59", True),  # Wednesday 05:59, of Tuesday's window
        ("2026-01-21T05:00", False),
        ("2026-01-21T22:00", False),  # Wednesday's own evening is not in it
        ("2026-01-20T03:00", False),  # Tuesday 04:00 would be Monday's window
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_begins_on(utc, active):
    assert is_active(schedule("22:00", "06:00", "tue"), at(utc), BERLIN) is active


def test_the_skipped_hour_of_spring_and_the_repeated_one_of_autumn():
    night = schedule("01:00", "04:00")
    assert minutes_active(night, "2026-03-28T23:00", 23) == 120
    assert minutes_active(night, "2026-10-24T22:00", 25) == 240
    assert minutes_active(schedule("02:00", "03:00"), "2026-03-28T23:00", 23) == 0


@pytest.mark.parametrize("ends", [("00:00", "24:00"), ("08:00", "08:00"), ("00:00", "00:00")])
def test_a_whole_day(ends):
    assert minutes_active(schedule(*ends), "2026-06-01T22:00", 24) == 24 * 60


@pytest.mark.parametrize("text", ["7:00", "24:01", "12:60", "noon", "12:00:00", "", "-1:00"])
def test_what_is_no_time_of_day_is_refused(text):
    with pytest.raises(ApplianceError) as caught:
        validate(schedule("08:00", text))
    assert (caught.value.kind, caught.value.field) == ("invalid", "schedule.windows[0].to")
