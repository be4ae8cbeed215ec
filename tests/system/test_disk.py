from pathlib import Path

import pytest

from appliance.system import disk, figures
from appliance.system.instance import Instance, running


def test_usage_is_of_the_disk_that_holds_the_folder(tmp_path):
    found = disk.usage(tmp_path)
    assert 0 < found.free_bytes <= found.total_bytes
    assert 0 <= found.used_share <= 1
    with pytest.raises(OSError):
        disk.usage(tmp_path / "gone")


def test_the_mount_of_a_folder():
    assert disk.mount_of(Path("/proc/self")).kind == "proc"
    root = disk.mount_of(Path("/"))
    assert root.point == "/"


def test_a_line_of_mountinfo_with_spaces_and_options():
    line = "36 35 98:0 / /mnt/my\\040disk ro,noatime master:1 - nfs4 host:/export rw"
    found = disk._parse(line)
    assert found == disk.Mount("/mnt/my disk", "nfs4", "host:/export", True)
    assert found.network
    assert disk._parse("nonsense") is None


def test_a_longer_mount_point_wins(monkeypatch, tmp_path):
    lines = [
        "1 0 8:1 / / rw - ext4 /dev/a rw",
        f"2 1 8:2 / {tmp_path} rw - xfs /dev/b rw",
        f"3 1 8:3 / {tmp_path}2 rw - btrfs /dev/c rw",
    ]
    monkeypatch.setattr(Path, "read_text", lambda self: "\n".join(lines))
    assert disk.mount_of(tmp_path / "x").source == "/dev/b"
    assert disk.mount_of(Path("/elsewhere")).source == "/dev/a"


def test_one_daemon_per_folder(tmp_path):
    assert not running(tmp_path)
    with Instance.hold(tmp_path):
        assert running(tmp_path)
        with pytest.raises(Exception, match="running on") as refused:
            Instance.hold(tmp_path)
        assert refused.value.kind == "conflict"
    assert not running(tmp_path)


def test_figures_of_this_process():
    gauges = figures.Gauges()
    found = gauges.process()
    assert found.rss_bytes > 1_000_000
    assert found.threads >= 1
    assert 0 < gauges.memory().used_percent <= 100
