"""Zones belong to a camera that exists."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import Camera, Zone
from appliance.store import cameras, zones
from appliance.store.database import Database

DOOR = Zone("z-1", "gate", "Door", "polygon", ((0.0, 0.0), (1.0, 0.0), (0.5, 0.25)))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    for id_ in ("gate", "yard"):
        database.write_now(lambda c, id_=id_: cameras.insert(c, Camera(id_, id_, "rtsp://h/"), None))
    yield database
    database.close()


def test_a_zone_s_life(db: Database) -> None:
    line = Zone("z-2", "yard", "Line", "line", ((0.0, 0.0), (1.0, 1.0)))
    db.write_now(lambda c: zones.insert(c, line))
    db.write_now(lambda c: zones.insert(c, DOOR))
    assert db.read_now(zones.list_zones) == [DOOR, line]
    assert db.read_now(lambda c: zones.list_zones(c, "yard")) == [line]
    wider = msgspec.structs.replace(DOOR, name="Wider")
    db.write_now(lambda c: zones.replace(c, wider))
    assert db.read_now(lambda c: zones.get(c, "z-1")) == wider
    assert db.write_now(lambda c: zones.delete(c, "z-1")) is True
    assert db.write_now(lambda c: zones.delete(c, "z-1")) is False
    assert db.read_now(lambda c: zones.get(c, "z-1")) is None


def test_a_zone_needs_its_camera(db: Database) -> None:
    with pytest.raises(ApplianceError) as caught:
        db.write_now(lambda c: zones.insert(c, msgspec.structs.replace(DOOR, camera_id="nowhere")))
    assert caught.value.kind == "conflict"
    assert db.read_now(zones.list_zones) == []
