import hashlib
import zipfile

import pytest

from appliance.vision.packs.pack import load_pack

BODY = b"pretended weights"


def description(**changes: str) -> str:
    fields = {
        "name": '"door"',
        "version": '"1"',
        "family": '"yolox"',
        "input_width": "416",
        "input_height": "416",
        "labels": '["door"]',
        "licence": '"MIT"',
        "source": '"made up"',
    } | {key: value for key, value in changes.items() if key not in ("path", "sha256")}
    lines = [f"{key} = {value}" for key, value in fields.items()]
    path, digest = changes.get("path", "door.onnx"), changes.get("sha256", hashlib.sha256(BODY).hexdigest())
    return "\n".join([*lines, "", "[[files]]", f'path = "{path}"', f'sha256 = "{digest}"', ""])


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "usb" / "door"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(description())
    (folder / "door.onnx").write_bytes(BODY)
    return folder


def zipped(tmp_path, **members: bytes):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return tmp_path / "p.zip"


def installed(box_dir) -> list[str]:
    return sorted(path.name for path in (box_dir / "models").iterdir())


def test_without_any_the_motion_detector_looks(appliance, box_dir):
    out = appliance("models", "list", "--data", box_dir).out
    assert "* motion " in out
    assert "  deimv2-femto" in out


def test_a_folder_is_installed_activated_and_listed(appliance, box_dir, pack):
    (pack / "stowaway.sh").write_text("rm -rf /")
    said = appliance("models", "install", "--data", box_dir, pack)
    assert said.status == 0, said.err
    assert sorted(path.name for path in (box_dir / "models" / "door").iterdir()) == [
        "door.onnx",
        "model.toml",
    ]
    said = appliance("models", "activate", "--data", box_dir, "door")
    assert said.status == 1 and "door.onnx is not a whole model" in said.err, (
        "it is tried before it is chosen"
    )
    assert "* door " in appliance("models", "list", "--data", box_dir).out  # auto: the only one there is
    assert appliance("models", "install", "--data", box_dir, pack).status == 0  # again: replaced
    assert installed(box_dir) == ["door"]


def test_a_zip_is_installed(appliance, box_dir, tmp_path):
    members = {"door/model.toml": description().encode(), "door/door.onnx": BODY}
    assert appliance("models", "install", "--data", box_dir, zipped(tmp_path, **members)).status == 0
    assert installed(box_dir) == ["door"]


def test_a_known_name_is_found_by_content(appliance, box_dir, shared_data):
    said = appliance("models", "install", "--data", box_dir, "deimv2-femto", "--from", shared_data)
    assert said.status == 0, said.err
    assert load_pack(box_dir / "models" / "deimv2-femto").family == "detr"
    assert "* deimv2-femto" in appliance("models", "list", "--data", box_dir).out


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"sha256": "0" * 64}, 1),
        ({"family": '"sorcery"'}, 2),
        ({"name": '"../evil"'}, 2),
        ({"name": '".hidden"'}, 2),
        ({"path": "../../etc/passwd"}, 2),
        ({"input_width": '"wide"'}, 2),
        ({"surprise": "1"}, 2),
        ({"path": "gone.onnx"}, 1),
    ],
)
def test_a_wrong_pack_installs_nothing(appliance, box_dir, pack, change, status):
    (pack / "model.toml").write_text(description(**change))
    said = appliance("models", "install", "--data", box_dir, pack)
    assert said.status == status
    assert installed(box_dir) == []


@pytest.mark.parametrize("name", ["../out.onnx", "../../out.onnx", "/tmp/aries-out.onnx", "a/b/c.onnx"])
def test_a_zip_with_a_way_out_installs_nothing(appliance, box_dir, tmp_path, name):
    said = appliance(
        "models", "install", "--data", box_dir, zipped(tmp_path, **{"model.toml": b"", name: BODY})
    )
    assert said.status == 2
    assert installed(box_dir) == []
    assert not list(tmp_path.rglob("out.onnx"))


def test_what_is_no_pack_is_said(appliance, box_dir, tmp_path, pack):
    (tmp_path / "x.onnx").write_bytes(b"nobody knows it")
    assert "nobody described" in appliance("models", "install", "--data", box_dir, tmp_path / "x.onnx").err
    assert appliance("models", "install", "--data", box_dir, "no-such-thing").status == 1
    assert appliance("models", "install", "--data", box_dir, "http://x/y.zip").status == 2
    assert "--sha256" in appliance("models", "install", "--data", box_dir, "https://x/y.zip").err
    assert appliance("models", "activate", "--data", box_dir, "no-such-thing").status == 1
    (tmp_path / "usb").joinpath("other").mkdir()
    missing = appliance("models", "install", "--data", box_dir, "yolox-nano", "--from", tmp_path / "usb")
    assert "--from" in missing.err
    assert installed(box_dir) == []


def test_what_is_in_use_is_replaced_by_its_own_files_only(appliance, box_dir, pack, tmp_path):
    """Else the next start would begin with files that nobody has seen at work."""
    assert appliance("models", "install", "--data", box_dir, pack).status == 0  # auto takes it
    assert appliance("models", "install", "--data", box_dir, pack).status == 0
    (pack / "door.onnx").write_bytes(b"another")
    (pack / "model.toml").write_text(description(sha256=hashlib.sha256(b"another").hexdigest()))
    said = appliance("models", "install", "--data", box_dir, pack)
    assert said.status == 1 and "door is in use" in said.err and "another name" in said.err
    assert appliance("models", "activate", "--data", box_dir, "motion").status == 0
    assert appliance("models", "install", "--data", box_dir, pack).status == 0


def test_a_known_name_stands_over_its_own_files_only(appliance, box_dir, pack):
    (pack / "model.toml").write_text(description().replace('"door"', '"yolox-nano"', 1))
    said = appliance("models", "install", "--data", box_dir, pack)
    assert said.status == 1 and "yolox-nano is the name of a known model" in said.err
    assert installed(box_dir) == []


def test_where_there_is_no_box_yet_it_says_so(appliance, tmp_path, pack):
    said = appliance("models", "install", "--data", tmp_path / "typo", pack)
    assert said.status == 0 and "there is no box in" in said.err and "appliance init" in said.err
    assert installed(tmp_path / "typo") == ["door"]


def test_a_known_one_that_is_missing_is_told_how_to_get_it(appliance, box_dir):
    said = appliance("models", "activate", "--data", box_dir, "yolox-nano")
    assert said.status == 1 and "appliance models install yolox-nano" in said.err
