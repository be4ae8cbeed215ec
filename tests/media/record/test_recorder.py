"""The recorder over real threads and a film in a loop: cameras come, change, fail and go."""

import asyncio
import os
import threading
import time
from pathlib import Path

import av
import numpy
import pytest

from appliance.base.clock import SECOND_NS, BoxClock
from appliance.base.errors import ApplianceError
from appliance.base.ids import uuid7
from appliance.base.model import Camera, RecordSettings, Segment
from appliance.media.check.check import check
from appliance.media.fragment import StreamInit
from appliance.media.record import stream
from appliance.media.record.live import LiveHub
from appliance.media.record.recorder import Recorder, RecorderPorts
from appliance.media.record.recording import Recording
from appliance.media.ring import segment
from appliance.media.ring.index import Index
from appliance.media.ring.volumes import open_volumes
from appliance.media.work import Work
from appliance.store import gaps, segments, settings
from appliance.store.database import Database


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("film") / "loop.mp4"
    random = numpy.random.default_rng(0)
    with av.open(str(path), "w") as out:
        options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "g": "5",
            "keyint_min": "5",
            "sc_threshold": "0",
        }
        stream = out.add_stream("libx264", rate=15, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for _ in range(45):
            picture = random.integers(0, 255, (96, 128, 3), dtype=numpy.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return f"file://{path}?loop=1"


class Bench:
    def __init__(self, folder: Path) -> None:
        clock = BoxClock()
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="FULL")
        self.archive = Database.open(folder / "archive.db", "archive", synchronous="NORMAL")
        device = self.db.write_now(lambda conn: settings.ensure_device_id(conn, clock.now_ns()))
        index = Index(self.archive)
        self.volumes = open_volumes(
            [folder / "recordings"], self.db, device, clock, 0.2, index.closed, index.dropped
        )
        self.volumes.start()

        async def resolve(url: str) -> str:
            return url

        self.recorder = Recorder(
            RecorderPorts(
                clock, "boot", self.db, self.archive, self.volumes, index,
                LiveHub(asyncio.get_running_loop()), 1.0, lambda camera_id: None, resolve,
            )
        )  # fmt: skip
        self._news = asyncio.Event()
        self.recorder.on_change(lambda *news: self._news.set())

    async def until(self, state: str, camera_id: str = "gate") -> None:
        async with asyncio.timeout(20):
            while self.recorder.status(camera_id).state != state:
                self._news.clear()
                await self._news.wait()

    def causes(self, stream: str = "main") -> list[str]:
        for _ in range(2):  # behind what the streams have offered, and what waited for that
            self.db.write_now(lambda conn: None)
        return [gap.cause for gap in self.db.read_now(lambda conn: gaps.of_stream(conn, "gate", stream))]

    def clean(self) -> bool:
        return check(self.db, self.archive, [volume.root for volume in self.volumes.all]) == []


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    await made.recorder.close()
    assert made.clean()
    made.db.close()
    made.archive.close()


def gate(url: str, **more) -> Camera:
    return Camera("gate", "gate", url, **more)


class Tap:
    def __init__(self) -> None:
        self.got: list[str] = []
        self.inits: list[StreamInit] = []
        self.full = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def started(self, init) -> None:
        self.got.append("init")
        self.inits.append(init)

    def put(self, fragment) -> None:
        self.got.append("key" if fragment.is_key else "frame")
        if len(self.got) > 12:
            self._loop.call_soon_threadsafe(self.full.set)

    def ended(self) -> None:
        self.got.append("end")


async def test_main_and_sub_are_recorded_and_a_late_tap_begins_with_a_key_frame(bench, url):
    await bench.recorder.apply([gate(url, sub_url=url)])
    await bench.until("recording")
    assert bench.recorder.has_stream("gate", "sub")
    tap = Tap()
    bench.recorder.add_tap("gate", "sub", tap)
    await asyncio.wait_for(tap.full.wait(), 10)
    assert tap.got[:2] == ["init", "key"]
    bench.recorder.remove_tap("gate", tap)
    status = bench.recorder.status("gate")
    assert (status.codec, status.width, status.height) == ("h264", 128, 96)
    await bench.recorder.close()
    bench.archive.write_now(lambda conn: None)
    assert set(bench.archive.read_now(segments.streams)) == {("gate", "main"), ("gate", "sub")}


async def test_without_a_sub_stream_main_serves_both(bench, url):
    await bench.recorder.apply([gate(url)])
    assert not bench.recorder.has_stream("gate", "sub") and bench.recorder.has_stream("gate", "main")
    tap = Tap()
    bench.recorder.add_tap("gate", "sub", tap)
    await asyncio.wait_for(tap.full.wait(), 10)
    assert "key" in tap.got


async def test_an_unchanged_camera_is_not_touched(bench, url):
    await bench.recorder.apply([gate(url)])
    await bench.until("recording")
    since = bench.recorder.status("gate").since_ns
    await bench.recorder.apply([gate(url, retention_days=3)])
    assert bench.recorder.status("gate").since_ns == since
    assert bench.causes().count("no_video") == 1


async def test_disabling_switching_off_and_removing_are_told_as_disabled(bench, url):
    await bench.recorder.apply([gate(url)])
    await bench.until("recording")
    await bench.recorder.apply([gate(url, enabled=False)])
    assert bench.recorder.status("gate").state == "disabled"
    assert bench.causes()[-1] == "disabled"
    await bench.recorder.apply([gate(url, record=RecordSettings("off"))])
    await bench.until("live")
    assert bench.causes()[-1] == "disabled"
    await bench.recorder.apply([gate(url)])
    await bench.until("recording")
    await bench.recorder.apply([])
    assert bench.causes()[-1] == "disabled"
    with pytest.raises(ApplianceError):
        bench.recorder.status("gate")


async def test_a_camera_that_is_removed_while_it_is_offline_is_disabled_too(bench):
    await bench.recorder.apply([gate("rtsp://127.0.0.1:9/none")])
    await bench.until("offline")
    assert bench.causes() == ["camera_offline"]
    await bench.recorder.apply([])
    assert bench.causes() == ["camera_offline", "disabled"]


async def test_a_clean_stop_leaves_the_last_frames_and_a_restart(bench, url):
    await bench.recorder.apply([gate(url)])
    await bench.until("recording")
    await bench.recorder.close()
    bench.archive.write_now(lambda conn: None)
    rows = bench.archive.read_now(lambda conn: segments.of_stream(conn, "gate", "main"))
    assert rows and bench.causes()[-1] == "restart"
    gap = bench.db.read_now(lambda conn: gaps.of_stream(conn, "gate", "main"))[-1]
    assert gap.start_ns == rows[-1].end_ns and gap.end_ns is None


async def test_a_full_disk_is_no_reason_to_end_badly(tmp_path, url):
    bench = Bench(tmp_path)
    await bench.recorder.apply([gate(url)])
    await bench.until("recording")

    async def full(work):
        raise ApplianceError("exhausted", "appliance.db: database or disk is full", "free space")

    bench.db.write = full
    await bench.recorder.close()
    assert list((tmp_path / "recordings" / "gate").rglob("*.mp4"))
    bench.db.close()
    bench.archive.close()


async def test_a_run_of_another_day_s_wrong_clock_lies_below_the_next_ones(bench, url):
    """R4: the later pass is seen; here the box believed in 2099 once."""
    ahead = uuid7(4_070_908_800 * SECOND_NS)
    row = Segment("gate", "main", "boot", ahead, 0, bench.volumes.all[0].id, "gone.mp4", 1, 2, 3, "", "",
                  128, 96, 1, "")  # fmt: skip
    bench.archive.write_now(lambda conn: segments.put(conn, row))
    await bench.recorder.apply([gate(url)])
    await bench.until("recording")
    tap = Tap()
    bench.recorder.add_tap("gate", "main", tap)
    await asyncio.wait_for(tap.full.wait(), 10)
    assert tap.inits[0].run_id > ahead
    bench.archive.write_now(lambda conn: segments.delete(conn, row.volume_id, row.path))


async def at_work(bench, *, stuck: bool) -> Work:
    """The stream's work, once it has been at one thing for a while (or once it is not)."""
    async with asyncio.timeout(20):
        while True:
            (work,) = bench.recorder.works()
            age_ns = time.monotonic_ns() - work.since_ns
            if (work.since_ns != 0 and age_ns > SECOND_NS) if stuck else work.since_ns == 0:
                return work
            await asyncio.sleep(0.05)


async def test_a_camera_that_is_not_there_leaves_its_thread_waiting_not_at_work(bench):
    await bench.recorder.apply([gate("rtsp://127.0.0.1:9/none")])
    await bench.until("offline")
    for _ in range(10):
        work = await at_work(bench, stuck=False)
        assert (work.name, work.alive) == ("stream gate/main", True)
        await asyncio.sleep(0.05)


async def test_a_write_that_does_not_return_is_work_and_recording_is_not_what_it_says(
    bench, url, monkeypatch
):
    await bench.recorder.apply([gate(url)])
    await bench.until("recording")
    monkeypatch.setattr(stream, "NO_ANSWER_S", 1.0)
    go, real = threading.Event(), os.writev
    monkeypatch.setattr(segment.os, "writev", lambda fd, parts: (go.wait(), real(fd, parts))[1])
    try:
        work = await at_work(bench, stuck=True)
        assert work.alive and work.native_id in {thread.native_id for thread in threading.enumerate()}
        status = bench.recorder.status("gate")
        assert (status.state, status.last_error) == ("live", "the disk does not answer")
    finally:
        go.set()
    await at_work(bench, stuck=False)
    assert bench.recorder.status("gate").state == "recording"


async def test_video_that_reaches_no_file_though_no_disk_has_failed_is_work_that_does_not_end(
    bench, url, monkeypatch
):
    await bench.recorder.apply([gate(url)])
    (volume,) = bench.volumes.all
    async with asyncio.timeout(20):  # what was never written at all is the camera's fault, not ours
        while not any(path.stat().st_size for path in volume.root.rglob("*.mp4")):
            await asyncio.sleep(0.05)
    with monkeypatch.context() as broken:
        broken.setattr(Recording, "put", lambda *_: None)
        await at_work(bench, stuck=True)
    await at_work(bench, stuck=False)


async def test_who_is_told_to_stop_is_nobody_s_worry(bench, url):
    await bench.recorder.apply([gate(url)])
    await bench.until("recording")
    await bench.recorder.apply([])
    assert bench.recorder.works() == []
