"""What a hub lost in a restore is owed again, exactly that; the journal forgets by age and by size."""

import sqlite3
from pathlib import Path

import pytest

from appliance.store import delivered, outbox, outbox_counts, tombstones
from appliance.store.database import Database
from appliance.sync.protocol import counts

DAY_NS = 86_400 * 10**9
NOW_NS = 20_000 * DAY_NS  # 2024-10-04


@pytest.fixture
def db(tmp_path: Path):
    opened = Database.open(tmp_path / "appliance.db", "appliance", synchronous="NORMAL")
    yield opened
    opened.close()


def deliver(db: Database, *ids: str, kind="event", created_ns=NOW_NS, at_ns=NOW_NS, buried=False) -> None:
    def work(conn: sqlite3.Connection) -> None:
        for id_ in ids:
            outbox.enqueue(conn, ["hub"], id_, kind, b'{"n":1}', created_ns)
        if buried:
            tombstones.entomb(conn, created_ns + 1, "quota")
        outbox.take(conn, "hub", len(ids), at_ns)
        assert outbox.acknowledge(conn, "hub", ids, at_ns, journal=True) == len(ids)

    db.write_now(work)


def test_the_digest_is_the_protocols() -> None:
    assert all(delivered.digest(text) == counts.digest(text) for text in ("", "a", "0190-ü", "x" * 64))


def test_buckets_are_by_day_of_creation_and_kind_as_the_hub_has_it(db: Database) -> None:
    deliver(db, "a", "b")
    deliver(db, "c", created_ns=NOW_NS - DAY_NS)
    deliver(db, "d", buried=True)
    found = {(b.kind, b.day): (b.count, b.digest) for b in db.read_now(lambda c: delivered.buckets(c, "hub"))}
    assert found == {
        ("event", "2024-10-04"): (2, counts.digest("a") + counts.digest("b")),
        ("event", "2024-10-03"): (1, counts.digest("c")),
        ("tombstone", "2024-10-04"): (1, counts.digest("d")),
    }


def test_ids_come_in_pages_in_their_order(db: Database) -> None:
    deliver(db, *"edcba")
    page = db.read_now(lambda c: delivered.ids(c, "hub", "event", "2024-10-04", "b", 2))
    assert page == ["c", "d"]


def test_what_was_lost_is_owed_again_under_its_id_with_its_body(db: Database) -> None:
    deliver(db, "a", "b")
    deliver(db, "dead", buried=True)
    assert db.read_now(lambda c: delivered.acknowledged(c, "hub")) == 3
    lost = ["b", "dead", "never had"]
    assert db.write_now(lambda c: delivered.owe_again(c, "hub", lost, NOW_NS)) == 2
    assert db.write_now(lambda c: delivered.owe_again(c, "hub", lost, NOW_NS)) == 0, "once"
    figures = db.read_now(lambda c: outbox_counts.figures(c, "hub"))
    assert (figures.owed, figures.acknowledged, figures.tombstoned, figures.waiting) == (3, 1, 0, 2)
    rows = {row.id: row for row in db.write_now(lambda c: outbox.take(c, "hub", 9, NOW_NS))}
    assert rows["b"].body == b'{"n":1}' and rows["b"].created_ns == NOW_NS
    assert rows["dead"].is_tombstone and rows["dead"].kind == "event"
    assert [b.count for b in db.read_now(lambda c: delivered.buckets(c, "hub"))] == [1]
    db.write_now(lambda c: outbox.acknowledge(c, "hub", ["b", "dead"], NOW_NS, journal=True))
    assert sum(b.count for b in db.read_now(lambda c: delivered.buckets(c, "hub"))) == 3


def test_the_journal_forgets_by_age_and_a_day_with_its_last_row(db: Database) -> None:
    deliver(db, "old", at_ns=NOW_NS)
    deliver(db, "young", created_ns=NOW_NS + DAY_NS, at_ns=NOW_NS + DAY_NS)
    assert db.write_now(lambda c: delivered.prune(c, "hub", NOW_NS + 1, 1 << 40)) == 1
    assert [b.day for b in db.read_now(lambda c: delivered.buckets(c, "hub"))] == ["2024-10-05"]
    assert db.write_now(lambda c: delivered.owe_again(c, "hub", ["old"], NOW_NS)) == 0
    assert db.read_now(lambda c: delivered.acknowledged(c, "hub")) == 2, "what left, left"


def test_the_journal_forgets_by_size_and_a_row_that_is_forgotten_still_counts(db: Database) -> None:
    deliver(db, *[f"{n:02}" for n in range(10)])
    size = len(b'{"n":1}')
    assert db.write_now(lambda c: delivered.prune(c, "hub", 0, 4 * size)) == 6
    assert db.write_now(lambda c: delivered.prune(c, "hub", 0, 4 * size)) == 0
    (bucket,) = db.read_now(lambda c: delivered.buckets(c, "hub"))
    assert bucket.count == 10 and bucket.digest == sum(counts.digest(f"{n:02}") for n in range(10))
    assert db.read_now(lambda c: delivered.ids(c, "hub", "event", bucket.day)) == ["06", "07", "08", "09"]
