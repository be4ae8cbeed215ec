import sqlite3
import stat

import msgspec
import pytest

from appliance.base import config
from appliance.base.errors import ApplianceError
from appliance.base.model import Camera, Credentials
from appliance.daemon import first_boot
from appliance.daemon.box import Box
from appliance.daemon.stores import TRACKS, Stores
from appliance.store import cameras
from appliance.store.database import foreign

CAMERA = Camera("gate", "gate", "rtsp://127.0.0.1:9/x", username="bob")


@pytest.fixture
def box(tmp_path, clock):
    found = config.load({}, data_dir=tmp_path / "box")
    first_boot.initialise(found, clock, lambda password: f"hash of {password}")
    return found


def seal(stores: Stores) -> None:
    sealed = stores.sealer.seal(
        msgspec.msgpack.encode(Credentials("bob", "hush")), cameras.secret_name("gate")
    )
    stores.appliance.write_now(lambda conn: cameras.insert(conn, CAMERA, sealed))


def test_damaged_tracks_are_moved_aside_and_never_hold_up_the_box(box):
    (box.data_dir / TRACKS).write_bytes(b"not a database at all " * 1000)
    with Stores.open(box) as stores:
        assert (
            stores.tracks.read_now(lambda conn: conn.execute("SELECT count(*) FROM tracks").fetchone()[0])
            == 0
        )
    assert (box.data_dir / f"{TRACKS}.damaged-0").read_bytes().startswith(b"not a database")


def test_secrets_that_others_could_read_are_closed_at_the_start(box):
    key = box.secrets_dir / "box.key"
    key.chmod(0o644)
    box.secrets_dir.chmod(0o755)
    Stores.open(box).close()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(box.secrets_dir.stat().st_mode) == 0o700


def test_a_password_of_another_key_is_one_camera_s_trouble(box):
    with Stores.open(box) as stores:
        seal(stores)
    (box.secrets_dir / "box.key").unlink()
    with Stores.open(box) as stores:
        running = Box(box)
        running.stores, running.db = stores, stores.appliance
        assert running._credentials("gate") is None


@pytest.mark.parametrize("name", ["SQLITE_CANTOPEN", "SQLITE_READONLY_DIRECTORY"])
def test_a_disk_that_is_read_only_is_said_to_be(box, name):
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorname = name
    found = foreign(error, box.data_dir / TRACKS)
    assert isinstance(found, ApplianceError) and found.kind == "unavailable"
    assert "read-only" in found.hint


def test_a_secret_that_lies_elsewhere_leaves_none_on_the_data_disk(box, tmp_path):
    elsewhere = tmp_path / "credentials"
    (box.secrets_dir / "box.key").rename(elsewhere)
    found = config.load({"APPLIANCE_SECRET_PATH": str(elsewhere)}, data_dir=box.data_dir)
    with Stores.open(found) as stores:
        seal(stores)
    assert not (box.secrets_dir / "box.key").exists()
    elsewhere.unlink()
    with pytest.raises(ApplianceError, match="secret key"):
        Stores.open(found)
