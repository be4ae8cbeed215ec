from pathlib import Path

import pytest

from appliance.store import journal
from appliance.store.database import Database


@pytest.fixture
def db(tmp_path: Path):
    opened = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield opened
    opened.close()


def write(db, count: int, at_ns: int = 0) -> list[int]:
    return db.write_now(
        lambda c: [journal.append(c, "event", "gate", at_ns + i, {"n": i}) for i in range(count)]
    )


def test_a_reader_that_remembers_its_position_misses_nothing(db):
    assert db.read_now(journal.newest) == 0
    positions = write(db, 5)
    seen, at = [], 0
    while rows := db.read_now(lambda c, at=at: journal.since(c, at, 2)):
        seen += [row.id for row in rows]
        at = seen[-1]
    assert seen == positions
    assert db.read_now(lambda c: journal.since(c, positions[3], 9))[0].data == {"n": 4}


def test_positions_grow_also_after_everything_was_pruned(db):
    last = write(db, 3)[-1]
    assert db.write_now(lambda c: journal.prune(c, 10**18)) == 3
    assert db.read_now(journal.newest) == last
    assert write(db, 1) == [last + 1]


def test_pruning_goes_by_position_also_when_the_clock_was_set_back(db):
    write(db, 2, at_ns=1_000)
    write(db, 2, at_ns=0)
    write(db, 2, at_ns=2_000)
    assert db.write_now(lambda c: journal.prune(c, 500)) == 0, "older positions have younger times"
    assert db.write_now(lambda c: journal.prune(c, 1_500)) == 4
