import re

import pytest

from appliance.daemon import first_boot
from appliance.store import users


def test_without_a_file_a_claim_code_is_printed_once(appliance, tmp_path):
    said = appliance("init", "--data", tmp_path / "box")
    assert said.status == 0
    assert re.search(r"^claim code: [2-9a-z-]{23}$", said.out, re.MULTILINE)
    assert re.search(r"certificate SHA-256: ([0-9A-F]{2}:){31}[0-9A-F]{2}$", said.out, re.MULTILINE)
    again = appliance("init", "--data", tmp_path / "box")
    assert (again.status, again.out) == (1, "")
    assert "already" in again.err


def test_with_a_file_no_code_is_printed(appliance, box_dir):
    assert first_boot.is_box(box_dir)
    assert "test" not in "".join(path.read_text(errors="replace") for path in box_dir.glob("*.toml"))


@pytest.mark.parametrize(
    "content", [b"", b"short\n", b"admin\n", b"aaaaaaaaaaaaaaaa\n", b"\xff\xfe" * 20, b"x" * 5000]
)
def test_a_weak_password_makes_no_box(appliance, tmp_path, content):
    (tmp_path / "password").write_bytes(content)
    (tmp_path / "password").chmod(0o600)
    said = appliance("init", "--data", tmp_path / "box", "--admin-password-file", tmp_path / "password")
    assert said.status == 2
    assert not (tmp_path / "box").exists()


def test_a_password_that_others_can_read_is_warned_of(appliance, tmp_path):
    (tmp_path / "password").write_text("long enough for a test")
    (tmp_path / "password").chmod(0o644)
    said = appliance("init", "--data", tmp_path / "box", "--admin-password-file", tmp_path / "password")
    assert said.status == 0
    assert "can be read by others" in said.err


def test_the_administrator_may_have_another_name(appliance, tmp_path):
    (tmp_path / "password").write_text("a walk in the harbour\n")
    (tmp_path / "password").chmod(0o600)
    file = ("--admin-password-file", tmp_path / "password")
    assert appliance("init", "--data", tmp_path / "box", "--admin-name", "ann", *file).status == 0
    database = first_boot.open_appliance(tmp_path / "box")
    assert [user.username for user in database.read_now(users.list_users)] == ["ann"]
    database.close()


@pytest.mark.parametrize("name", ["", " ann", "x" * 101, "a walk in the harbour"])
def test_a_name_that_nobody_can_type_makes_no_box(appliance, tmp_path, name):
    (tmp_path / "password").write_text("a walk in the harbour\n")
    file = ("--admin-password-file", tmp_path / "password")
    assert appliance("init", "--data", tmp_path / "box", "--admin-name", name, *file).status == 2
    assert not (tmp_path / "box").exists()


def test_a_claim_code_is_for_the_name_admin(appliance, tmp_path):
    assert appliance("init", "--data", tmp_path / "box", "--admin-name", "ann").status == 2


def test_a_missing_password_file_is_named(appliance, tmp_path):
    said = appliance("init", "--data", tmp_path / "box", "--admin-password-file", tmp_path / "none")
    assert said.status == 2
    assert "none" in said.err


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("listn = 1", "listen"),
        ('listen = "x"', "HOST:PORT"),
        ("segment_s = true", "segment_s"),
        ("][", "TOML"),
    ],
)
def test_a_wrong_configuration_makes_no_box(appliance, tmp_path, text, word):
    (tmp_path / "my.toml").write_text(text)
    said = appliance("init", "--data", tmp_path / "box", "--config", tmp_path / "my.toml")
    assert said.status == 2
    assert word in said.err
    assert not (tmp_path / "box").exists()


def test_a_wrong_variable_makes_no_box(appliance, tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_SEGMENTS", "5")
    said = appliance("init", "--data", tmp_path / "box")
    assert said.status == 2
    assert "APPLIANCE_SEGMENT_S" in said.err
    assert not (tmp_path / "box").exists()


def test_no_folder_is_wrong_usage(appliance):
    said = appliance("init")
    assert said.status == 2
    assert "--data" in said.err
