"""Files of the machine: whole, readable by who is to read them, and only written where they differ."""

import os

import pytest

from appliance.base.errors import ApplianceError
from appliance.system import files
from appliance.system.files import MachineFile

FILE = MachineFile("/etc/systemd/network/a.network", "[Match]\nName=eth0\n")


@pytest.fixture
def private_umask():
    before = os.umask(0o077)  # as the wizard's unit has it
    yield
    os.umask(before)


def test_put_twice_nothing_differs(tmp_path):
    assert files.differing([FILE], tmp_path) == (FILE,)
    assert files.difference(FILE, tmp_path) == FILE.text
    files.put(FILE, tmp_path)
    assert files.differing([FILE], tmp_path) == ()
    changed = MachineFile(FILE.path, "[Match]\nName=eth1\n")
    assert "-Name=eth0\n+Name=eth1" in files.difference(changed, tmp_path)
    assert [path.name for path in FILE.at(tmp_path).parent.iterdir()] == ["a.network"]


def test_a_service_that_is_not_root_can_read_it(tmp_path, private_umask):
    files.put(FILE, tmp_path)
    path = FILE.at(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o644
    for folder in (path.parent, path.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o755


def test_none_is_no_file(tmp_path):
    files.put(FILE, tmp_path)
    gone = MachineFile(FILE.path, None)
    assert files.differing([gone], tmp_path) == (gone,)
    files.put(gone, tmp_path)
    files.put(gone, tmp_path)
    assert files.differing([gone], tmp_path) == ()


def test_what_cannot_be_written_is_said_and_the_old_stays(tmp_path):
    files.put(FILE, tmp_path)
    (tmp_path / "etc/systemd/network/.a.network.new").mkdir()
    with pytest.raises(ApplianceError, match="cannot be written"):
        files.put(MachineFile(FILE.path, "new"), tmp_path)
    assert files.read(tmp_path, FILE.path) == FILE.text
