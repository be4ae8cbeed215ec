from pathlib import Path

import pytest

from appliance.store import outbox, outbox_counts, targets
from appliance.store.cameras import KEEP
from appliance.store.database import Database
from appliance.store.targets import Target


@pytest.fixture
def db(tmp_path: Path):
    opened = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield opened
    opened.close()


def test_a_token_left_out_is_kept_and_none_takes_it_away(db):
    target = Target("cloud", "https://cloud.example/in")
    assert db.write_now(lambda c: targets.put(c, target, b"sealed"))
    assert not db.write_now(lambda c: targets.put(c, target, KEEP))
    assert db.read_now(lambda c: targets.secret(c, "cloud")) == b"sealed"
    db.write_now(lambda c: targets.put(c, target, None))
    assert db.read_now(lambda c: targets.secret(c, "cloud")) is None
    assert db.read_now(targets.list_targets) == [target]


def test_only_enabled_targets_are_owed_new_rows(db):
    db.write_now(lambda c: targets.put(c, Target("a", "https://a"), None))
    db.write_now(lambda c: targets.put(c, Target("b", "https://b", enabled=False), None))
    assert db.read_now(targets.enabled_ids) == ["a"]
    assert db.read_now(lambda c: targets.get(c, "b")).enabled is False


def test_mending_a_target_lets_parked_rows_go_again(db):
    target = Target("a", "https://a")

    def refused(conn):
        targets.put(conn, target, None)
        outbox.enqueue(conn, ["a"], "row", "event", b"{}", 0)
        outbox.take(conn, "a", 1, 0)
        outbox.park(conn, "a", ["row"], "401")

    db.write_now(refused)
    assert db.read_now(lambda c: outbox_counts.figures(c, "a")).parked == 1
    db.write_now(lambda c: targets.put(c, target, b"new token"))
    assert db.read_now(lambda c: outbox_counts.figures(c, "a")).waiting == 1


def test_deleting_a_target_takes_its_outbox_along(db):
    db.write_now(lambda c: targets.put(c, Target("a", "https://a"), None))
    db.write_now(lambda c: outbox.enqueue(c, ["a"], "row", "event", b"{}", 0))
    assert db.write_now(lambda c: targets.delete(c, "a"))
    assert not db.write_now(lambda c: targets.delete(c, "a"))
    assert db.read_now(outbox_counts.depth) == 0
