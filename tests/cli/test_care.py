"""A box's whole life on the command line: backed up onto a stick, restored elsewhere, reset, helped."""

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.base.config import load
from appliance.cli import main
from appliance.daemon.care import resetting
from appliance.daemon.stores import Stores
from appliance.store import cameras, settings, users

SECRET = "geheim95geheim"
WORDS = "four dull words here\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A box with a camera that has a password; made once, since a password's hash takes its time."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "password").write_text("long enough for a test\n")
    (folder / "password").chmod(0o600)
    words = ("init", "--data", folder / "box", "--admin-password-file", folder / "password")
    camera = ("camera", "add", "--data", folder / "box", "Gate", f"rtsp://hausmeister9:{SECRET}@10.0.0.9/x")
    for command in (words, camera):
        assert main([str(word) for word in command]) == 0
    return folder


@pytest.fixture
def box_dir(template, tmp_path):
    shutil.copytree(template / "box", tmp_path / "box")
    shutil.copy2(template / "password", tmp_path / "password")
    return tmp_path / "box"


@pytest.fixture
def stick(tmp_path):
    folder = tmp_path / "usb"
    folder.mkdir()
    (tmp_path / "words").write_text(WORDS)
    return folder


@pytest.fixture
def sealed(appliance, box_dir, stick, tmp_path, monkeypatch):
    """A backup under a cheap key."""
    monkeypatch.setattr("appliance.store.passphrase.seal.__kwdefaults__", {"cost_n": 1 << 10})
    said = appliance("backup", "--data", box_dir, "--to", stick, "--passphrase-file", tmp_path / "words")
    assert said.status == 0, said.err
    (file,) = stick.iterdir()
    return file


def restore(appliance, tmp_path, *source, words="words", into="new"):
    options = ("--passphrase-file", tmp_path / words, "--data", tmp_path / into)
    return appliance("restore", *source, *options)


def test_what_lies_on_the_stick_opens_with_its_passphrase_only(appliance, sealed, stick, tmp_path):
    data = sealed.read_bytes()
    for needle in (b"SQLite format", SECRET.encode(), b"hausmeister9", b"admin", b"PRIVATE KEY"):
        assert needle not in data
    (tmp_path / "wrong").write_text("some other dull words\n")
    said = restore(appliance, tmp_path, "--from", stick, words="wrong")
    assert (said.status, "passphrase is another one" in said.err) == (1, True)
    assert not (tmp_path / "new").exists()
    said = restore(appliance, tmp_path, "--from", stick)
    assert said.status == 0, said.err
    with Stores.open(load({}, data_dir=tmp_path / "new")) as new:
        secret = new.appliance.read_now(lambda conn: cameras.secret(conn, "gate"))
        assert SECRET.encode() in new.sealer.open(secret, "camera/gate")
    assert not list(tmp_path.glob(".new*"))


def test_the_newest_of_a_stick_is_taken(appliance, box_dir, sealed, stick, tmp_path):
    older = stick / "aries-00000000-20010101T000000Z.backup"
    older.write_bytes(b"an old one")
    said = restore(appliance, tmp_path, "--from", stick)
    assert said.status == 0, said.err
    assert sealed.name in said.out
    assert restore(appliance, tmp_path, "--from", tmp_path / "box", into="none").status == 1
    assert "name one backup" in restore(appliance, tmp_path, into="none").err


def test_a_sealed_backup_that_was_changed_or_cut_restores_nothing(appliance, sealed, tmp_path):
    data = sealed.read_bytes()
    for share in (0.0, 0.00005, 0.02, 0.5, 0.999):
        at = int(len(data) * share)
        for changed in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]):
            (tmp_path / "changed").write_bytes(changed)
            said = restore(appliance, tmp_path, tmp_path / "changed")
            assert said.status in (1, 2), (share, said)
            assert not (tmp_path / "new").exists()
            assert not list(tmp_path.glob(".new*"))


def test_a_weak_passphrase_and_a_folder_that_is_not_there_are_refused(appliance, box_dir, stick, tmp_path):
    (tmp_path / "weak").write_text("short\n")
    said = appliance("backup", "--data", box_dir, "--to", stick, "--passphrase-file", tmp_path / "weak")
    assert (said.status, list(stick.iterdir())) == (2, [])
    options = ("--passphrase-file", tmp_path / "words")
    assert appliance("backup", "--data", box_dir, "--to", tmp_path / "none", *options).status == 1


def test_a_folder_that_the_wizard_works_in_is_no_box_yet(appliance, sealed, stick, tmp_path):
    new = tmp_path / "new"
    (new / ".provisioning").mkdir(parents=True)
    (new / ".provisioning" / "lock").touch()
    (new / "secrets").mkdir()
    for name in ("box.crt", "box-tls.key"):
        (new / "secrets" / name).write_text("the wizard's own")
    said = restore(appliance, tmp_path, "--from", stick)
    assert said.status == 0, said.err
    assert "wizard's" not in "".join(path.read_text(errors="replace") for path in new.glob("secrets/box*"))
    assert (new / ".provisioning" / "lock").exists() and not list(new.glob(".restoring*"))
    assert not (new / "secrets" / "secrets").exists()
    (tmp_path / "other" / "secrets").mkdir(parents=True)
    (tmp_path / "other" / "secrets" / "box.key").touch()
    assert "not empty" in restore(appliance, tmp_path, "--from", stick, into="other").err


def test_a_restore_that_was_cut_short_can_be_begun_again(appliance, sealed, stick, tmp_path, monkeypatch):
    new = tmp_path / "new"
    new.mkdir()
    real, left = Path.rename, iter((True, True))

    def rename(self, target):
        if ".restoring" in self.parts and not next(left, False):
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # a power cut takes nothing away
    assert restore(appliance, tmp_path, "--from", stick).status == 130
    monkeypatch.undo()
    assert not (new / "appliance.db").exists() and any(new.iterdir())
    said = restore(appliance, tmp_path, "--from", stick)
    assert said.status == 0, said.err
    assert appliance("camera", "list", "--data", new).out.startswith("gate ")


# -- reset ------------------------------------------------------------------------------------


def reset(appliance, monkeypatch, box_dir, console, footage, typed=None):
    """Type what the console shows, or ``typed``."""

    class Hands(io.StringIO):
        def readline(self, *_):
            shown = console.read_text().split("Code: ")[1][:6] if console.exists() else ""
            return f"{shown if typed is None else typed}\n"

    monkeypatch.setattr(sys, "stdin", Hands())
    return appliance("reset", "--data", box_dir, "--footage", footage, "--console", console)


def footage_in(box_dir: Path, device_id: str) -> Path:
    volume = box_dir / "recordings"
    (volume / "gate" / "main").mkdir(parents=True)
    (volume / "gate" / "main" / "x.mp4").write_bytes(b"footage")
    identity = {"id": "0190", "device_id": device_id, "created_ns": 1}
    (volume / ".volume.json").write_text(json.dumps(identity))
    return volume


@pytest.fixture
def lived_in(appliance, box_dir):
    """With a volume, an old copy of its database, a report, and the wizard's mark."""
    with Stores.open(load({}, data_dir=box_dir)) as stores:
        device_id = stores.appliance.read_now(settings.device_id)
    footage_in(box_dir, device_id)
    (box_dir / "provisioned").touch()
    (box_dir / "appliance.db.v3.bak").write_bytes(b"people of old")
    (box_dir / "reports" / "20260120T143000Z").mkdir(parents=True)
    (box_dir / "models" / "a").mkdir()
    return box_dir, device_id


def test_without_somebody_before_the_box_nothing_is_reset(appliance, lived_in, monkeypatch, tmp_path):
    box_dir, _ = lived_in
    before = sorted(box_dir.rglob("*"))
    assert "not typed" in reset(appliance, monkeypatch, box_dir, tmp_path / "tty", "delete", "ABCDEF").err
    said = reset(appliance, monkeypatch, box_dir, tmp_path / "none" / "tty", "delete")
    assert (said.status, "no screen" in said.err) == (1, True)
    (tmp_path / "ARIES-RESET.txt").write_text("x")
    said = appliance("reset", "--data", box_dir, "--footage", "delete", "--stick", tmp_path)
    assert "no disk of its own" in said.err
    assert {path for path in before if path.suffix not in (".db-wal", ".db-shm")} <= set(box_dir.rglob("*"))


def test_a_stick_with_the_box_s_id_is_proof_too(appliance, lived_in, small_disk):
    box_dir, device_id = lived_in
    options = ("--data", box_dir, "--footage", "delete", "--stick", small_disk)
    assert "does not hold" in appliance("reset", *options).err
    (small_disk / "ARIES-RESET.txt").write_text(f"{device_id}\n")
    assert appliance("reset", *options).status == 0


def test_all_of_it_goes_and_the_box_can_be_claimed_again(appliance, lived_in, monkeypatch, tmp_path):
    box_dir, device_id = lived_in
    assert reset(appliance, monkeypatch, box_dir, tmp_path / "tty", "delete").status == 0
    left = {path.name for path in box_dir.iterdir()}
    assert left - {".ballast", ".daemon.lock"} == {
        "models",
        ".wizard-wanted",
    }  # a wizard made it, one comes again
    assert (box_dir / "models" / "a").is_dir()
    again = ("init", "--data", box_dir, "--admin-password-file", tmp_path / "password")
    assert appliance(*again).status == 0
    with Stores.open(load({}, data_dir=box_dir)) as stores:
        assert stores.appliance.read_now(settings.device_id) != device_id


def test_with_footage_kept_nothing_else_of_the_last_owner_is_left(appliance, lived_in, monkeypatch, tmp_path):
    box_dir, device_id = lived_in
    assert reset(appliance, monkeypatch, box_dir, tmp_path / "tty", "keep").status == 0
    left = {path.name for path in box_dir.iterdir()}
    known = {
        "appliance.db",
        "archive.db",
        "appliance.toml",
        ".ballast",
        ".daemon.lock",
        "models",
        "recordings",
        ".wizard-wanted",
    }
    assert left <= known
    assert (box_dir / "recordings" / "gate" / "main" / "x.mp4").read_bytes() == b"footage"
    data = (box_dir / "appliance.db").read_bytes()
    for needle in (b"$argon2", b"10.0.0.9", b"hausmeister9", SECRET.encode()):
        assert needle not in data, needle
    again = ("init", "--data", box_dir, "--admin-password-file", tmp_path / "password")
    assert appliance(*again).status == 0
    with Stores.open(load({}, data_dir=box_dir)) as stores:
        assert stores.appliance.read_now(settings.device_id) == device_id
        (gate,) = stores.appliance.read_now(lambda conn: cameras.list_cameras(conn, archived=True))
        assert (gate.id, gate.name, gate.archived_ns is not None) == ("gate", "Gate", True)
        assert stores.appliance.read_now(cameras.list_cameras) == []
        assert stores.appliance.read_now(users.admin_count) == 1


def test_another_box_s_disk_is_never_emptied(appliance, lived_in, monkeypatch, tmp_path):
    box_dir, _ = lived_in
    identity = box_dir / "recordings" / ".volume.json"
    identity.write_text(json.dumps({"id": "0190", "device_id": "another", "created_ns": 1}))
    assert reset(appliance, monkeypatch, box_dir, tmp_path / "tty", "delete").status == 0
    assert (box_dir / "recordings" / "gate" / "main" / "x.mp4").exists()


class PowerCut(BaseException):
    pass


@pytest.mark.parametrize("footage", ["keep", "delete"])
def test_a_reset_that_is_cut_short_anywhere_is_finished(appliance, lived_in, monkeypatch, footage, tmp_path):
    """Cut at the first, second … call that changes the disk; the next start does the rest."""
    box_dir, _ = lived_in
    resetting.begin(load({}, data_dir=box_dir), footage, ManualNow())
    cuts = 0
    for number in range(0, 200, 2 if footage == "delete" else 5):
        trial = tmp_path / "trial"
        shutil.rmtree(trial, ignore_errors=True)
        shutil.copytree(box_dir, trial)
        marker = trial / resetting.MARKER
        marker.write_text(marker.read_text().replace(str(box_dir), str(trial)))
        with monkeypatch.context() as patched:
            left = [number]
            for module, name in ((os, "unlink"), (os, "rmdir"), (os, "rename"), (os, "fsync")):
                patched.setattr(module, name, cutting(getattr(module, name), left))
            try:
                resetting.finish(trial, ManualNow())
                break
            except PowerCut:
                cuts += 1
        assert resetting.begun(trial) or (left[0] < 0 and not (trial / "secrets").exists())
        resetting.finish(trial, ManualNow())
        assert not resetting.begun(trial)
        assert not (trial / "secrets").exists() and not (trial / "provisioned").exists()
        assert (trial / "recordings" / "gate").exists() == (footage == "keep")
        if footage == "keep":
            with sqlite3.connect(trial / "appliance.db") as conn:
                assert conn.execute("SELECT count(*) FROM users").fetchone() == (0,)
                assert conn.execute("SELECT count(*) FROM cameras").fetchone() == (1,)
    assert cuts > 3


def cutting(real, left):
    def call(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise PowerCut
        return real(*args, **kwargs)

    return call


class ManualNow:
    def now_ns(self) -> int:
        return 1_768_919_400_000_000_000


@pytest.mark.long
def test_run_finishes_a_reset_that_was_begun(appliance, lived_in, tmp_path, root):
    """A wizard made this box: its daemon finishes the reset and leaves the rest to the wizard."""
    box_dir, _ = lived_in
    resetting.begin(load({}, data_dir=box_dir), "delete", ManualNow())
    command = [sys.executable, "-m", "appliance", "run", "--data", str(box_dir), "--listen", "127.0.0.1:0"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, timeout=60
    )
    assert done.returncode == 0
    assert not (box_dir / "appliance.db").exists() and not resetting.begun(box_dir)


@pytest.mark.long
def test_a_box_moves_onto_new_hardware_and_records(appliance, box_dir, stick, tmp_path, root):
    """Recorded, backed up, restored into the same place on another machine, started: its cameras record."""
    appliance("camera", "add", "--data", box_dir, "Yard", "sim://gate?fps=10&size=160x90")
    old = started(box_dir, root)
    stop(old)
    said = appliance("backup", "--data", box_dir, "--to", stick, "--passphrase-file", tmp_path / "words")
    assert said.status == 0, said.err
    box_dir.rename(tmp_path / "the old machine")
    said = restore(appliance, tmp_path, "--from", stick, into="box")
    assert said.status == 0, said.err
    assert "the old footage is not here" in said.out
    new = started(box_dir, root)
    stop(new)
    assert list((box_dir / "recordings" / "yard" / "main").rglob("*.mp4"))
    checked = appliance("check", "--data", box_dir)
    print(checked.out)


def started(data: Path, root: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "appliance", "run", "--data", str(data), "--listen", "127.0.0.1:0"]
    options = ["--json", "--detector", "motion"]
    child = subprocess.Popen(
        [*command, *options], env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE
    )
    assert json.loads(child.stdout.readline())["ready"]
    return child


def stop(child: subprocess.Popen) -> None:
    time.sleep(1.5)  # so much is recorded
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0
    child.stdout.close()
