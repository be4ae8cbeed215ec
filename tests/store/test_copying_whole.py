import sqlite3

import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import Gap
from appliance.store import copying, gaps
from appliance.store.database import Database


def test_a_box_with_a_gap_is_whole(tmp_path):
    """SQLite 3.40 tells of a NULL in every row of a WITHOUT ROWID table like this one: none is there."""
    db = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    db.write_now(lambda conn: gaps.put(conn, Gap("gate", "main", 1, None, "box_off"), "boot"))
    copying.copy_to(db, tmp_path / "copy.db")
    db.close()
    copying.must_be_whole(tmp_path / "copy.db")


def test_a_real_null_is_told(tmp_path):
    path = tmp_path / "appliance.db"
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE t (a TEXT, b TEXT)")
        conn.execute("INSERT INTO t VALUES ('x', NULL)")
        conn.execute("PRAGMA writable_schema=ON")
        conn.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE t (a TEXT, b TEXT NOT NULL)'")
    with pytest.raises(ApplianceError, match=r"NULL value in t\.b"):
        copying.must_be_whole(path)
