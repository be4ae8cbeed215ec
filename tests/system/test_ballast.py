import errno

import pytest

from appliance.system import ballast, disk
from appliance.system.disk import DiskUsage

GIB = 1 << 30


@pytest.fixture
def room(monkeypatch):
    """Free bytes of a pretended 100 GiB disk."""
    free = {"bytes": 50 * GIB}
    monkeypatch.setattr(ballast, "usage", lambda folder: DiskUsage(100 * GIB, free["bytes"]))
    return free


def test_it_is_laid_where_there_is_room_with_real_blocks(tmp_path, room):
    assert ballast.fill(tmp_path)
    found = (tmp_path / ballast.NAME).stat()
    assert found.st_size == ballast.LARGEST_BYTES
    assert found.st_blocks * 512 >= ballast.LARGEST_BYTES
    assert found.st_mode & 0o777 == 0o600
    assert ballast.fill(tmp_path)


def test_it_stays_while_the_disk_has_room_and_goes_when_it_is_full(tmp_path, room):
    ballast.fill(tmp_path)
    assert ballast.free(tmp_path) == 0
    room["bytes"] = ballast.FULL_BYTES - 1
    assert ballast.free(tmp_path) >= ballast.LARGEST_BYTES
    assert not (tmp_path / ballast.NAME).exists()
    assert ballast.free(tmp_path) == 0


def test_it_is_not_laid_again_at_once(tmp_path, room):
    room["bytes"] = ballast.LARGEST_BYTES + ballast.FULL_BYTES
    assert not ballast.fill(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_lies_about_its_room_leaves_nothing_behind(tmp_path, room, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ballast.os, "posix_fallocate", refuse)
    assert not ballast.fill(tmp_path)
    assert not list(tmp_path.iterdir())


def test_on_a_real_full_disk_it_makes_room_for_a_database(small_disk, fill_up):
    from appliance.daemon.stores import open_appliance

    assert ballast.fill(small_disk)
    assert disk.usage(small_disk).total_bytes == 64 << 20
    fill_up(small_disk)
    with pytest.raises(OSError, match="No space"):
        (small_disk / "more").write_bytes(bytes(1 << 20))
    (small_disk / "more").unlink()
    assert ballast.free(small_disk) > 1_000_000
    open_appliance(small_disk).close()
