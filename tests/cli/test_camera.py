import json

import msgspec
import pytest

from appliance.base.config import load
from appliance.base.model import Credentials
from appliance.daemon.stores import Stores
from appliance.store import cameras

URL = "rtsp://10.0.0.9:554/h264"


def stored(box_dir):
    with Stores.open(load({}, data_dir=box_dir)) as stores:
        found = stores.appliance.read_now(cameras.list_cameras)
        opened: dict[str, Credentials | None] = {}
        for camera in found:
            secret = stores.appliance.read_now(lambda conn, id_=camera.id: cameras.secret(conn, id_))
            if secret is not None:
                secret = stores.sealer.open(secret, cameras.secret_name(camera.id))
            opened[camera.id] = secret and msgspec.msgpack.decode(secret, type=Credentials)
        return {camera.id: camera for camera in found}, opened


@pytest.mark.parametrize("words", [["Gate", URL], [URL, "Gate"], ["--name", "Gate", URL]])
def test_add_prints_the_id(appliance, box_dir, words):
    said = appliance("camera", "add", "--data", box_dir, *words)
    assert (said.status, said.out) == (0, "gate\n")
    found, secrets = stored(box_dir)
    assert found["gate"].rtsp_url == URL
    assert secrets == {"gate": None}


def test_credentials_in_the_address_are_sealed_and_never_shown(appliance, box_dir):
    said = appliance("camera", "add", "--data", box_dir, "Gate", "rtsp://bob:geheim99@10.0.0.9/x")
    assert said.status == 0
    found, secrets = stored(box_dir)
    assert (found["gate"].rtsp_url, found["gate"].username) == ("rtsp://10.0.0.9/x", "bob")
    assert secrets["gate"].password == "geheim99"
    for listing in (["list"], ["list", "--json"]):
        assert "geheim99" not in appliance("camera", *listing, "--data", box_dir).out
    assert b"geheim99" not in (box_dir / "appliance.db").read_bytes()


def test_a_password_comes_from_a_file_or_a_variable(appliance, box_dir, tmp_path, monkeypatch):
    (tmp_path / "p").write_text("geheim98\n")
    add = ("camera", "add", "--data", box_dir)
    appliance(*add, "A", URL, "--username", "bob", "--password-file", tmp_path / "p")
    monkeypatch.setenv("CAMERA_PASSWORD", "geheim97")
    appliance(*add, "B", URL, "--username", "eve")
    _, secrets = stored(box_dir)
    assert (secrets["a"].username, secrets["a"].password) == ("bob", "geheim98")
    assert (secrets["b"].username, secrets["b"].password) == ("eve", "geheim97")


def test_list_and_remove(appliance, box_dir):
    for name in ("Gate", "Gate"):
        appliance("camera", "add", "--data", box_dir, name, URL)
    lines = appliance("camera", "list", "--data", box_dir, "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["gate", "gate-2"]
    assert appliance("camera", "remove", "--data", box_dir, "gate").status == 0
    assert appliance("camera", "list", "--data", box_dir).out.startswith("gate-2 ")
    gone = appliance("camera", "remove", "--data", box_dir, "gate")
    assert gone.status == 1
    assert "no camera 'gate'" in gone.err


@pytest.mark.parametrize(
    "words",
    [
        ["Gate"],
        [URL],
        ["Gate", "Yard", URL],
        ["Gate", "ftp://x/y"],
        ["Gate", "rtsp://"],
        ["Gate", "rtsp://host:99999/"],
        ["Gate", "file:///etc/passwd"],
        ["Gate", "sim://"],
        ["Ga\nte", URL],
        ["x" * 200, URL],
    ],
)
def test_bad_input_adds_nothing(appliance, box_dir, words):
    said = appliance("camera", "add", "--data", box_dir, *words)
    assert said.status == 2
    assert said.err.startswith("error: ")
    assert "hint: " in said.err
    assert stored(box_dir)[0] == {}


@pytest.mark.parametrize("name", ["'; DROP TABLE cameras; --", '" OR 1=1', "\\'; SELECT 1", "%s %d {0}"])
def test_sql_in_a_name_is_a_name(appliance, box_dir, name):
    assert appliance("camera", "add", "--data", box_dir, name, URL).status == 0
    assert [camera.name for camera in stored(box_dir)[0].values()] == [name]
    said = appliance("camera", "remove", "--data", box_dir, name)
    assert said.status == 1
    assert len(stored(box_dir)[0]) == 1


def test_no_box_is_said_with_the_command_that_makes_one(appliance, tmp_path):
    said = appliance("camera", "list", "--data", tmp_path)
    assert said.status == 1
    assert "appliance init" in said.err
    assert list(tmp_path.iterdir()) == []


def test_an_address_where_nobody_answers(appliance):
    pytest.importorskip("appliance.media.camera.probe")
    said = appliance("camera", "test", "rtsp://bob:geheim96@127.0.0.1:1/x")
    assert said.status == 1
    assert "geheim96" not in said.err + said.out
    assert "hint: " in said.err
