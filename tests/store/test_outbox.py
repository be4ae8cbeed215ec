"""D1-D6 against real SQLite: whatever is done in whatever order, the sum holds and nothing is lost."""

import sqlite3
from pathlib import Path

import pytest

from appliance.store import outbox, outbox_counts, tombstones
from appliance.store.database import Database

SECOND_NS = 1_000_000_000
TARGET = "cloud"


@pytest.fixture
def db(tmp_path: Path):
    opened = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield opened
    opened.close()


def owe(db: Database, *row_ids: str, target_ids=(TARGET,), kind="event", created_ns=0) -> None:
    def work(conn: sqlite3.Connection) -> None:
        for row_id in row_ids:
            outbox.enqueue(conn, target_ids, row_id, kind, b"{}", created_ns)

    db.write_now(work)


def take(db: Database, limit: int = 100, now_ns: int = 0) -> list[str]:
    return [row.id for row in db.write_now(lambda c: outbox.take(c, TARGET, limit, now_ns))]


def test_rows_are_taken_in_the_order_they_were_made_not_by_id(db):
    owe(db, "c", "a", "b")
    assert take(db, 2) == ["c", "a"]
    assert take(db) == ["b"]
    assert take(db) == []


def test_a_row_leaves_only_when_its_own_target_acknowledged_it(db):
    owe(db, "a", target_ids=("cloud", "lan"))
    assert db.write_now(lambda c: outbox.acknowledge(c, "cloud", ["a"])) == 0, "not in flight yet"
    take(db)
    assert db.write_now(lambda c: outbox.acknowledge(c, "cloud", ["a", "a", "never sent"])) == 1
    assert db.read_now(lambda c: outbox_counts.figures(c, "cloud")).acknowledged == 1
    assert db.read_now(lambda c: outbox_counts.figures(c, "lan")).waiting == 1


def test_a_row_is_not_due_before_its_pause_is_over_unless_the_clock_was_set_back(db):
    owe(db, "a")
    take(db)
    db.write_now(lambda c: outbox.retry(c, TARGET, ["a"], 3_600 * SECOND_NS + 5 * SECOND_NS, "silence"))
    assert take(db, now_ns=3_600 * SECOND_NS) == []
    assert db.read_now(lambda c: outbox.next_due_ns(c, TARGET)) == 3_605 * SECOND_NS
    assert take(db, now_ns=0) == ["a"], "an hour back: due"


def test_a_crash_between_taking_and_answering_sends_the_row_again(db):
    owe(db, "a", "b")
    take(db, 1)
    db.write_now(lambda c: outbox.recover(c, TARGET))
    assert take(db) == ["a", "b"]


def test_a_dropped_body_is_delivered_as_a_tombstone_under_the_same_id(db):
    owe(db, "old", "flying", created_ns=1)
    owe(db, "young", created_ns=100)
    db.write_now(lambda c: outbox.park(c, TARGET, take_one(c), "400"))
    assert db.write_now(lambda c: [row.id for row in outbox.take(c, TARGET, 1, 0)]) == ["flying"]
    assert db.write_now(lambda c: tombstones.entomb(c, 50, "expired")) == 1
    assert db.write_now(lambda c: tombstones.entomb(c, 50, "expired")) == 0
    rows = {row.id: row for row in db.write_now(lambda c: outbox.take(c, TARGET, 9, 0))}
    assert rows["old"].is_tombstone and b"expired" in rows["old"].body
    assert not rows["young"].is_tombstone
    db.write_now(lambda c: outbox.acknowledge(c, TARGET, ["old", "flying", "young"]))
    figures = db.read_now(lambda c: outbox_counts.figures(c, TARGET))
    assert (figures.owed, figures.acknowledged, figures.tombstoned) == (3, 2, 1)


def take_one(conn: sqlite3.Connection) -> list[str]:
    return [row.id for row in outbox.take(conn, TARGET, 1, 0)]


def test_the_same_id_cannot_be_owed_twice_to_one_target(db):
    owe(db, "a")
    with pytest.raises(Exception, match="UNIQUE"):
        owe(db, "a")
    assert db.read_now(lambda c: outbox_counts.figures(c, TARGET)).owed == 1


def test_a_forgotten_target_owes_nothing(db):
    owe(db, "a", target_ids=("cloud", "lan"))
    db.write_now(lambda c: outbox.forget(c, "lan"))
    assert db.read_now(lambda c: outbox_counts.figures(c, "lan")) == outbox_counts.TargetFigures()
    assert db.read_now(outbox_counts.depth) == 1
