"""A camera that moved is found and followed; a device that is another one is not. Against a real fleet."""

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from appliance.base.clock import ManualClock
from appliance.base.model import Camera, CameraStatus, Credentials
from appliance.daemon.devices.search import CameraSearch, at_host, host_of
from appliance.daemon.devices.whereabouts import Whereabouts
from appliance.store import audit, camera_identities, cameras, events
from appliance.store.database import Database


class Yard:
    """A database with cameras, their states as a test sets them, and the part under test."""

    def __init__(self, db: Database, clock: ManualClock) -> None:
        self.db, self.clock = db, clock
        self.states: dict[str, CameraStatus] = {}
        self.rung: list[int] = []
        self.moved = 0
        self.credentials: Credentials | None = None
        self.search = None

    def begin(self, fleet: Any) -> None:
        self.credentials = Credentials(fleet.user, fleet.password)
        self.search = CameraSearch(self.clock, fleet.group, window_s=1.0, one_window_s=1.0)
        self.part = Whereabouts(
            self.db, self.clock, self.search, "box",
            statuses=lambda: self.states, credentials=lambda _: self.credentials,
            moved=self._moved, ring=self.rung.append,
        )  # fmt: skip

    def scan_nothing(self) -> None:
        async def nothing(host: str) -> list[Any]:
            return []

        self.search.scanned = nothing

    async def _moved(self) -> None:
        self.moved += 1

    def add(self, camera: SimpleNamespace) -> None:
        row = Camera(camera.name, camera.name, camera.main, sub_url=camera.sub)
        self.db.write_now(lambda conn: cameras.insert(conn, row, None))
        self.state(camera.name, "recording")

    def state(self, name: str, state: Any) -> None:
        self.states[name] = CameraStatus(state, self.clock.now_ns())

    def read(self, work: Any) -> Any:
        return self.db.read_now(work)

    def camera(self, name: str) -> Camera:
        found = self.read(lambda conn: cameras.get(conn, name))
        assert found is not None
        return found

    def known(self, name: str) -> Any:
        return self.read(lambda conn: camera_identities.get(conn, name))


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock) -> Iterator[Yard]:
    db = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield Yard(db, clock)
    db.close()


async def test_it_is_learnt_lost_and_followed(start_fleet: Any, yard: Yard) -> None:
    fleet = start_fleet(3)
    yard.begin(fleet)
    camera = fleet.cameras[1]
    yard.add(camera)
    await yard.part.look()
    known = yard.known(camera.name)
    assert (known.serial, known.mac, known.host) == (camera.serial.lower(), camera.mac, camera.address)
    now = fleet.order(camera.name, "move")["address"]
    yard.state(camera.name, "offline")
    await yard.part.look()
    assert yard.camera(camera.name).rtsp_url == camera.main  # not yet: it may be starting again
    yard.clock.tick(61)
    await yard.part.look()
    moved = yard.camera(camera.name)
    assert moved.rtsp_url == camera.main.replace(camera.address, now)
    assert moved.sub_url == camera.sub.replace(camera.address, now)
    assert (yard.moved, len(yard.rung), yard.known(camera.name).host) == (1, 1, now)
    (row,), _, _ = yard.read(lambda conn: audit.page(conn, 10, None))
    assert (row.username, row.thing, row.detail) == (
        None,
        f"camera/{camera.name}",
        {"moved": [camera.address, now]},
    )
    (event,), _, _ = yard.read(lambda conn: events.page(conn, events.EventFilter(), 10))
    assert (event.type, event.severity, event.camera_id) == ("camera_moved", "info", camera.name)


async def test_another_device_is_not_followed(start_fleet: Any, yard: Yard) -> None:
    fleet = start_fleet(3)
    yard.begin(fleet)
    camera, other, _ = fleet.cameras
    yard.scan_nothing()
    yard.add(camera)
    await yard.part.look()
    fleet.order(camera.name, "fault", "silent")
    # the other one stands where it stood, of the same make and with the same password
    fleet.order(camera.name, "move")
    fleet.order(other.name, "move", camera.address)
    yard.state(camera.name, "auth_failed")
    yard.clock.tick(61)
    await yard.part.look()
    assert yard.camera(camera.name).rtsp_url == camera.main and yard.moved == 0


@pytest.mark.long
async def test_two_that_changed_places_are_told_apart(start_fleet: Any, yard: Yard) -> None:
    fleet = start_fleet(2)
    yard.begin(fleet)
    yard.scan_nothing()
    for camera in fleet.cameras:
        yard.add(camera)
    await yard.part.look()
    one, two = fleet.cameras
    fleet.order(one.name, "move")
    fleet.order(two.name, "move", one.address)
    fleet.order(one.name, "move", two.address)
    for camera in fleet.cameras:  # both record again: the wrong picture under each name
        yard.clock.tick(5)
        yard.state(camera.name, "recording")
    await yard.part.look()
    assert host_of(yard.camera(one.name).rtsp_url) == two.address
    assert host_of(yard.camera(two.name).rtsp_url) == one.address
    found, _, _ = yard.read(lambda conn: events.page(conn, events.EventFilter(), 10))
    assert sorted(event.type for event in found) == ["camera_moved"] * 2 + ["camera_replaced"] * 2


@pytest.mark.long
async def test_a_camera_that_was_replaced_is_told_of_and_taken_after_an_hour(
    start_fleet: Any, yard: Yard
) -> None:
    fleet = start_fleet(2)
    yard.begin(fleet)
    yard.scan_nothing()
    camera, other = fleet.cameras
    yard.add(camera)
    await yard.part.look()
    fleet.order(camera.name, "fault", "silent")
    fleet.order(camera.name, "move")
    fleet.order(other.name, "move", camera.address)
    yard.clock.tick(5)
    yard.state(camera.name, "recording")
    for _ in range(2):
        await yard.part.look()
    (event,), _, _ = yard.read(lambda conn: events.page(conn, events.EventFilter(), 10))
    assert (event.type, event.severity) == ("camera_replaced", "warning") and event.metadata["hint"]
    assert yard.known(camera.name).serial == camera.serial.lower()
    yard.clock.tick(3600)
    await yard.part.look()
    assert yard.known(camera.name).serial == other.serial.lower()
    assert yard.camera(camera.name).rtsp_url == camera.main


@pytest.mark.long
async def test_what_announces_the_same_and_says_another_serial_is_not_followed(
    start_fleet: Any, yard: Yard
) -> None:
    fleet = start_fleet(2)
    yard.begin(fleet)
    yard.scan_nothing()
    camera = fleet.cameras[0]
    yard.add(camera)
    await yard.part.look()
    known = yard.known(camera.name)
    other = msgspec.structs.replace(known, serial="of another", mac=None)
    yard.db.write_now(lambda conn: camera_identities.put(conn, other))
    fleet.order(camera.name, "move")
    yard.state(camera.name, "offline")
    yard.clock.tick(61)
    await yard.part.look()
    assert yard.camera(camera.name).rtsp_url == camera.main and yard.moved == 0


@pytest.mark.long
async def test_a_camera_that_hears_no_multicast_is_found_by_scanning(start_fleet: Any, yard: Yard) -> None:
    fleet = start_fleet(1, faults={1: "elsewhere"})
    yard.begin(fleet)
    camera = fleet.cameras[0]
    yard.add(camera)
    await yard.part.look()
    assert yard.known(camera.name).serial == camera.serial.lower()
    now = camera.address.rpartition(".")[0] + ".99"
    fleet.order(camera.name, "move", now)
    yard.state(camera.name, "offline")
    yard.clock.tick(61)
    await yard.part.look()
    assert host_of(yard.camera(camera.name).rtsp_url) == now


@pytest.mark.long
async def test_a_person_who_was_faster_is_not_overruled(start_fleet: Any, yard: Yard) -> None:
    fleet = start_fleet(1)
    yard.begin(fleet)
    camera = fleet.cameras[0]
    yard.add(camera)
    await yard.part.look()
    fleet.order(camera.name, "move")
    yard.state(camera.name, "offline")
    yard.clock.tick(61)
    by_hand = msgspec.structs.replace(yard.camera(camera.name), rtsp_url="rtsp://10.9.9.9/by-hand")
    search = yard.search.confirmed

    async def slowly(*words: Any) -> bool:
        await yard.db.write(lambda conn: cameras.update(conn, by_hand, cameras.KEEP))
        return await search(*words)

    yard.search.confirmed = slowly
    yard.scan_nothing()
    await yard.part.look()
    assert yard.camera(camera.name) == by_hand and yard.moved == 0


async def test_it_looks_ever_more_rarely(yard: Yard) -> None:
    asked: list[float] = []

    class Nowhere:
        async def announced(self, hosts: Any) -> list[Any]:
            asked.append(yard.clock.monotonic_ns() / 1e9)
            return []

        async def scanned(self, host: str) -> list[Any]:
            return []

    yard.begin(SimpleNamespace(user="", password="", group=("", 0)))
    yard.part._search = Nowhere()
    yard.add(SimpleNamespace(name="gate", main="rtsp://10.0.0.1/a", sub=None))
    yard.state("gate", "offline")
    identity = camera_identities.CameraIdentity("gate", "10.0.0.1", 1, serial="4711x")
    yard.db.write_now(lambda conn: camera_identities.put(conn, identity))
    for _ in range(6 * 60 * 5):
        yard.clock.tick(10)
        await yard.part.look()
    pauses = [b - a for a, b in itertools.pairwise(asked)]
    assert pauses[:3] == [30, 60, 120] and pauses[-1] == 1800 and len(asked) < 20


def test_only_the_host_of_an_address_changes() -> None:
    url = "rtsp://10.0.0.1:554/user=&password=&channel=1&stream=0.sdp?"
    assert at_host(url, "10.0.0.1", "10.0.0.7") == url.replace("10.0.0.1", "10.0.0.7")
    assert at_host("rtsp://gate.local/x", "10.0.0.1", "10.0.0.7") == "rtsp://gate.local/x"
    assert host_of("rtsp://gate.local/x") is host_of("sim://10.0.0.1") is host_of("rtsp://[::1]/x") is None


def test_the_migration_adds_the_table_to_an_older_database(tmp_path: Path) -> None:
    from appliance.store.migrations import camera_identities as migrate

    with sqlite3.connect(tmp_path / "old.db") as conn:
        conn.row_factory = sqlite3.Row
        migrate(conn)
        camera_identities.put(conn, camera_identities.CameraIdentity("gate", "h", 1, mac="m"))
        migrate(conn)
        assert camera_identities.all_of(conn)["gate"].mac == "m"
