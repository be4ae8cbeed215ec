import asyncio
import hashlib
import io
import threading
import urllib.error

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.daemon import assets
from appliance.daemon.assets import FOOTAGE, MODEL, Asset, Assets

CONTENT = b"frames " * 40_000
ASSET = Asset(
    "clip.mp4", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "https://assets.invalid/c", "CC0"
)


@pytest.fixture
def server(monkeypatch):
    """What the network answers: bytes or an exception; ``asked`` holds the addresses."""

    class Server:
        answer: bytes | Exception = CONTENT
        timeouts: list[float] = []

        def urlopen(self, request, timeout):
            self.timeouts.append(timeout)
            if isinstance(self.answer, Exception):
                raise self.answer
            return io.BytesIO(self.answer)

    found = Server()
    found.timeouts = []
    monkeypatch.setattr(assets.urllib.request, "urlopen", found.urlopen)
    return found


def test_a_file_is_found_by_content_under_any_name(tmp_path, clock):
    for folder in ("a", "b/c"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "a" / "clip.mp4").write_bytes(CONTENT[:-1] + b"X")  # right name, right size, wrong content
    (tmp_path / "b" / "c" / "other-name.bin").write_bytes(CONTENT)
    found = Assets([tmp_path / "gone", tmp_path / "a", tmp_path / "b"], tmp_path / "cache", clock)
    assert found.find(ASSET) == tmp_path / "b" / "c" / "other-name.bin"


def test_the_pinned_files_are_those_of_the_shared_folder(shared_data, tmp_path, clock):
    found = Assets([shared_data], tmp_path / "cache", clock)
    assert found.find(MODEL) is not None
    assert found.find(FOOTAGE).name == "one-by-one-person-detection.mp4"


async def test_a_download_is_checked_kept_and_shown(tmp_path, clock, server):
    shown = []
    found = Assets([], tmp_path / "cache", clock)
    path = await found.fetch(ASSET, lambda done, total: shown.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert shown[-1] == (len(CONTENT), len(CONTENT))
    assert server.timeouts == [assets.CONNECT_S]
    assert await found.fetch(ASSET) == path
    assert len(server.timeouts) == 1


@pytest.mark.parametrize(
    "answer",
    [
        urllib.error.URLError("no route"),
        TimeoutError("timed out"),
        urllib.error.HTTPError("https://x", 404, "gone", None, None),
        b"another file",
        CONTENT + b"longer",
    ],
)
async def test_a_failure_is_remembered_for_a_day_and_leaves_no_half_file(tmp_path, clock, server, answer):
    server.answer = answer
    found = Assets([], tmp_path / "cache", clock)
    with pytest.raises(ApplianceError):
        await found.fetch(ASSET)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".failed"]
    server.answer = CONTENT
    clock.tick(23 * 3600)
    with pytest.raises(ApplianceError, match="could not be had"):
        await Assets([], tmp_path / "cache", clock).fetch(ASSET)
    assert len(server.timeouts) == 1
    clock.tick(2 * 3600)
    assert (await found.fetch(ASSET)).read_bytes() == CONTENT


async def test_a_file_that_a_person_puts_there_ends_the_waiting(tmp_path, clock, server):
    server.answer = urllib.error.URLError("no route")
    found = Assets([tmp_path / "usb"], tmp_path / "cache", clock)
    with pytest.raises(ApplianceError):
        await found.fetch(ASSET)
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb" / "c.mp4").write_bytes(CONTENT)
    assert await found.fetch(ASSET) == tmp_path / "usb" / "c.mp4"


async def test_giving_up_waits_for_nothing_and_is_no_failure(tmp_path, clock, monkeypatch):
    entered, let_go, left = threading.Event(), threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size=-1):
            entered.set()
            let_go.wait(60)
            return super().read(size)

        def close(self):
            super().close()
            left.set()

    monkeypatch.setattr(assets.urllib.request, "urlopen", lambda request, timeout: Slow(CONTENT))
    found = Assets([], tmp_path / "cache", clock)
    task = asyncio.create_task(found.fetch(ASSET))
    await asyncio.to_thread(entered.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    let_go.set()
    await asyncio.to_thread(left.wait, 60)
    assert found.failure(ASSET) is None


async def test_only_https_is_fetched(tmp_path, clock, server):
    plain = msgspec.structs.replace(ASSET, url="http://assets.invalid/c")
    with pytest.raises(ApplianceError, match="https"):
        await Assets([], tmp_path / "cache", clock).fetch(plain)
    assert server.timeouts == []
