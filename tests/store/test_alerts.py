from pathlib import Path

import pytest

from appliance.base.model import Alert, Event
from appliance.store import alerts, events
from appliance.store.alerts import AlertFilter
from appliance.store.database import Database

SECOND_NS = 1_000_000_000


@pytest.fixture
def db(tmp_path: Path):
    opened = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield opened
    opened.close()


def raise_alert(db, number: int, camera_id="gate", rule_id="r", at_s=0, alarmed=True, **fields) -> None:
    event = Event(
        id=f"e{number}", device_id="box", camera_id=camera_id, rule_id=rule_id, type="zone_enter",
        severity="warning", start_ns=at_s * SECOND_NS, end_ns=None, confidence=0.5, class_name="person",
        track_id="t", bbox=None, zone_id="z", created_ns=number,
    )  # fmt: skip
    base = {"severity": "warning", "status": "new", "created_ns": number}
    alert = Alert(f"a{number}", event.id, rule_id, camera_id, **(base | fields))

    def work(conn):
        events.insert(conn, event)
        if alarmed:
            alerts.insert(conn, alert)

    db.write_now(work)


def ids(db, wanted: AlertFilter) -> list[str]:
    found, _, total = db.read_now(lambda c: alerts.page(c, wanted, 50))
    assert total == len(found)
    return [row.id for row in found]


def test_filters_and_order(db):
    raise_alert(db, 1)
    raise_alert(db, 2, camera_id="yard", severity="critical")
    raise_alert(db, 3, status="resolved")
    assert ids(db, AlertFilter()) == ["a3", "a2", "a1"]
    assert ids(db, AlertFilter(statuses=("new",))) == ["a2", "a1"]
    assert ids(db, AlertFilter(severities=("critical",))) == ["a2"]
    assert ids(db, AlertFilter(camera_ids=("gate", "yard"), allowed_camera_ids=("yard",))) == ["a2"]
    assert db.read_now(alerts.active_count) == 2


def test_paging(db):
    for number in range(1, 8):
        raise_alert(db, number)
    first, position, total = db.read_now(lambda c: alerts.page(c, AlertFilter(), 4))
    rest, end, _ = db.read_now(lambda c: alerts.page(c, AlertFilter(), 4, position))
    assert [row.id for row in (*first, *rest)] == [f"a{n}" for n in range(7, 0, -1)]
    assert (total, end) == (7, None)


def test_update_moves_the_status_column_too(db):
    raise_alert(db, 1)
    alert = db.read_now(lambda c: alerts.of_event(c, "e1"))
    changed = Alert(**{f: getattr(alert, f) for f in alert.__struct_fields__} | {"status": "resolved"})
    assert db.write_now(lambda c: alerts.update(c, changed))
    assert ids(db, AlertFilter(statuses=("resolved",))) == ["a1"]


@pytest.mark.parametrize(
    ("rule_id", "camera_id", "at_s", "cooldown_s", "held"),
    [
        ("r", "gate", 130, 60, True),
        ("r", "gate", 160, 60, False),
        ("r", "gate", 99, 60, True),
        ("r", "gate", 30, 60, False),
        ("r", "gate", 100, 0, False),
        ("other", "gate", 101, 60, False),
        ("r", "yard", 101, 60, False),
    ],
)
def test_cooldown_is_per_rule_and_camera_and_near_in_time(db, rule_id, camera_id, at_s, cooldown_s, held):
    raise_alert(db, 1, at_s=100)
    raise_alert(db, 2, at_s=155, alarmed=False)
    at_ns = at_s * SECOND_NS
    assert held == db.read_now(lambda c: alerts.is_cooling_down(c, rule_id, camera_id, at_ns, cooldown_s))


def test_deleting_an_event_takes_its_alert_along(db):
    raise_alert(db, 1)
    db.write_now(lambda c: events.delete(c, ["e1"]))
    assert ids(db, AlertFilter()) == []
