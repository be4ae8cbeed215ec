"""An outbox from before lanes: every row and every count of it survives, and the shape is the newest."""

import json
import sqlite3
from pathlib import Path

import pytest

from appliance.store import migrations, outbox, outbox_counts
from appliance.store.database import Database

OLD = (
    "DROP TABLE outbox; DROP TABLE outbox_flight; DROP TABLE outbox_counts; DROP TABLE delivered;"
    "DROP TABLE delivered_days; DROP TABLE spent;"
    "CREATE TABLE outbox (id TEXT NOT NULL, target_id TEXT NOT NULL, kind TEXT NOT NULL,"
    " position INTEGER NOT NULL, body BLOB NOT NULL, is_tombstone INTEGER NOT NULL DEFAULT 0,"
    " state TEXT NOT NULL CHECK (state IN ('waiting','in_flight','parked')), created_ns INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0, next_attempt_ns INTEGER NOT NULL DEFAULT 0, last_error TEXT,"
    " PRIMARY KEY (target_id, id)) WITHOUT ROWID;"
    "CREATE INDEX outbox_due ON outbox(target_id, state, position);"
    "CREATE UNIQUE INDEX outbox_order ON outbox(target_id, position);"
    "CREATE INDEX outbox_age ON outbox(created_ns) WHERE is_tombstone = 0;"
    "CREATE TABLE outbox_counts (target_id TEXT NOT NULL, kind TEXT NOT NULL,"
    " owed INTEGER NOT NULL DEFAULT 0, acknowledged INTEGER NOT NULL DEFAULT 0,"
    " tombstoned INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (target_id, kind)) WITHOUT ROWID;"
)
ROWS = [  # id, target, kind, position, severity, tombstone, state, next_attempt
    ("e-info", "cloud", "event", 2, "info", 0, "waiting", 0),
    ("e-crit", "cloud", "event", 3, "critical", 0, "in_flight", 0),
    ("a-crit", "cloud", "alert", 4, "critical", 0, "waiting", 77),
    ("a-warn", "cloud", "alert", 1, "warning", 0, "parked", 0),
    ("gone", "cloud", "alert", 9, "critical", 1, "waiting", 0),
    ("e-info", "lan", "event", 1, "info", 0, "waiting", 0),
]
COUNTS = [("cloud", "event", 12, 10, 0), ("cloud", "alert", 9, 5, 1), ("lan", "event", 1, 0, 0)]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "appliance.db"
    before = migrations.APPLIANCE[: migrations.APPLIANCE.index(migrations.lanes)]
    Database.open(path, "appliance", synchronous="NORMAL", migrations=before).close()
    conn = sqlite3.connect(path)
    conn.executescript(OLD)
    for id_, target, kind, position, severity, dead, state, due_ns in ROWS:
        body = json.dumps({"kind": kind, "reason": "x"} if dead else {"severity": severity}).encode()
        conn.execute(
            "INSERT INTO outbox (id, target_id, kind, position, body, is_tombstone, state, created_ns,"
            " next_attempt_ns) VALUES (?,?,?,?,?,?,?,?,?)",
            (id_, target, kind, position, body, dead, state, position, due_ns),
        )
    conn.executemany("INSERT INTO outbox_counts VALUES (?,?,?,?,?)", COUNTS)
    conn.commit()
    conn.close()
    return path


def shape(path: Path) -> dict[str, list[tuple]]:
    conn = sqlite3.connect(path)
    names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY 1")]
    found = {name: conn.execute(f"PRAGMA table_info({name})").fetchall() for name in names}
    for name, table, sql in conn.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type='index'"):
        if sql:
            found[name] = [(table, " ".join(sql.split()))]
    conn.close()
    return found


def test_every_row_and_every_count_survives(old: Path) -> None:
    db = Database.open(old, "appliance", synchronous="NORMAL", migrations=migrations.APPLIANCE)
    kinds = db.read_now(lambda c: outbox_counts.by_kind(c, "cloud"))
    event, alert = kinds["event"], kinds["alert"]
    assert (event.owed, event.acknowledged, event.waiting, event.in_flight) == (12, 10, 2, 0)
    assert (alert.owed, alert.acknowledged, alert.tombstoned) == (9, 5, 1)
    assert (alert.waiting, alert.parked, alert.oldest_ns) == (2, 1, 1)
    for kind in kinds.values():
        assert kind.owed == (
            kind.acknowledged + kind.tombstoned + kind.waiting + kind.in_flight + kind.parked
        )
    rows = db.write_now(lambda c: outbox.take(c, "cloud", 9, 100))
    assert [(row.id, row.lane, row.is_tombstone) for row in rows] == [
        ("e-crit", 0, False), ("a-crit", 0, False), ("gone", 1, True), ("e-info", 2, False),
    ]  # fmt: skip
    assert db.write_now(lambda c: outbox.unpark(c, "cloud")) == 1
    assert [row.id for row in db.write_now(lambda c: outbox.take(c, "lan", 9, 0))] == ["e-info"]
    db.close()


def test_a_migrated_box_has_the_shape_of_a_new_one(old: Path, tmp_path: Path) -> None:
    Database.open(old, "appliance", synchronous="NORMAL", migrations=migrations.APPLIANCE).close()
    new = tmp_path / "new.db"
    Database.open(new, "appliance", synchronous="NORMAL", migrations=migrations.APPLIANCE).close()
    mine, theirs = shape(old), shape(new)
    for name in ("outbox", "outbox_flight", "outbox_counts", "delivered", "delivered_days", "spent"):
        columns = [(row[1], row[2], row[3], row[4], row[5]) for row in theirs[name]]
        assert [(row[1], row[2], row[3], row[4], row[5]) for row in mine[name]] == columns, name
    assert {k: v for k, v in mine.items() if k.startswith(("outbox_", "delivered_"))}.keys() == {
        k for k in theirs if k.startswith(("outbox_", "delivered_"))
    }
    for name in ("outbox_id", "outbox_next", "outbox_due", "outbox_parked", "outbox_age", "delivered_day"):
        assert mine[name] == theirs[name]
