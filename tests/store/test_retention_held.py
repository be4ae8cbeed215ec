"""What was made shorter from afar deletes nothing for a day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.settings import RetentionSettings, Settings
from appliance.store import retention_held, settings
from appliance.store.database import Database
from appliance.store.retention_held import WAITS_NS

LONG = RetentionSettings(30, None, 5, 2_000_000_000, 90)
SHORT = RetentionSettings(7, 1_000_000, 90, 3_000_000_000, 1)
ANY = st.builds(
    RetentionSettings, st.floats(1, 99), st.none() | st.integers(1, 99), st.floats(0, 90), st.integers(0, 99),
    st.floats(1, 99),
)  # fmt: skip


@pytest.fixture
def db(tmp_path):
    made = Database.open(tmp_path / "appliance.db", "appliance", synchronous="NORMAL")
    yield made
    made.close()


def save(conn, retention) -> None:
    settings.save(conn, Settings(retention))


def test_the_longer_one_is_in_force_for_a_day(db):
    def work(conn) -> None:
        save(conn, SHORT)
        until_ns = retention_held.hold(conn, LONG, 10)
        assert until_ns == 10 + WAITS_NS
        assert retention_held.in_force(conn, until_ns - 1) == LONG
        assert retention_held.in_force(conn, until_ns) == SHORT
        retention_held.let_go(conn)
        assert retention_held.in_force(conn, 10) == SHORT

    db.write_now(work)


def test_nothing_is_held_where_nothing_would_be_deleted_earlier(db):
    def work(conn) -> None:
        retention_held.hold(conn, SHORT, 0)
        save(conn, LONG)
        assert retention_held.held(conn, 1) is None and retention_held.in_force(conn, 1) == LONG

    db.write_now(work)


@given(ANY, ANY)
def test_what_is_in_force_deletes_no_more_than_either(one, two):
    laxer = retention_held._laxer(one, two)
    for each in (one, two):
        assert laxer.days >= each.days and laxer.event_days >= each.event_days
        assert laxer.reserve_percent <= each.reserve_percent and laxer.reserve_bytes <= each.reserve_bytes
        assert laxer.max_bytes is None or (each.max_bytes is not None and laxer.max_bytes >= each.max_bytes)
