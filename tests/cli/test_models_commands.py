"""``models list``, ``activate``, ``bench`` and ``build``; installing from sticks and disks that fail."""

import errno
import json
import os
import sys

import pytest

from appliance.base.errors import ApplianceError
from appliance.cli import models_list, models_measure
from appliance.daemon.models import install as model_install
from appliance.daemon.stores import open_appliance
from appliance.vision.host import building
from appliance.vision.packs import catalogue, choice
from appliance.vision.packs.catalogue import Place
from appliance.vision.packs.choice import Choice
from appliance.vision.packs.pack import PackFile, sha256


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A known model of two files, as if they lay on a stick under other names."""
    stick = tmp_path / "stick" / "deep"
    stick.mkdir(parents=True)
    (stick / "a.xml").write_bytes(b"graph")
    (stick / "b.bin").write_bytes(b"weights")
    model = catalogue.known("pvb-2003")
    files = (PackFile("m.xml", sha256(stick / "a.xml")), PackFile("m.bin", sha256(stick / "b.bin")))
    pack = type(model)(
        **{k: getattr(model, k) for k in model.__struct_fields__} | {"files": files, "name": "two"}
    )
    monkeypatch.setattr(catalogue, "KNOWN", (pack,))
    places = (Place("https://localhost:1/m.xml", 5), Place("https://localhost:1/m.bin", 7))
    monkeypatch.setitem(catalogue._PLACES, "two", places)
    return stick.parent


def names(box_dir):
    return sorted(path.name for path in (box_dir / "models").iterdir() if not path.name.startswith("."))


def test_two_files_from_a_stick_by_content(appliance, box_dir, known):
    said = appliance("models", "install", "--data", box_dir, "two", "--from", known)
    assert said.status == 0, said.err
    assert (box_dir / "models" / "two" / "m.bin").read_bytes() == b"weights"


def test_a_mounted_stick_is_looked_at_before_the_network(appliance, box_dir, known, monkeypatch):
    monkeypatch.setattr(model_install, "STICKS", (known,))
    assert appliance("models", "install", "--data", box_dir, "two").status == 0


def test_without_stick_and_network_nothing_is_there(appliance, box_dir, known):
    (known / "deep" / "b.bin").unlink()
    said = appliance("models", "install", "--data", box_dir, "two")
    assert said.status == 1 and "stick" in said.err
    assert names(box_dir) == []
    said = appliance("models", "install", "--data", box_dir, "two", "--from", known)
    assert said.status == 1 and "m.bin" in said.err


def test_a_half_fetched_pair_goes_on_where_it_stopped(appliance, box_dir, known, monkeypatch):
    fetched = []

    def fetch(url, digest, folder, progress, bytes_):
        fetched.append(url)
        if url.endswith(".bin") and len(fetched) < 3:
            raise ApplianceError("unavailable", "broken off")
        folder.mkdir(exist_ok=True)
        (folder / digest).write_bytes(b"weights" if url.endswith(".bin") else b"graph")
        return folder / digest

    monkeypatch.setattr(model_install, "fetch", fetch)
    assert appliance("models", "install", "--data", box_dir, "two").status == 1
    assert names(box_dir) == []
    assert appliance("models", "install", "--data", box_dir, "two").status == 0
    assert [url[-3:] for url in fetched] == ["xml", "bin", "bin"]  # the graph was there already
    assert list((box_dir / "models" / ".downloads").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, "exhausted"), (errno.EROFS, "denied"), (errno.EIO, "unavailable")]
)
def test_a_disk_that_fails_is_said_and_leaves_nothing(box_dir, appliance, known, monkeypatch, number, kind):
    def fail(*_):
        raise OSError(number, os.strerror(number), "/media/stick/b.bin")

    monkeypatch.setattr("appliance.vision.packs.placing.shutil.copyfile", fail)
    said = appliance("models", "install", "--data", box_dir, "two", "--from", known)
    assert said.status == 1 and f"({kind})" in said.err and "hint:" in said.err
    assert names(box_dir) == []


def test_the_list_says_what_looks_and_why(appliance, box_dir, known):
    assert appliance("models", "install", "--data", box_dir, "two", "--from", known).status == 0
    (box_dir / "models" / "odd").mkdir()
    (box_dir / "models" / "odd" / "model.toml").write_text("family = 1")
    text = appliance("models", "list", "--data", box_dir).out
    assert "two looks: auto" in text and "openvino-ssd, 864x480, Apache-2.0" in text
    assert "odd cannot be used" in text
    assert appliance("models", "activate", "--data", box_dir, "motion").status == 0
    found = json.loads(appliance("models", "list", "--data", box_dir, "--json").out)
    assert found["active"] == "motion" and found["why"] == "chosen by hand"
    assert found["installed"][0]["name"] == "two" and found["installed"][0]["backend_why"]
    assert found["broken"][0]["folder"].endswith("odd")


def test_activate_stores_the_whole_choice(appliance, box_dir):
    said = appliance(
        "models", "activate", "--data", box_dir, "motion", "--backend", "openvino", "--shadow", "30"
    )
    assert said.status == 0 and "30 s" in said.out
    db = open_appliance(box_dir)
    try:
        assert db.read_now(choice.read) == Choice("motion", "openvino", 30.0)
    finally:
        db.close()


def test_a_damaged_pack_is_not_activated(appliance, box_dir, known):
    assert appliance("models", "install", "--data", box_dir, "two", "--from", known).status == 0
    (box_dir / "models" / "two" / "m.bin").write_bytes(b"rust")
    said = appliance("models", "activate", "--data", box_dir, "two")
    assert said.status == 1 and "install" in said.err


@pytest.mark.parametrize("shadow", ["-1", "nan", "1e9"])
def test_a_time_that_is_none(appliance, box_dir, shadow):
    assert appliance("models", "activate", "--data", box_dir, "motion", f"--shadow={shadow}").status == 2


def test_bench_measures_in_a_child(appliance, box_dir):
    said = appliance("models", "bench", "--data", box_dir, "motion", "--seconds", "0.1", "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert found["backend"] == "motion" and found["frames"] >= 8 and found["fps"] > 0
    said = appliance("models", "bench", "--data", box_dir, "--seconds", "0.1")
    assert "frames/s" in said.out


def test_bench_says_what_the_child_died_of(appliance, box_dir, monkeypatch):
    monkeypatch.setattr(models_measure, "MEASURE", "appliance.no_such_thing")
    said = appliance("models", "bench", "--data", box_dir, "motion", "--seconds", "0.1")
    assert said.status == 1 and "no_such_thing" in said.err
    assert appliance("models", "bench", "--data", box_dir, "--seconds", "0").status == 2


def test_nothing_needs_to_be_built_where_models_are_read_as_they_are(appliance, box_dir):
    said = appliance("models", "build", "--data", box_dir, "motion")
    assert said.status == 0 and "nothing needs to be built" in said.out
    assert appliance("models", "build", "--data", box_dir, "gone").status == 1


CHILD = """
import json, sys
if "refuse" in sys.argv[0]:
    step = {"share": 0, "kind": "not_found", "message": "no NVIDIA GPU", "hint": "use another detector"}
else:
    print(json.dumps({"share": 0.5}))
    step = {"share": 1, "path": " ".join(sys.argv[1:])}
print(json.dumps(step))
"""


@pytest.mark.parametrize("name", ["build.py", "refuse.py"])
def test_an_engine_is_built_by_the_daemon_s_own_child(appliance, box_dir, known, tmp_path, monkeypatch, name):
    assert appliance("models", "install", "--data", box_dir, "two", "--from", known).status == 0
    assert models_measure.BUILD == building.COMMAND
    (tmp_path / name).write_text(CHILD)
    monkeypatch.setattr(models_measure, "BUILD", (sys.executable, str(tmp_path / name)))
    monkeypatch.setattr(models_measure, "backend_of", lambda pack, wanted: ("tensorrt", "a test"))
    said = appliance("models", "build", "--data", box_dir, "two")
    if name == "refuse.py":
        assert said.status == 1 and "no NVIDIA GPU" in said.err and "another detector" in said.err
    else:
        assert said.status == 0 and "50 %" in said.err
        assert f"its engine is in {box_dir / 'models' / 'two'} {box_dir / 'engines'}" in said.out


@pytest.mark.parametrize("what", ["list", "install", "add", "activate", "bench", "build"])
def test_each_has_an_example_that_can_be_pasted(appliance, what):
    said = appliance("models", what, "--help")
    line = next(line for line in said.out.splitlines() if line.startswith("example: "))
    assert said.status == 0 and line.startswith(f"example: appliance models {what} ")


def test_what_needs_a_build_is_chosen_before_it_is_built(appliance, box_dir, known, monkeypatch):
    """The box builds the engine while another backend looks: there is nothing to try yet."""
    assert appliance("models", "install", "--data", box_dir, "two", "--from", known).status == 0
    monkeypatch.setattr(models_list, "backend_of", lambda pack, wanted: ("tensorrt", "a test"))
    said = appliance("models", "activate", "--data", box_dir, "two")
    assert said.status == 0 and "on tensorrt (a test)" in said.out
