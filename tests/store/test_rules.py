"""Rules come out as they went in, schedule and all."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.base.model import Rule, Schedule, ScheduleWindow
from appliance.store import rules
from appliance.store.database import Database

NIGHT = Rule(
    "r-1", "Night", "line_cross", camera_ids=("gate",), zone_ids=("z",), params={"direction": "both"},
    schedule=Schedule((ScheduleWindow(("mon", "sun"), "22:00", "06:00"),)), actions=({"kind": "notify"},),
)  # fmt: skip


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield database
    database.close()


def test_a_rule_s_life(db: Database) -> None:
    day = Rule("r-0", "Day", "zone_enter")
    for rule in (NIGHT, day):
        db.write_now(lambda c, rule=rule: rules.insert(c, rule))
    assert db.read_now(rules.list_rules) == [day, NIGHT]
    off = msgspec.structs.replace(NIGHT, enabled=False, schedule=None)
    db.write_now(lambda c: rules.replace(c, off))
    assert db.read_now(lambda c: rules.get(c, "r-1")) == off
    assert db.write_now(lambda c: rules.delete(c, "r-1")) is True
    assert db.write_now(lambda c: rules.delete(c, "r-1")) is False
    assert db.read_now(rules.list_rules) == [day]
