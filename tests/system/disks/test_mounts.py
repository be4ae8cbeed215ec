"""Where a disk is mounted: units that systemd takes, and a crypttab in which others' lines stay."""

import shutil
import subprocess

import pytest

from appliance.system.disks import mounts


@pytest.mark.parametrize("key", ["WD-WX 12é/3", "S4EWNX0R123456", "loop0-17", "...", "a_b-c"])
def test_names_of_units_are_systemd_s(key):
    if shutil.which("systemd-escape") is None:
        pytest.skip("systemd is not installed")
    for path in (mounts.place(key), f"/mnt/{key.replace('/', '')}/x"):
        done = subprocess.run(["systemd-escape", "--path", path], capture_output=True, text=True)
        assert mounts.escape(path) == done.stdout.strip()


def test_a_mount_unit_is_taken_by_systemd(tmp_path):
    if shutil.which("systemd-analyze") is None or shutil.which("systemd-escape") is None:
        pytest.skip("systemd is not installed")
    where = mounts.place("WD-WX 12é/3")
    said = subprocess.run(
        ["systemd-escape", "--path", "--suffix=mount", where], capture_output=True, text=True
    )
    assert said.stdout.strip() == mounts.unit_name(where)
    unit = mounts.mount_unit(where, "1234-abcd")
    path = tmp_path / mounts.unit_name(where)
    path.write_text(unit.text)
    judged = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True)
    assert mounts.unit_name(where) not in judged.stderr, judged.stderr


def test_the_daemon_starts_without_the_disk():
    text = mounts.drop_in(["/var/lib/aries-volumes/A", "/var/lib/aries-volumes/B"]).text
    assert "ReadWritePaths=-/var/lib/aries-volumes/A\nReadWritePaths=-/var/lib/aries-volumes/B\n" in text
    assert "Requires" not in text and "BindsTo" not in text
    assert mounts.drop_in([]).text is None


def test_lines_of_others_stay_in_crypttab():
    before = "# mine\nswap /dev/sda2 /dev/urandom swap\n"
    line = mounts.crypttab_line("aries-A", "u-1", "/key")
    once = mounts.crypttab(before, "aries-A", line)
    assert once == before + line + "\n"
    assert mounts.crypttab(once, "aries-A", line) == once
    assert mounts.crypttab(once, "aries-A", None) == before
