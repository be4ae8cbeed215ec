"""Model packs: found by folder or by content, refused where they are not what they say."""

import os
import shutil

import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.packs import catalogue, installed
from appliance.vision.packs.pack import load_pack, sha256

TOML = """
name = "mine"
version = "2"
family = "yolox"
input_width = 64
input_height = 64
labels = ["goose"]
licence = "MIT"
source = "me"
colour_order = "BGR"

[[files]]
path = "mine.onnx"
sha256 = "{sha}"
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    (folder / "mine.onnx").write_bytes(b"weights")
    (folder / "model.toml").write_text(TOML.format(sha=sha256(folder / "mine.onnx")))
    return folder


@pytest.mark.timeout(10)
def test_what_is_no_file_is_no_model_and_keeps_nobody_waiting(folder):
    """A stick may hold anything: folders with a model's name, links to nowhere or to themselves, pipes."""
    models = folder.parent
    (models / "new.xml").mkdir()
    (models / "dangling.onnx").symlink_to("/nowhere")
    (models / "loop.onnx").symlink_to("loop.onnx")
    os.mkfifo(models / "pipe.onnx")
    (models / "piped").mkdir()
    os.mkfifo(models / "piped" / "model.toml")
    assert [pack.name for pack in installed.installed([models])] == ["mine"]
    assert [path.name for path, _ in installed.broken([models])] == ["piped"]


def test_a_pack_is_read_and_chosen_by_name(folder):
    pack, _ = installed.choose("mine", [folder.parent])
    assert pack.file(".onnx") == folder / "mine.onnx"


def test_changed_files_are_data_loss(folder):
    (folder / "mine.onnx").write_bytes(b"other")
    with pytest.raises(ApplianceError) as caught:
        load_pack(folder).file(".onnx")
    assert caught.value.kind == "data_loss"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('family = "yolox"', 'family = "astrology"'),
        ("input_width = 64", 'input_width = "wide"'),
        ('path = "mine.onnx"', 'path = "../mine.onnx"'),
        ('name = "mine"', "name = "),
        ('licence = "MIT"', 'licence = "MIT"\ntypo = 1'),
    ],
)
def test_bad_packs_are_refused_and_passed_over(folder, old, new):
    path = folder / "model.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ApplianceError) as caught:
        load_pack(folder)
    assert caught.value.kind == "invalid"
    assert installed.choose("mine", [folder.parent])[0] is None


def test_nothing_installed_names_the_command(tmp_path):
    pack, reason = installed.choose("auto", [tmp_path])
    assert pack is None and "appliance models install deimv2-femto" in reason
    assert installed.choose("motion", [tmp_path]) == (None, "")


def test_known_bare_files_are_known_by_content(assets, tmp_path):
    shutil.copy(assets / "models" / "yolox_nano_416.onnx", tmp_path / "some-name.onnx")
    pack, _ = installed.choose("auto", [tmp_path])
    assert pack.name == "yolox-nano" and pack.file(".onnx") == tmp_path / "some-name.onnx"
    (tmp_path / "some-name.onnx").write_bytes(b"x")
    assert installed.choose("auto", [tmp_path])[0] is None


def test_auto_takes_the_better_one(assets):
    assert installed.choose("auto", [assets])[0].name == "deimv2-femto"


def test_coco_has_80_names():
    assert (
        len(set(catalogue.COCO)) == 80
        and catalogue.COCO[0] == "person"
        and catalogue.COCO[79] == "toothbrush"
    )
