import asyncio
import contextlib
import os
import signal

import pytest

from appliance.base import config
from appliance.cli import serving


@pytest.fixture
def process(monkeypatch):
    """What a box sets for its whole process: set back, or left with the tests' own."""
    monkeypatch.setattr("faulthandler.enable", lambda **_: None)
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_a_running_box_writes_is_for_nobody_else(tmp_path, monkeypatch, process):
    async def play(*_):
        (tmp_path / "footage.mp4").write_bytes(b"a person")

    monkeypatch.setattr(serving, "_serve", play)
    box = config.load({}, data_dir=tmp_path)
    assert serving.run_box(box, serving.Announcement(json=True)) == 0
    assert (tmp_path / "footage.mp4").stat().st_mode & 0o077 == 0


class SlowBox:
    """Starts for as long as it is held, and hears what is asked of the manager."""

    def __init__(self, clock, heard) -> None:
        self.clock, self.heard, self.notifier = clock, heard, self
        self.start, self.cameras = asyncio.Event(), asyncio.Event()

    async def __aenter__(self):
        await self.start.wait()
        return self

    async def __aexit__(self, *_):
        self.heard.append("stopped")

    async def wait_ready(self):
        await self.cameras.wait()

    def extend(self, _):
        self.heard.append("more time")

    def ready(self):
        self.heard.append("ready")


@pytest.fixture
async def slow(monkeypatch, clock, tmp_path):
    """(box, what it was heard to say), being served."""
    heard: list[str] = []
    box = SlowBox(clock, heard)
    monkeypatch.setattr(serving, "Box", lambda *_, **__: box)
    monkeypatch.setattr(serving, "_announce", lambda *_: None)
    words = serving.Announcement(json=True), "auto", None, serving.nothing_around
    served = asyncio.create_task(serving._serve(config.load({}, data_dir=tmp_path), *words))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL  # or the next one would end all tests
    yield box, heard
    served.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await served


async def test_the_manager_is_asked_for_time_until_the_box_is_ready(slow, clock):
    box, heard = slow
    await clock.advance(60)
    box.start.set()
    await clock.advance(60)
    assert set(heard) == {"more time"} and len(heard) > 10  # cameras, too, are waited for
    box.cameras.set()
    await asyncio.sleep(0.01)
    assert heard[-1] == "ready"
    await clock.advance(60)
    assert heard[-1] == "ready"


async def test_a_start_that_is_to_end_asks_for_no_more_time(slow, clock):
    _, heard = slow
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.01)
    del heard[:]
    await clock.advance(60)
    assert not heard
