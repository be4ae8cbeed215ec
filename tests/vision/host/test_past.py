"""A look back through a real child: judged in its window, faster than it happened, behind live work."""

import asyncio
import itertools
import os
import signal
import time

import av
import msgspec
import pytest

from appliance.base.clock import BoxClock, ManualClock
from appliance.base.errors import ApplianceError
from appliance.vision.host.past import Load, look_back
from appliance.vision.messages import OpenPast
from appliance.vision.state import VisionFigures

S = 1_000_000_000
THEN_NS = 1_700_000_000 * S
numbers = itertools.count()


class Some(msgspec.Struct):
    codec: str
    codec_config: bytes
    from_ns: int
    samples: list[tuple[bytes, int, bool]]


class Film:
    """A file as footage of long ago, a GOP at a time; ``given`` counts what was asked for."""

    def __init__(self, path, start_s=0.0) -> None:
        self.path, self.from_ns, self.given = path, THEN_NS + round(start_s * S), 0

    async def __aiter__(self):
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            config = bytes(stream.codec_context.extradata or b"")
            samples: list[tuple[bytes, int, bool]] = []
            for packet in container.demux(stream):
                if packet.is_keyframe and samples:
                    yield self._some(config, samples)
                    config, samples = b"", []
                    await asyncio.sleep(0)
                if packet.pts is not None:
                    at_ns = THEN_NS + round(float(packet.pts * packet.time_base) * S)
                    samples.append((bytes(packet), at_ns, packet.is_keyframe))
            yield self._some(config, samples)

    def _some(self, config, samples) -> Some:
        self.given += len(samples)
        return Some("h264", config, self.from_ns, samples)


class Looked:
    def __init__(self, host, film, may_go=lambda: True) -> None:
        self.points, self.judged_ns = [], 0
        self.order = OpenPast(f"span-{next(numbers)}", host.watch_of("yard"))
        self._host, self._film, self._may_go = host, film, may_go

    def heard(self, report) -> None:
        self.points += report.points
        self.judged_ns = max(self.judged_ns, report.judged_ns)

    async def run(self) -> int:
        return await look_back(
            self._host.session, self.order, self._film, self.heard, self._may_go, BoxClock()
        )


async def ready(host, heard) -> None:
    await heard.until(lambda: host.state().state == "running", 10)


async def test_a_stretch_is_judged_in_its_window_and_faster_than_it_happened(running, scene):
    async with running("yard") as (host, heard):
        await ready(host, heard)
        film = Film(scene(60.0), start_s=20.0)
        looked, began = Looked(host, film), time.monotonic()
        assert await looked.run() > 50
        took_s = time.monotonic() - began
        print(f"{40 / took_s:.0f} times as fast as it happened")
        assert took_s < 20  # of 60 s; a machine that is busy with other things may be slow
        assert film.given == 600
        phases = [point.phase for point in looked.points]
        assert phases.count("start") == phases.count("end") > 0
        assert min(point.time_ns for point in looked.points) >= THEN_NS + 20 * S
        assert looked.judged_ns > THEN_NS + 57 * S
        assert not heard.points, "none of it is told as if it were now"


async def test_nothing_is_given_while_the_live_cameras_need_all(running, scene):
    async with running("yard") as (host, heard):
        await ready(host, heard)
        free = asyncio.Event()
        looked = Looked(host, Film(scene(12.0)), free.is_set)
        task = asyncio.ensure_future(looked.run())
        beats = len(heard.beats)
        await heard.until(lambda: len(heard.beats) > beats + 1, 10)
        assert looked.judged_ns == 0 and not looked.points
        free.set()
        assert await asyncio.wait_for(task, 20) > 0


async def test_live_pictures_go_first(running, play, scene):
    async with running("yard") as (host, heard):
        play(scene(), host.tap("yard"))
        await heard.until(lambda: len(heard.points) > 5, 10)
        skipped, lived = host.figures()["yard"].skipped, len(heard.points)
        looked = Looked(host, Film(scene(60.0)))
        assert await asyncio.wait_for(looked.run(), 60) > 100
        await heard.until(lambda: host.figures()["yard"].fps_done > 4, 5)
        # On a machine that is busy with other things some pictures are late; behind the film most would be.
        lived, late = len(heard.points) - lived, host.figures()["yard"].skipped - skipped
        assert lived and late < lived / 2, (lived, late)
        assert all(point.time_ns > THEN_NS + 1000 * S for point in heard.points)


async def test_only_what_is_judged_is_read(running, scene):
    """A worker that is stopped takes what its sockets hold, and not the film; killed, it is done with."""
    async with running("yard") as (host, heard):
        await ready(host, heard)
        await heard.until(lambda: heard.beats, 10)
        film = Film(scene(60.0))
        os.kill(host.worker_pid, signal.SIGSTOP)
        task = asyncio.ensure_future(Looked(host, film).run())
        given = -1
        while given < film.given < 600 or not film.given:
            given = film.given
            await asyncio.sleep(0.3)  # the whole film is read in less
        assert 0 < film.given < 600
        os.kill(host.worker_pid, signal.SIGKILL)
        with pytest.raises(ApplianceError, match="worker ended"):
            await asyncio.wait_for(task, 10)
        await heard.until(lambda: host.state().restarts == 1 and host.state().state == "running", 10)


async def test_a_killed_worker_ends_it_and_the_next_one_can_do_it_again(running, scene):
    async with running("yard") as (host, heard):
        await ready(host, heard)
        looked = Looked(host, Film(scene(60.0)))
        task = asyncio.ensure_future(looked.run())
        while looked.judged_ns < THEN_NS + 5 * S:
            await asyncio.sleep(0.01)
        os.kill(host.worker_pid, signal.SIGKILL)
        with pytest.raises(ApplianceError, match="worker ended"):
            await asyncio.wait_for(task, 10)
        await heard.until(lambda: host.state().restarts == 1 and host.state().state == "running", 10)
        assert await asyncio.wait_for(Looked(host, Film(scene(12.0))).run(), 20) > 0


async def test_one_that_is_left_is_forgotten(running, scene):
    async with running("yard") as (host, heard):
        await ready(host, heard)
        looked = Looked(host, Film(scene(60.0)))
        task = asyncio.ensure_future(looked.run())
        while looked.judged_ns == 0:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        told = len(looked.points)
        beats = len(heard.beats)
        await heard.until(lambda: len(heard.beats) > beats + 1, 5)
        assert len(looked.points) == told and host.state().restarts == 0


def test_the_load_is_low_where_no_frame_waits_in_vain() -> None:
    clock, figures = ManualClock(), {}
    load = Load(clock, lambda: figures)

    def after(seconds: float, **skipped: int) -> bool:
        clock.tick(seconds)
        figures.clear()
        figures.update({name: VisionFigures(5.0, skipped=count) for name, count in skipped.items()})
        return load.is_low()

    assert not after(1, yard=0), "nothing is known yet"
    assert not after(2, yard=0)
    assert after(2, yard=1)
    assert not after(2, yard=4), "3 of 10 frames"
    assert not after(1, yard=4), "asked again too soon"
    assert after(1, yard=4)
    assert not after(2, yard=4, door=0), "a new camera is not known yet"
    assert after(2, yard=4, door=0)
