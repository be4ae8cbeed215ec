"""Times and words on the server's side."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from appliance.base.clock import SECOND_NS
from appliance.web.pages import words

BERLIN = ZoneInfo("Europe/Berlin")
NOW_NS = int(datetime(2026, 1, 20, 15, tzinfo=UTC).timestamp()) * SECOND_NS


@pytest.mark.parametrize(("date", "hours"), [("2026-01-20", 24), ("2026-03-29", 23), ("2026-10-25", 25)])
def test_the_sites_day_has_the_hours_it_has(date, hours):
    start_ns, end_ns = words.site_day(date, BERLIN)
    assert (end_ns - start_ns) / SECOND_NS == hours * 3600


@pytest.mark.parametrize("date", ["", "yesterday", "2026-13-01", "2026-02-30", "../etc"])
def test_what_is_no_day_is_refused(date):
    with pytest.raises(ValueError):
        words.site_day(date, BERLIN)


def test_a_moment_of_another_day_says_which():
    assert words.moment("2026-01-20T13:30:05.000Z", BERLIN, NOW_NS) == "14:30:05"
    assert words.moment("2026-01-19T23:30:05.000Z", BERLIN, NOW_NS) == "00:30:05"  # the site's today
    assert words.moment("2026-01-18T13:30:05.000Z", BERLIN, NOW_NS) == "Sun 18 Jan 14:30:05"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (61, "1 min"), (7200, "2 h"), (9e5, "10 d")]
)
def test_how_long(seconds, text):
    assert words.how_long(seconds) == text
