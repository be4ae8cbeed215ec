"""The audit: rows are only added; views once per person, thing and 5 min."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.base.model import User
from appliance.store import audit
from appliance.store.database import Database

BOB, ADA = User("u-1", "bob", "viewer"), User("u-2", "ada", "admin")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield database
    database.close()


def test_pages_are_whole_and_newest_first(db: Database) -> None:
    for number in range(10):
        db.write_now(lambda c, n=number: audit.add(c, n, BOB, "changed", f"camera/{n}", {"n": n}))
    seen, cursor = [], None
    while True:
        rows, cursor, total = db.read_now(lambda c, cursor=cursor: audit.page(c, 4, cursor))
        assert total == 10
        seen += rows
        if cursor is None:
            break
    assert [row.thing for row in seen] == [f"camera/{n}" for n in range(9, -1, -1)]
    assert seen[0].detail == {"n": 9} and seen[0].username == "bob"


def test_nobody_is_somebody_too(db: Database) -> None:
    db.write_now(lambda c: audit.add(c, 1, None, "refused", "user", {}))
    (row,), _, _ = db.read_now(lambda c: audit.page(c, 10, None))
    assert (row.user_id, row.username) == (None, None)


def test_once_per_person_action_thing_and_5_minutes(db: Database) -> None:
    def once(time_s: int, user: User, action: str = "viewed", thing: str = "camera/gate") -> bool:
        return db.write_now(lambda c: audit.add_once(c, time_s * SECOND_NS, user, action, thing))

    assert once(0, BOB) and not once(299, BOB) and once(300, BOB)
    assert once(0, ADA) and once(300, BOB, "exported") and once(300, BOB, thing="camera/yard")
    assert once(10_000, BOB)
    assert once(5_000, BOB)  # the clock was set back: better a row too many


@given(st.text(max_size=20))
def test_foreign_cursors_are_invalid(cursor: str) -> None:
    try:
        audit._position(cursor)
    except ApplianceError as error:
        assert error.kind == "invalid" and error.field == "cursor"
    else:
        assert cursor[0] == "a"
