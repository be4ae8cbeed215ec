"""model.toml is read strictly: every fault names its field and says how to mend it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.vision.packs.pack import Pack, PackFile, load_pack, read_description
from appliance.vision.packs.placing import describe

GOOD = Pack(
    name="door",
    version="1",
    family="yolox",
    files=(PackFile("door.onnx", "0" * 64),),
    input_width=416,
    input_height=320,
    labels=("door", 'a "quoted" one', "größer"),
    licence="MIT",
    source="made up",
)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('name = "door"', 'name = "motion"', "name"),
        ('name = "door"', 'name = "a/b"', "name"),
        ('name = "door"', "", "name"),
        ('version = "1"', "version = 1", "version"),
        ('family = "yolox"', 'family = "astrology"', "family"),
        ("input_width = 416", "input_width = 7", "input_width"),
        ("input_height = 320", "input_height = 1e9", "input_height"),
        ("input_height = 320", "input_hieght = 320", "input_hieght"),
        ('licence = "MIT"', 'licence = " "', "licence"),
        ('source = "made up"', 'source = "two\\nlines"', "source"),
        ('layout = "NCHW"', 'layout = "NHWC"', "layout"),
        ('colour_order = "RGB"', 'colour_order = "GRB"', "colour_order"),
        ("mean = [0.0, 0.0, 0.0]", "mean = [0.0, nan, 0.0]", "mean"),
        ("mean = [0.0, 0.0, 0.0]", "mean = [0.0]", "mean"),
        ("std = [1.0, 1.0, 1.0]", "std = [1.0, 0.0, 1.0]", "std"),
        ('fit = ""', 'fit = "squeeze"', "fit"),
        ("nms_iou = 0.0", "nms_iou = nan", "nms_iou"),
        ("first_label = 0", "first_label = -1", "first_label"),
        ('labels = ["door"', 'labels = ["", "door"', "labels"),
        ('path = "door.onnx"', 'path = "../door.onnx"', "files.path"),
        ('path = "door.onnx"', 'path = "model.toml"', "files.path"),
        ('path = "door.onnx"', 'paths = "door.onnx"', "files.path"),
        ('sha256 = "' + "0" * 64, 'sha256 = "' + "0" * 63, "files.sha256"),
        ('sha256 = "' + "0" * 64, 'sha256 = "' + "A" * 64, "files.sha256"),
    ],
)
def test_a_fault_names_its_field_and_the_mend(old, new, field):
    text = describe(GOOD)
    assert old in text
    with pytest.raises(ApplianceError) as caught:
        read_description(text.replace(old, new).encode(), "model.toml")
    assert caught.value.kind == "invalid" and caught.value.hint
    assert caught.value.field is not None and caught.value.field.startswith(field)


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(ApplianceError, match="input_height"):
        read_description(describe(GOOD).replace("input_height", "input_hieght").encode(), "model.toml")


def test_what_is_written_is_read_again():
    assert read_description(describe(GOOD).encode(), "x") == GOOD


@given(st.lists(st.text(st.characters(), min_size=1, max_size=20), min_size=1, max_size=5))
def test_any_label_is_kept_or_refused(labels):
    pack = Pack(**{name: getattr(GOOD, name) for name in GOOD.__struct_fields__} | {"labels": tuple(labels)})
    try:
        assert read_description(describe(pack).encode("utf-8", "surrogatepass"), "x").labels == tuple(labels)
    except ApplianceError as error:
        assert error.kind == "invalid"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_pack_or_invalid(body):
    with pytest.raises(ApplianceError) as caught:
        read_description(body, "x")
    assert caught.value.kind == "invalid"


def test_the_folder_that_only_the_box_knows_is_not_told(tmp_path):
    folder = tmp_path / ".install-x7"
    folder.mkdir()
    (folder / "model.toml").write_text("name = door")
    with pytest.raises(ApplianceError) as caught:
        load_pack(folder)
    assert caught.value.message.startswith("model.toml is not TOML") and ".install" not in str(caught.value)


def test_a_huge_description_is_not_read(tmp_path):
    with (tmp_path / "model.toml").open("wb") as file:
        file.truncate(3_000_000_000)
    with pytest.raises(ApplianceError, match="megabyte"):
        load_pack(tmp_path)
