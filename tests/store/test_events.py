from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.base.model import Box, Event
from appliance.store import cursor, events
from appliance.store.database import Database
from appliance.store.events import EventFilter


@pytest.fixture
def db(tmp_path: Path):
    opened = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield opened
    opened.close()


def event(number: int, **fields) -> Event:
    base = {
        "id": f"e{number:04}",
        "device_id": "box",
        "camera_id": "gate",
        "rule_id": "r",
        "type": "zone_enter",
        "severity": "warning",
        "start_ns": number,
        "end_ns": None,
        "confidence": 0.5,
        "class_name": "person",
        "track_id": "t",
        "bbox": Box(0.1, 0.2, 0.3, 0.4),
        "zone_id": "z",
        "created_ns": number,
        "metadata": {"note": "'; DROP TABLE events; --"},
    }
    return Event(**(base | fields))


def fill(db: Database, *rows: Event) -> None:
    db.write_now(lambda c: [events.insert(c, row) for row in rows])


def ids(db: Database, wanted: EventFilter) -> list[str]:
    found, _, total = db.read_now(lambda c: events.page(c, wanted, 100))
    assert total == len(found)
    return [row.id for row in found]


def test_what_goes_in_comes_out(db):
    fill(db, event(1))
    assert db.read_now(lambda c: events.get(c, "e0001")) == event(1)
    assert db.write_now(lambda c: events.update(c, event(1, end_ns=9, has_snapshot=True)))
    assert db.read_now(lambda c: events.get(c, "e0001")).end_ns == 9
    assert not db.write_now(lambda c: events.update(c, event(2)))
    assert db.read_now(lambda c: events.get(c, "nope")) is None


def test_values_of_one_field_are_any_of_and_fields_are_all_of(db):
    fill(
        db,
        event(1),
        event(2, camera_id="yard"),
        event(3, camera_id="hall", severity="info", confidence=0.9),
        event(4, type="line_cross", class_name="car"),
    )
    assert ids(db, EventFilter()) == ["e0004", "e0003", "e0002", "e0001"]
    assert ids(db, EventFilter(camera_ids=("gate", "yard"))) == ["e0004", "e0002", "e0001"]
    assert ids(db, EventFilter(camera_ids=("gate",), types=("line_cross", "x"))) == ["e0004"]
    assert ids(db, EventFilter(class_names=("car",))) == ["e0004"]
    assert ids(db, EventFilter(severities=("info", "critical"))) == ["e0003"]
    assert ids(db, EventFilter(min_confidence=0.9)) == ["e0003"]
    assert ids(db, EventFilter(start_ns=2, end_ns=4)) == ["e0003", "e0002"]


def test_a_restricted_user_sees_only_what_is_allowed(db):
    fill(db, event(1), event(2, camera_id="yard"))
    assert ids(db, EventFilter(allowed_camera_ids=("yard",))) == ["e0002"]
    assert ids(db, EventFilter(camera_ids=("gate",), allowed_camera_ids=("yard",))) == []
    assert ids(db, EventFilter(allowed_camera_ids=())) == []


def test_paging_neither_repeats_nor_skips_while_events_come_in(db):
    fill(db, *(event(number, start_ns=number // 3) for number in range(1, 20)))
    seen: list[str] = []
    position = None
    while True:
        found, position, _ = db.read_now(lambda c, at=position: events.page(c, EventFilter(), 4, at))
        seen += [row.id for row in found]
        fill(db, event(100 + len(seen), start_ns=100))
        if position is None:
            break
    assert seen == [f"e{number:04}" for number in sorted(range(1, 20), key=lambda n: (-(n // 3), -n))]


def test_input_is_data_not_sql(db):
    fill(db, event(1))
    for nasty in ("' OR 1=1 --", '"; DELETE FROM events', "%", "\x00"):
        assert ids(db, EventFilter(camera_ids=(nasty,))) == []
    assert ids(db, EventFilter()) == ["e0001"]


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_a_strange_cursor_is_refused_and_never_crashes(text):
    try:
        assert cursor.decode(text)[0] is not None
    except ApplianceError as error:
        assert (error.kind, error.field) == ("invalid", "cursor")


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.uuids().map(str))
def test_a_cursor_comes_back_as_it_went(time_ns, id_):
    assert cursor.decode(cursor.encode(time_ns, id_)) == (time_ns, id_)
