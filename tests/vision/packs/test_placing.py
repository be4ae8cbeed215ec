"""A pack is placed whole, in one step; what a crash left is cleared or given back."""

import multiprocessing

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.packs import installed, placing
from appliance.vision.packs.pack import Pack, load_pack
from appliance.vision.packs.placing import copy_pack, file_entry, place, workplace, write_pack


@pytest.fixture
def make(tmp_path):
    def build(folder, version="1", body=b"weights"):
        model = tmp_path / "m.onnx"
        model.write_bytes(body)
        pack = Pack(
            name="door",
            version=version,
            family="yolox",
            files=(file_entry(model),),
            input_width=64,
            input_height=64,
            labels=("door",),
            licence="MIT",
            source="me",
        )
        write_pack(pack, {"m.onnx": model}, folder)
        return pack

    return build


@pytest.mark.parametrize("exchange", [True, False])
def test_a_pack_takes_its_name_and_replaces_the_old_one(tmp_path, make, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(placing, "_exchange", lambda one, other: False)
    models = tmp_path / "models"
    for version in ("1", "2"):
        with workplace(models) as scratch:
            make(scratch / "pack", version, version.encode())
            assert place(scratch / "pack", models).version == version
    assert [path.name for path in models.iterdir()] == ["door"]
    assert load_pack(models / "door").file(".onnx").read_bytes() == b"2"


def test_a_wrong_file_changes_nothing(tmp_path, make):
    models = tmp_path / "models"
    with workplace(models) as scratch:
        make(scratch / "pack")
        place(scratch / "pack", models)
    with workplace(models) as scratch, pytest.raises(ApplianceError) as caught:
        make(scratch / "pack", "2")
        (scratch / "pack" / "m.onnx").write_bytes(b"others")
        place(scratch / "pack", models)
    assert caught.value.kind == "data_loss"
    assert load_pack(models / "door").version == "1"


def test_after_a_crash_between_the_two_renames_the_old_one_is_back(tmp_path, make):
    models = tmp_path / "models"
    models.mkdir()
    make(models / ".old-door", "1")
    (models / ".install-x" / "pack").mkdir(parents=True)
    assert list(installed.installed([models])) == []  # never seen under a hidden name
    with workplace(models):
        pass
    assert [path.name for path in models.iterdir()] == ["door"]


def test_after_a_crash_behind_them_the_new_one_stays(tmp_path, make):
    models = tmp_path / "models"
    models.mkdir()
    make(models / ".old-door", "1")
    make(models / "door", "2")
    with workplace(models):
        pass
    assert [path.name for path in models.iterdir()] == ["door"]
    assert load_pack(models / "door").version == "2"


def test_one_installer_at_a_time(tmp_path):
    with workplace(tmp_path / "models"):
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            assert pool.apply(_kind_of_second, (tmp_path / "models",)) == "conflict"
    with workplace(tmp_path / "models"):
        pass


def _kind_of_second(models):
    try:
        with workplace(models):
            return "let in"
    except ApplianceError as error:
        return error.kind


def test_links_in_a_pack_are_not_followed(tmp_path, make):
    pack = make(tmp_path / "stick")
    (tmp_path / "stick" / "m.onnx").unlink()
    (tmp_path / "stick" / "m.onnx").symlink_to(tmp_path / "m.onnx")
    with pytest.raises(ApplianceError, match="link"):
        copy_pack(tmp_path / "stick", tmp_path / "out")
    assert pack.name == "door"


def test_broken_ones_are_named_with_their_fault(tmp_path, make):
    make(tmp_path / "models_door")
    (tmp_path / "models").mkdir()
    (tmp_path / "models_door").rename(tmp_path / "models" / "door")
    (tmp_path / "models" / "door" / "m.onnx").unlink()
    (tmp_path / "models" / "odd").mkdir()
    (tmp_path / "models" / "odd" / "model.toml").write_text("name = 1")
    faults = {folder.name: error.kind for folder, error in installed.broken([tmp_path / "models"])}
    assert faults == {"door": "not_found", "odd": "invalid"}


def test_auto_does_not_take_a_classifier(tmp_path, make):
    (tmp_path / "models").mkdir()
    pack = make(tmp_path / "models" / "door")
    assert installed.choose("auto", [tmp_path / "models"])[0].name == "door"
    named = msgspec.structs.replace(pack, family="classifier")
    (tmp_path / "models" / "door" / "model.toml").write_text(placing.describe(named))
    assert installed.choose("auto", [tmp_path / "models"])[0] is None
