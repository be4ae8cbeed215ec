import io
import stat
import tarfile

import pytest

from appliance.base.config import load
from appliance.daemon.stores import Stores
from appliance.store import cameras, settings
from appliance.system.instance import Instance


@pytest.fixture
def backup(appliance, box_dir, tmp_path):
    appliance("camera", "add", "--data", box_dir, "Gate", "rtsp://bob:geheim95@10.0.0.9/x")
    said = appliance("backup", "--data", box_dir, "-o", tmp_path / "box.tar")
    assert said.status == 0, said.err
    return tmp_path / "box.tar"


def test_a_restored_box_is_the_box_with_its_secrets(appliance, box_dir, backup, tmp_path):
    (box_dir / "appliance.toml").write_text("segment_s = 7\n")
    appliance("backup", "--data", box_dir, "-o", tmp_path / "second.tar")
    said = appliance("restore", tmp_path / "second.tar", "--data", tmp_path / "new")
    assert said.status == 0, said.err
    config = load({}, data_dir=tmp_path / "new")
    assert config.segment_s == 7
    with Stores.open(load({}, data_dir=box_dir)) as old, Stores.open(config) as new:
        assert new.appliance.read_now(settings.device_id) == old.appliance.read_now(settings.device_id)
        sealed = new.appliance.read_now(lambda conn: cameras.secret(conn, "gate"))
        assert b"geheim95" in new.sealer.open(sealed, "camera/gate")
    for path in (tmp_path / "new").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_file_is_for_its_owner_and_leaves_nothing_beside_it(backup, box_dir):
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert not list(box_dir.glob(".backup-*"))
    assert not list(backup.parent.glob(".*.part"))


def test_an_old_file_is_not_overwritten(appliance, box_dir, backup):
    before = backup.read_bytes()
    assert appliance("backup", "--data", box_dir, "-o", backup).status == 1
    assert backup.read_bytes() == before


def test_a_backup_is_taken_beside_a_running_box(appliance, box_dir, tmp_path):
    with Instance.hold(box_dir), Stores.open(load({}, data_dir=box_dir)):
        assert appliance("backup", "--data", box_dir, "-o", tmp_path / "b.tar").status == 0


def test_a_folder_that_holds_something_is_refused(appliance, box_dir, backup, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    said = appliance("restore", backup, "--data", tmp_path / "full")
    assert said.status == 1
    assert "not empty" in said.err
    with Instance.hold(box_dir):
        assert "running" in appliance("restore", backup, "--data", box_dir).err


def test_an_empty_folder_may_exist_already(appliance, backup, tmp_path):
    (tmp_path / "new" / "lost+found").mkdir(parents=True)
    assert appliance("restore", backup, "--data", tmp_path / "new").status == 0
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert appliance("camera", "list", "--data", tmp_path / "new").out.startswith("gate ")


def change(backup, target, edit) -> None:
    with tarfile.open(backup) as old, tarfile.open(target, "w") as new:
        for member in old.getmembers():
            data = old.extractfile(member).read()
            for name, body, kind in edit(member.name, data):
                entry = tarfile.TarInfo(name)
                entry.size, entry.type = len(body), kind
                if kind == tarfile.SYMTYPE:
                    entry.linkname = "/etc/passwd"
                new.addfile(entry, io.BytesIO(body))


PLAIN = tarfile.REGTYPE
EDITS = {
    "a flipped byte": lambda n, d: [(n, d[:-1] + bytes([d[-1] ^ 1]) if n.endswith(".db") else d, PLAIN)],
    "a flipped secret": lambda n, d: [(n, d[:-1] + bytes([d[-1] ^ 1]) if n.endswith(".key") else d, PLAIN)],
    "a missing member": lambda n, d: [] if n == "appliance.db" else [(n, d, PLAIN)],
    "no manifest": lambda n, d: [] if n == "backup.json" else [(n, d, PLAIN)],
    "a stranger": lambda n, d: [(n, d, PLAIN), *([("evil.sh", b"x", PLAIN)] if n == "backup.json" else [])],
    "a way out": lambda n, d: [("../../" + n if n.startswith("secrets") else n, d, PLAIN)],
    "a secret way out": lambda n, d: [("secrets/../../x" if n.startswith("secrets") else n, d, PLAIN)],
    "a link": lambda n, d: [(n, b"", tarfile.SYMTYPE) if n.startswith("secrets") else (n, d, PLAIN)],
    "a member twice": lambda n, d: [(n, d, PLAIN)] * (2 if n == "archive.db" else 1),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_changed_backup_restores_nothing(appliance, backup, tmp_path, name):
    change(backup, tmp_path / "changed.tar", EDITS[name])
    before = {path for path in tmp_path.rglob("*") if "box" not in path.parts}
    said = appliance("restore", tmp_path / "changed.tar", "--data", tmp_path / "new")
    assert any(word in said.err for word in ("not a backup", "damaged", "missing")), said.err
    assert said.status in (1, 2)
    assert said.err.startswith("error: ")
    assert not (tmp_path / "new").exists()
    assert {path for path in tmp_path.rglob("*") if "box" not in path.parts} == before


@pytest.mark.parametrize("content", [b"", b"not a tar at all", bytes(10240)])
def test_what_is_no_backup_is_said(appliance, tmp_path, content):
    (tmp_path / "x.tar").write_bytes(content)
    said = appliance("restore", tmp_path / "x.tar", "--data", tmp_path / "new")
    assert said.status == 2
    assert "not a backup" in said.err
    assert not (tmp_path / "new").exists()


def test_a_backup_that_was_cut_off_restores_nothing(appliance, backup, tmp_path):
    data = backup.read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "cut.tar").write_bytes(data[: int(len(data) * share)])
        assert appliance("restore", tmp_path / "cut.tar", "--data", tmp_path / "new").status in (1, 2)
        assert not (tmp_path / "new").exists()
