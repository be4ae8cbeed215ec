"""What the box tells of its names: the same bytes until something changed, and never more than may travel."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.base.model import Camera, RecordSettings, Rule, Zone
from appliance.base.settings import Settings, SiteSettings
from appliance.store import cameras, rules, settings, zones
from appliance.store.database import Database
from appliance.sync import directory
from appliance.sync.protocol.directory import (
    LONGEST_BYTES,
    MOST_CAMERAS,
    Directory,
    NamedCamera,
    NamedRule,
    NamedZone,
    digest,
)

POINTS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))


def told(conn: sqlite3.Connection) -> Directory:
    return msgspec.json.decode(directory.read(conn), type=Directory)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Database]:
    """Of a box with two cameras, of which one has a sub stream."""
    db = Database.open(tmp_path / "appliance.db", "appliance", synchronous="NORMAL")

    def fill(conn: sqlite3.Connection) -> None:
        settings.save(conn, Settings(site=SiteSettings("Depot", "Asia/Tokyo")))
        cameras.insert(conn, Camera("gate", "North gate", "rtsp://h/1", sub_url="rtsp://h/2"), None)
        cameras.insert(conn, Camera("yard", "Yard\u202e\n", "rtsp://h/3", created_ns=1), None)
        zones.insert(conn, Zone("z1", "gate", "Loading bay", "polygon", POINTS))
        rules.insert(conn, Rule("r1", "Nobody at night", "intrusion", enabled=False))

    db.write_now(fill)
    yield db
    db.close()


def test_names_and_streams(box) -> None:
    assert box.read_now(told) == Directory(
        "Depot",
        "Asia/Tokyo",
        (NamedCamera("gate", "North gate", ("main", "sub")), NamedCamera("yard", "Yard", ("main",))),
        (NamedZone("z1", "Loading bay", "gate"),),
        (NamedRule("r1", "Nobody at night", False),),
    )


def test_what_is_not_recorded_has_no_stream(box) -> None:
    off = RecordSettings(mode="off")
    box.write_now(
        lambda c: cameras.update(c, msgspec.structs.replace(cameras.get(c, "gate"), record=off), None)
    )
    box.write_now(
        lambda c: cameras.update(c, msgspec.structs.replace(cameras.get(c, "yard"), enabled=False), None)
    )
    gate, yard = box.read_now(told).cameras
    assert (gate.streams, gate.enabled, yard.streams, yard.enabled) == ((), True, (), False)


def test_the_digest_changes_with_a_name_and_with_nothing_else(box) -> None:
    before = digest(box.read_now(directory.read))
    box.write_now(lambda c: cameras.set_tls_pin(c, "gate", "ab" * 32))
    assert digest(box.read_now(directory.read)) == before
    box.write_now(lambda c: zones.replace(c, msgspec.structs.replace(zones.get(c, "z1"), name="Other bay")))
    assert digest(box.read_now(directory.read)) != before


def test_a_camera_s_address_and_user_do_not_travel(box) -> None:
    assert b"rtsp" not in box.read_now(directory.read)


def test_of_too_many_the_first_are_told(box) -> None:
    def fill(c: sqlite3.Connection) -> None:
        for number in range(400):
            cameras.insert(
                c, Camera(f"c{number}", "\U0001f4f7" * 120, "rtsp://h/1", created_ns=2 + number), None
            )
        for number in range(1_500):
            zones.insert(c, Zone(f"z-{number:04}", "gate", "\U0001f4f7" * 100, "polygon", POINTS))

    box.write_now(fill)
    body = box.read_now(directory.read)
    found = msgspec.json.decode(body, type=Directory)
    assert len(body) <= LONGEST_BYTES
    assert found.cut
    assert len(found.cameras) == MOST_CAMERAS and found.cameras[0].id == "gate"
    assert 0 < len(found.zones) < 1_000
