"""Cameras are rows for ever; credentials lie beside them."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import Camera, DetectSettings, RecordSettings
from appliance.store import cameras
from appliance.store.database import Database

GATE = Camera(
    "gate", "Gate", "rtsp://10.0.0.1/s", sub_url="rtsp://10.0.0.1/t", username="bob", created_ns=1,
    record=RecordSettings("events"), detect=DetectSettings(fps=2, classes=("person",)), retention_days=7,
)  # fmt: skip


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield database
    database.close()


def test_what_goes_in_comes_out(db: Database) -> None:
    db.write_now(lambda c: cameras.insert(c, GATE, b"sealed"))
    assert db.read_now(lambda c: cameras.get(c, "gate")) == GATE
    assert db.read_now(lambda c: cameras.secret(c, "gate")) == b"sealed"
    assert db.read_now(lambda c: cameras.get(c, "x' OR '1'='1")) is None
    assert db.read_now(lambda c: cameras.secret(c, "nowhere")) is None


def test_update_keeps_or_replaces_the_secret(db: Database) -> None:
    db.write_now(lambda c: cameras.insert(c, GATE, b"sealed"))
    named = msgspec.structs.replace(GATE, name="North")
    db.write_now(lambda c: cameras.update(c, named, cameras.KEEP))
    assert db.read_now(lambda c: cameras.secret(c, "gate")) == b"sealed"
    assert db.read_now(lambda c: cameras.get(c, "gate")) == named
    db.write_now(lambda c: cameras.update(c, named, None))
    assert db.read_now(lambda c: cameras.secret(c, "gate")) is None


def test_the_pin_lasts_until_the_address_changes(db: Database) -> None:
    db.write_now(lambda c: cameras.insert(c, GATE, None))
    db.write_now(lambda c: cameras.set_tls_pin(c, "gate", "ab" * 32))
    db.write_now(lambda c: cameras.update(c, msgspec.structs.replace(GATE, name="N"), cameras.KEEP))
    assert db.read_now(lambda c: cameras.tls_pin(c, "gate")) == "ab" * 32
    db.write_now(
        lambda c: cameras.update(c, msgspec.structs.replace(GATE, rtsp_url="rtsps://h/"), cameras.KEEP)
    )
    assert db.read_now(lambda c: cameras.tls_pin(c, "gate")) is None


def test_archived_ones_are_off_the_list_and_their_ids_stay_taken(db: Database) -> None:
    for number, id_ in enumerate(("yard", "gate")):
        camera = msgspec.structs.replace(GATE, id=id_, created_ns=number)
        db.write_now(lambda c, camera=camera: cameras.insert(c, camera, b"sealed"))
    db.write_now(lambda c: cameras.archive(c, "yard", 99))
    assert [c.id for c in db.read_now(cameras.list_cameras)] == ["gate"]
    everything = db.read_now(lambda c: cameras.list_cameras(c, archived=True))
    assert [(c.id, c.archived_ns, c.enabled) for c in everything] == [
        ("yard", 99, False),
        ("gate", None, True),
    ]
    assert db.read_now(lambda c: cameras.secret(c, "yard")) is None
    assert db.read_now(cameras.taken_ids) == {"yard", "gate"}
    db.write_now(lambda c: cameras.archive(c, "yard", 100))
    assert db.read_now(lambda c: cameras.get(c, "yard")).archived_ns == 99
    with pytest.raises(ApplianceError) as caught:
        db.write_now(lambda c: cameras.insert(c, msgspec.structs.replace(GATE, id="yard"), None))
    assert caught.value.kind == "conflict"
