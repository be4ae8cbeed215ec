"""Back in the old version: the copy from before, with what the newer version recorded since."""

import sqlite3

import pytest

from appliance.base.errors import ApplianceError
from appliance.store import carrying_back, migrations
from appliance.store.database import Database

TABLES = (
    "CREATE TABLE events (id TEXT PRIMARY KEY, note TEXT)",
    "CREATE TABLE settings (key TEXT, value TEXT)",
    "CREATE TABLE audit (id INTEGER PRIMARY KEY, what TEXT)",
)


def make(path, version=2, events=("e1",), *, more=(), setting="old"):
    with sqlite3.connect(path) as conn:
        for text in TABLES:
            conn.execute(text)
        conn.executemany("INSERT INTO events (id, note) VALUES (?, 'open')", [(each,) for each in events])
        conn.execute("INSERT INTO settings VALUES ('name', ?)", (setting,))
        for text in more:
            conn.execute(text)
        conn.execute(f"PRAGMA user_version={version}")
    conn.close()
    return path


def ask(path, text):
    conn = sqlite3.connect(path)
    try:
        return conn.execute(text).fetchall()
    finally:
        conn.close()


@pytest.fixture
def folder(tmp_path):
    make(tmp_path / "copy.db")
    return tmp_path


def carry(folder):
    return carrying_back.carry_back(folder / "copy.db", folder / "appliance.db", folder / "kept.db")


def test_events_of_a_newer_schema_come_over_in_the_columns_that_both_know(folder):
    more = (
        "ALTER TABLE events ADD COLUMN weather TEXT",
        "UPDATE events SET weather = 'rain', note = 'closed'",
        "ALTER TABLE settings ADD COLUMN unit TEXT",
        "UPDATE settings SET value = 'new meaning'",
    )
    make(folder / "appliance.db", 9, ("e1", "e2", "e3"), more=more)
    carried = carry(folder)
    assert ask(folder / "appliance.db", "SELECT * FROM events ORDER BY id") == [
        ("e1", "closed"), ("e2", "closed"), ("e3", "closed")
    ]  # fmt: skip
    assert ask(folder / "appliance.db", "SELECT value FROM settings") == [("old",)]
    assert ask(folder / "appliance.db", "PRAGMA user_version") == [(2,)]
    assert (carried.rows, carried.left, carried.whole) == (3, ("settings",), ("audit",))


def test_a_table_made_by_the_same_words_comes_over_whole(folder):
    make(folder / "appliance.db", 9, more=("CREATE TABLE fresh (id TEXT)",), setting="changed since")
    carry(folder)
    assert ask(folder / "appliance.db", "SELECT value FROM settings") == [("changed since",)]


def test_the_newer_file_is_kept_with_what_was_in_its_wal(folder):
    conn = sqlite3.connect(make(folder / "appliance.db", 9))
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("INSERT INTO events VALUES ('late', '')")
    conn.commit()
    carry_source = folder / "appliance.db"
    conn.close()
    carry(folder)
    assert ("late",) in ask(folder / "kept.db", "SELECT id FROM events")
    assert ("late",) in ask(carry_source, "SELECT id FROM events")
    assert not (folder / "appliance.db-wal").exists()


def test_done_again_after_power_went_in_between(folder):
    make(folder / "appliance.db", 9, ("e1", "e2"))
    (folder / "appliance.db.back").write_bytes(b"half a file")
    (folder / "kept.db").write_bytes(b"of the time before")
    carry(folder)
    assert len(ask(folder / "appliance.db", "SELECT * FROM events")) == 2


def test_a_damaged_copy_says_so_and_leaves_the_newer_one(folder):
    make(folder / "appliance.db", 9)
    (folder / "copy.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(ApplianceError):
        carry(folder)
    assert carrying_back.version_of(folder / "appliance.db") == 9


def test_what_is_known_is_what_databases_are_made_with(tmp_path):
    made = Database.open(
        tmp_path / "appliance.db", "appliance", synchronous="FULL", migrations=migrations.APPLIANCE
    )
    made.close()
    assert carrying_back.version_of(tmp_path / "appliance.db") == carrying_back.KNOWN["appliance.db"]
    assert not carrying_back.is_newer(tmp_path / "appliance.db")
    assert carrying_back.version_of(tmp_path / "none.db") == 0


def test_a_real_database_of_a_newer_version_opens_again_with_its_events(tmp_path):
    def opened(extra=()):
        return Database.open(
            tmp_path / "appliance.db",
            "appliance",
            synchronous="FULL",
            migrations=(*migrations.APPLIANCE, *extra),
        )

    opened().close()
    carrying_back.copy_file(tmp_path / "appliance.db", tmp_path / "copy.db")

    def next_version(conn):
        conn.execute("ALTER TABLE audit ADD COLUMN place TEXT")

    newer = opened((next_version,))
    newer.write_now(lambda c: c.execute("INSERT INTO settings VALUES ('k', '1')"))
    newer.close()
    with pytest.raises(ApplianceError, match="newer version"):
        opened()
    carry(tmp_path)
    again = opened()
    assert (
        again.read_now(lambda c: c.execute("SELECT value FROM settings WHERE key = 'k'").fetchone())[0] == "1"
    )
    again.close()
