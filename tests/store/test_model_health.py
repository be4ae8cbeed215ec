import re
from pathlib import Path

import pytest

from appliance.store import migrations, model_health
from appliance.store.database import Database
from appliance.store.model_health import Alarm, ClassSums, HealthKey, HealthRow

HOUR_NS = 3_600_000_000_000


@pytest.fixture
def db(tmp_path: Path):
    opened = Database.open(tmp_path / "tracks.db", "tracks", synchronous="NORMAL")
    yield opened
    opened.close()


def row(hour: int, camera: str = "gate", model: str = "femto", conditions: str = "sub 0.40", **more):
    return HealthRow(HealthKey(camera, hour * HOUR_NS, model, conditions), **more)


PERSON = ClassSums(4, 2.0, 1, 0.5, 0.25)


def test_the_minutes_of_an_hour_add_up_and_the_slowest_stays(db):
    first = row(1, looks=10.5, inference_ms_sum=105.0, inference_ms_max=14.0, classes={"person": PERSON})
    second = row(
        1,
        looks=4.0,
        inference_ms_sum=80.0,
        inference_ms_max=9.0,
        classes={"person": ClassSums(1, 0.9, 1, 0.9, 0.81), "car": PERSON},
    )
    db.write_now(lambda c: model_health.add(c, [first, second]))
    (got,) = db.read_now(lambda c: model_health.rows(c, "gate", "femto", "sub 0.40", 0))
    assert (got.looks, got.inference_ms_sum, got.inference_ms_max) == (14.5, 185.0, 14.0)
    assert got.classes["person"] == ClassSums(5, 2.9, 2, 1.4, 1.06)
    assert got.classes["person"] == PERSON + second.classes["person"]
    assert got.classes["car"] == PERSON


def test_only_the_same_camera_model_and_conditions_are_comparable(db):
    mixed = [
        row(1), row(2), row(3), row(2, camera="yard"), row(2, model="nano"), row(2, conditions="main 0.40"),
    ]  # fmt: skip
    db.write_now(lambda c: model_health.add(c, mixed))
    got = db.read_now(lambda c: model_health.rows(c, "gate", "femto", "sub 0.40", 2 * HOUR_NS))
    assert [r.key.hour_ns // HOUR_NS for r in got] == [2, 3]


def test_old_hours_go_a_piece_at_a_time(db):
    db.write_now(lambda c: model_health.add(c, [row(h, classes={"person": PERSON}) for h in range(10)]))
    assert db.write_now(lambda c: model_health.prune(c, 7 * HOUR_NS, limit=4)) == 8
    assert db.write_now(lambda c: model_health.prune(c, 7 * HOUR_NS, limit=4)) == 6
    assert db.write_now(lambda c: model_health.prune(c, 7 * HOUR_NS)) == 0
    got = db.read_now(lambda c: model_health.rows(c, "gate", "femto", "sub 0.40", 0))
    assert [r.key.hour_ns // HOUR_NS for r in got] == [7, 8, 9]
    assert all(r.classes == {"person": PERSON} for r in got)


def test_an_alarm_is_raised_once_until_it_ended(db):
    alarm = Alarm("gate", "femto", "sub 0.40", "drop", 5, HOUR_NS, "0.40 where 0.62 is usual")
    assert db.write_now(lambda c: model_health.raise_alarm(c, alarm)) is True
    assert db.write_now(lambda c: model_health.raise_alarm(c, alarm)) is False
    assert db.read_now(model_health.alarms) == {"gate": alarm}
    assert db.write_now(lambda c: model_health.end_alarm(c, "gate")) is True
    assert db.write_now(lambda c: model_health.end_alarm(c, "gate")) is False
    assert db.read_now(model_health.alarms) == {}


def tables(db: Database) -> dict[str, str]:
    found = db.read_now(lambda c: c.execute("SELECT name, sql FROM sqlite_master").fetchall())
    return {name: re.sub(r"--[^\n]*|\s", "", sql or "") for name, sql in found}


def test_an_older_box_gets_the_same_tables(tmp_path):
    migrated = Database.open(tmp_path / "old.db", "tracks", synchronous="NORMAL")
    for name in ("tracker_memory", "model_hours", "model_classes", "model_alarms"):
        migrated.write_now(lambda c, name=name: c.execute(f"DROP TABLE {name}"))
    migrated.close()
    new = {"schema": "tracks", "synchronous": "NORMAL", "migrations": migrations.TRACKS}
    migrated, fresh = (Database.open(tmp_path / f"{name}.db", **new) for name in ("old", "fresh"))
    assert tables(migrated) == tables(fresh)
    migrated.close()
    fresh.close()
