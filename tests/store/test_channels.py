"""Channels and what they are owed: rows of the alert's own transaction."""

from pathlib import Path

import pytest

from appliance.base.model import Alert
from appliance.store import channels, migrations
from appliance.store.cameras import KEEP
from appliance.store.channels import Channel
from appliance.store.database import Database


@pytest.fixture
def db(tmp_path: Path):
    opened = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield opened
    opened.close()


def alert(number: int, severity="critical") -> Alert:
    return Alert(f"a-{number}", f"e-{number}", None, "gate", severity, "new", number)


def test_a_secret_left_out_is_kept_and_none_takes_it_away(db):
    channel = Channel("c", "Guards", "mail", options={"host": "x"})
    db.write_now(lambda c: channels.put(c, channel, b"sealed"))
    db.write_now(lambda c: channels.put(c, channel, KEEP))
    assert db.read_now(lambda c: channels.secret(c, "c")) == b"sealed"
    db.write_now(lambda c: channels.put(c, channel, None))
    assert db.read_now(lambda c: channels.secret(c, "c")) is None
    assert db.read_now(channels.list_channels) == [channel]


def test_an_alert_is_owed_once_to_each_that_wants_it_the_gravest_and_untried_first(db):
    def work(conn) -> list[str]:
        channels.put(conn, Channel("all", "All", "mail", least_severity="info"), None)
        channels.put(conn, Channel("grave", "Grave", "mail", least_severity="critical"), None)
        channels.put(conn, Channel("off", "Off", "mail", enabled=False), None)
        for number, severity in enumerate(("info", "critical", "warning", "critical")):
            channels.owe(conn, alert(number, severity))
            channels.owe(conn, alert(number, severity))
        order = []
        while (owed := channels.next_waiting(conn, "all")) is not None:
            if owed.attempts == 0 and owed.alert_id == "a-1":
                channels.tried(conn, owed.key, "silent")  # in vain: a-3, as grave, goes before it now
                continue
            order.append(owed.alert_id)
            channels.done(conn, owed.key, "sent", 10)
        return order

    assert db.write_now(work) == ["a-3", "a-1", "a-2", "a-0"]
    assert db.read_now(lambda c: channels.figures(c, "grave")).waiting == 2
    assert db.read_now(lambda c: channels.of_alert(c, "a-1")) == [("all", "sent"), ("grave", "waiting")]
    assert db.write_now(lambda c: channels.prune(c, 2)) == 3


def test_a_channel_of_a_newer_version_keeps_no_alert_from_being_raised(db):
    def work(conn) -> int:
        channels.put(conn, Channel("c", "C", "mail"), None)
        newer = '{"id":"n","name":"N","kind":"pigeon","options":{}}'
        conn.execute("INSERT INTO channels (id, enabled, body) VALUES ('n', 1, ?)", (newer,))
        channels.owe(conn, alert(1))
        assert channels.get(conn, "n") is None
        return len(channels.list_channels(conn))

    assert db.write_now(work) == 1
    assert db.read_now(lambda c: channels.of_alert(c, "a-1")) == [("c", "waiting")]


def test_what_is_settled_stays_settled(db):
    def work(conn) -> str:
        channels.put(conn, Channel("c", "C", "mail"), None)
        channels.owe(conn, alert(1))
        owed = channels.next_waiting(conn, "c")
        channels.done(conn, owed.key, "sent", 5)
        channels.done(conn, owed.key, "refused", 6, "too late")
        channels.tried(conn, owed.key, "too late")
        assert channels.wait_again(conn, "c", 0) == 0
        return channels.figures(conn, "c")

    assert db.write_now(work) == channels.Figures(sent=1, sent_ns=5)


def test_a_box_of_before_has_the_shape_of_a_new_one(tmp_path):
    def shape(path: Path, **how) -> set[tuple]:
        opened = Database.open(path, "appliance", synchronous="NORMAL", **how)
        try:
            names = ("channels", "notifications")
            rows = opened.read_now(
                lambda c: (
                    [
                        (name, column["name"], column["type"], column["notnull"], column["pk"])
                        for name in names
                        for column in c.execute(f"PRAGMA table_info({name})").fetchall()
                    ]
                    + [
                        (row["name"], " ".join(row["sql"].split()).replace("IF NOT EXISTS ", ""))
                        for row in c.execute(
                            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql > ''"
                        )
                        if row["name"].startswith("notifications")
                    ]
                )
            )
            return set(rows)
        finally:
            opened.close()

    new = shape(tmp_path / "new.db")
    before = migrations.APPLIANCE[: migrations.APPLIANCE.index(migrations.channels)]
    old = Database.open(tmp_path / "old.db", "appliance", synchronous="NORMAL", migrations=before)
    old.write_now(lambda c: [c.execute(f"DROP TABLE {name}") for name in ("channels", "notifications")])
    old.close()
    assert shape(tmp_path / "old.db", migrations=migrations.APPLIANCE) == new and len(new) > 10
