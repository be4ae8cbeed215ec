"""What trackers knew, over the end of the daemon."""

import pytest

from appliance.store import migrations, tracker_memory
from appliance.store.database import Database


@pytest.fixture
def db(tmp_path):
    opened = Database.open(
        tmp_path / "tracks.db", "tracks", synchronous="NORMAL", migrations=migrations.TRACKS
    )
    yield opened
    opened.close()


def test_the_newest_memory_of_each_camera_is_kept(db):
    for time_ns, body in enumerate([b"first", b"second"]):
        db.write_now(lambda conn, t=time_ns, b=body: tracker_memory.put(conn, "yard", t, b))
    db.write_now(lambda conn: tracker_memory.put(conn, "door", 3, b"other"))
    assert db.read_now(tracker_memory.load) == {"yard": b"second", "door": b"other"}
    db.write_now(lambda conn: tracker_memory.keep(conn, {"yard"}))
    assert db.read_now(tracker_memory.load) == {"yard": b"second"}


def test_an_older_database_gets_the_table(tmp_path):
    path = tmp_path / "tracks.db"
    older = Database.open(path, "tracks", synchronous="NORMAL")
    older.write_now(lambda conn: conn.execute("DROP TABLE tracker_memory"))
    older.close()
    newer = Database.open(path, "tracks", synchronous="NORMAL", migrations=migrations.TRACKS)
    assert newer.read_now(tracker_memory.load) == {}
    newer.close()
