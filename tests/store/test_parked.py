"""What a target refused: looked at by pages, sent again one by one, given up as a tombstone (D5, D6)."""

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.store import outbox, outbox_counts, owed_files, parked, tombstones
from appliance.store.database import Database

TARGET = "cloud"
LOT = ("event", "alert", "event", "ledger", "event")


@pytest.fixture
def db(tmp_path):
    """Five rows of ``cloud`` that are parked, one that waits, and one of another target's that is parked."""
    opened = Database.open(tmp_path / "appliance.db", "appliance", synchronous="NORMAL")

    def work(conn) -> None:
        for n, kind in enumerate(LOT):
            outbox.enqueue(conn, [TARGET, "lan"], f"row-{n}", kind, b'{"camera_id":"gate"}', n)
        for target_id in (TARGET, "lan"):
            outbox.take(conn, target_id, 10, 10)
            outbox.park(conn, target_id, [f"row-{n}" for n in range(5)], "too long")
        outbox.enqueue(conn, [TARGET], "row-9", "event", b"{}", 9)

    opened.write_now(work)
    yield opened
    opened.close()


def law(db, target_id=TARGET):
    """D6 from the counters, and the counters from the rows."""
    found = db.read_now(lambda conn: outbox_counts.figures(conn, target_id))
    parts = found.acknowledged + found.tombstoned + found.waiting + found.in_flight + found.parked
    assert found.owed == parts
    count = "SELECT count(*) FROM outbox WHERE target_id = ? AND state = 2"
    assert found.parked == db.read_now(lambda conn: conn.execute(count, (target_id,)).fetchone()[0])
    size = "SELECT coalesce(sum(size_bytes), 0) FROM outbox WHERE target_id = ?"
    assert found.bytes == db.read_now(lambda conn: conn.execute(size, (target_id,)).fetchone()[0])
    return found


def test_pages_hold_each_row_once_the_newest_first(db):
    seen, cursor = [], None
    while True:
        rows, cursor, total = db.read_now(lambda conn, at=cursor: parked.page(conn, TARGET, 2, at))
        seen += rows
        assert total == 5 and len(rows) <= 2
        if cursor is None:
            break
    assert [row.id for row in seen] == ["row-4", "row-3", "row-2", "row-1", "row-0"]
    assert {(row.error, row.attempts, row.is_tombstone) for row in seen} == {("too long", 1, False)}
    with pytest.raises(ApplianceError):
        db.read_now(lambda conn: parked.page(conn, TARGET, 2, "not-ours"))


def test_one_row_waits_again_and_the_others_stay(db):
    assert db.write_now(lambda conn: parked.unpark(conn, TARGET, "row-1"))
    assert not db.write_now(lambda conn: parked.unpark(conn, TARGET, "row-1")), "not parked any more"
    assert not db.write_now(lambda conn: parked.unpark(conn, TARGET, "row-9")), "it never was"
    found = law(db)
    assert (found.parked, found.waiting) == (4, 2) and law(db, "lan").parked == 5
    taken = db.write_now(lambda conn: outbox.take(conn, TARGET, 10, 20))
    assert {row.id for row in taken} == {"row-1", "row-9"}


def test_one_row_given_up_is_a_tombstone_that_waits_under_its_id(db):
    assert db.write_now(lambda conn: tombstones.entomb_parked(conn, TARGET, "why", "row-3")) == 1
    assert db.read_now(lambda conn: parked.get(conn, TARGET, "row-3")) is None
    found = law(db)
    assert (found.owed, found.parked, found.waiting) == (6, 4, 2) and law(db, "lan").parked == 5
    taken = db.write_now(lambda conn: outbox.take(conn, TARGET, 10, 20))
    (grave,) = [row for row in taken if row.is_tombstone]
    assert (grave.id, grave.kind, grave.body) == ("row-3", "ledger", b'{"kind":"ledger","reason":"why"}')
    db.write_now(lambda conn: outbox.acknowledge(conn, TARGET, [row.id for row in taken]))
    assert (law(db).tombstoned, law(db).acknowledged) == (1, 1)


def test_all_are_given_up_some_at_a_time_and_nothing_else_is(db):
    assert db.write_now(lambda conn: tombstones.entomb_parked(conn, TARGET, "why", limit=3)) == 3
    law(db)
    assert db.write_now(lambda conn: tombstones.entomb_parked(conn, TARGET, "why")) == 2
    assert db.write_now(lambda conn: tombstones.entomb_parked(conn, TARGET, "why")) == 0
    found = law(db)
    assert (found.parked, found.waiting) == (0, 6) and law(db, "lan").parked == 5
    taken = db.write_now(lambda conn: outbox.take(conn, TARGET, 10, 20))
    assert sorted(row.id for row in taken if not row.is_tombstone) == ["row-9"]


def test_a_tombstone_that_was_refused_stays_parked_and_is_no_second_one(db):
    db.write_now(lambda conn: tombstones.entomb_parked(conn, TARGET, "why", "row-0"))
    db.write_now(lambda conn: outbox.take(conn, TARGET, 10, 20))
    db.write_now(lambda conn: outbox.park(conn, TARGET, ["row-0"], "no tombstones here"))
    row = db.read_now(lambda conn: parked.get(conn, TARGET, "row-0"))
    assert row.is_tombstone and row.attempts == 2 and row.error == "no tombstones here"
    assert db.write_now(lambda conn: tombstones.entomb_parked(conn, TARGET, "again", "row-0")) == 0
    assert law(db).parked == 5
    assert db.write_now(lambda conn: parked.unpark(conn, TARGET, "row-0")) and law(db).parked == 4


def test_footage_that_only_a_given_up_row_owed_is_let_go(tmp_path):
    with_file = Database.open(tmp_path / "b.db", "appliance", synchronous="NORMAL")

    def work(conn) -> None:

        body = msgspec.json.encode(owed_files.owed_file("e-1", "gate", 0, 5_000_000_000))
        outbox.enqueue(conn, [TARGET], "clip-1", "clip", body, 5)
        outbox.take(conn, TARGET, 1, 10, files=True)
        outbox.park(conn, TARGET, ["clip-1"], "no room")

    with_file.write_now(work)
    count = "SELECT count(*) FROM locks"
    assert with_file.read_now(lambda conn: conn.execute(count).fetchone()[0]) == 1
    with_file.write_now(lambda conn: tombstones.entomb_parked(conn, TARGET, "why", "clip-1"))
    assert with_file.read_now(lambda conn: conn.execute(count).fetchone()[0]) == 0
    taken = with_file.write_now(lambda conn: outbox.take(conn, TARGET, 5, 10))
    assert [(row.id, row.is_tombstone) for row in taken] == [("clip-1", True)]
    with_file.close()
