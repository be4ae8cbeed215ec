import os

import pytest

from appliance.base import config
from appliance.cli import serving


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_a_running_box_writes_is_for_nobody_else(tmp_path, monkeypatch, umask):
    async def play(*_):
        (tmp_path / "footage.mp4").write_bytes(b"a person")

    monkeypatch.setattr(serving, "_serve", play)
    box = config.load({}, data_dir=tmp_path)
    assert serving.run_box(box, serving.Announcement(json=True)) == 0
    assert (tmp_path / "footage.mp4").stat().st_mode & 0o077 == 0
