"""The daemon's side against a real child: crashes, hangs, poisoned streams, stills."""

import asyncio
import os
import signal
import time

import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import Box
from appliance.vision.host import session
from appliance.vision.host.session import Session


def moving(heard, since):
    return lambda: any(at > since and p.phase != "end" for p, at in zip(heard.points, heard.at, strict=True))


async def test_packets_of_a_scene_become_tracks(running, play, scene):
    async with running("yard") as (host, heard):
        play(scene(), host.tap("yard"))
        await heard.until(lambda: len(heard.points) > 5, 10)
        assert heard.points[0].phase == "start"
        assert heard.points[0].class_name == "object"
        assert host.state().state == "running"
        assert host.state().detector == "motion"
        await heard.until(lambda: host.figures()["yard"].fps_done > 3, 8)
        figure = host.figures()["yard"]
        assert figure.fps_done < 7.5  # of the ten that come
        assert figure.latency_ms < 3000
        assert figure.decoder == "software" and figure.decode_ms > 0


async def test_h265_is_watched_too(running, play, scene):
    async with running("yard") as (host, heard):
        play(scene(6.0, 1.0, "libx265"), host.tap("yard"))
        await heard.until(lambda: len(heard.points) > 5, 10)
        assert host.figures()["yard"].decode_errors == 0


@pytest.mark.parametrize("gop_s", [1.0, 8.0])
async def test_a_killed_worker_is_replaced_and_tracks_flow_within_3_s(running, play, scene, gop_s):
    async with running("yard") as (host, heard):
        play(scene(20.0, gop_s), host.tap("yard"))
        await heard.until(lambda: len(heard.points) > 5, 10)
        killed, old = time.monotonic(), host.worker_pid
        os.kill(old, signal.SIGKILL)
        took_s = await heard.until(moving(heard, killed + 0.05), 6)
        assert took_s < 6.0  # 3 s is promised; tests/line holds it to that on a quiet machine
        assert host.worker_pid != old
        assert host.state().restarts == 1
        assert "down" in [state.state for state in heard.states]
        ((told, cameras),) = heard.blind
        assert cameras == ["yard"] and told < len(heard.points)


async def test_a_stopped_worker_is_killed_and_replaced_within_10_s(running, play, scene):
    async with running("yard") as (host, heard):
        player = play(scene(20.0, 8.0), host.tap("yard"))
        await heard.until(lambda: len(heard.points) > 5, 10)
        stopped = time.monotonic()
        os.kill(host.worker_pid, signal.SIGSTOP)
        took_s = await heard.until(moving(heard, stopped + 0.3), 14)
        assert took_s < 15.0  # 10 s is promised
        assert player.longest_put_s < 0.1


async def test_a_poisoned_stream_costs_its_own_pictures_only(running, play, scene):
    async with running("yard", "door") as (host, heard):
        bad = play(scene(), host.tap("yard"), "yard")
        play(scene(), host.tap("door"), "door")
        await heard.until(lambda: {p.camera_id for p in heard.points} == {"yard", "door"}, 10)
        bad.spoil = lambda body: body[:4] + os.urandom(len(body) - 4)
        await heard.until(lambda: host.figures()["yard"].decode_errors > 5, 10)
        poisoned = time.monotonic()
        door = lambda: any(  # noqa: E731
            p.camera_id == "door" and at > poisoned + 1 for p, at in zip(heard.points, heard.at, strict=True)
        )
        await heard.until(door, 5)
        bad.spoil = lambda body: body
        mended = time.monotonic()
        yard = lambda: any(  # noqa: E731
            p.camera_id == "yard" and at > mended for p, at in zip(heard.points, heard.at, strict=True)
        )
        await heard.until(yard, 6)


async def test_stills_show_the_box_and_the_past_is_not_found(running, play, scene):
    async with running("yard") as (host, heard):
        play(scene(), host.tap("yard"))
        await heard.until(lambda: len(heard.points) > 5, 10)
        now_ns = heard.points[-1].time_ns
        plain = await host.still("yard", now_ns)
        boxed = await host.still("yard", now_ns, Box(0.25, 0.25, 0.5, 0.5))
        assert plain.startswith(b"\xff\xd8") and boxed.startswith(b"\xff\xd8")
        assert plain != boxed
        with pytest.raises(ApplianceError, match="no frame in memory") as caught:
            await host.still("yard", now_ns - 60 * 10**9)
        assert caught.value.kind == "not_found"


async def test_tracks_of_a_camera_that_is_switched_off_end_once(running, play, scene, make_camera):
    async with running("yard", "door") as (host, heard):
        play(scene(), host.tap("yard"), "yard")
        await heard.until(lambda: len(heard.points) > 5, 10)
        await host.apply([make_camera("door")])
        await asyncio.sleep(0)
        seen = len(heard.points)
        started = {p.track_id for p in heard.points if p.phase == "start"}
        ended = [p.track_id for p in heard.points if p.phase == "end"]
        assert sorted(ended) == sorted(started)
        ((told, cameras),) = heard.blind
        assert cameras == ["yard"] and {p.phase for p in heard.points[told:]} == {"end"}
        await heard.until(lambda: len(heard.beats) > 6, 10)
        assert len(heard.points) == seen
        assert set(host.figures()) == {"door"}


async def test_without_cameras_there_is_no_worker(running, make_camera):
    async with running() as (host, heard):
        await asyncio.sleep(0)
        assert host.state().state == "off"
        assert host.worker_pid is None
        await host.apply([make_camera("yard")])
        await heard.until(lambda: host.state().state == "running", 10)
        pid = host.worker_pid
        await host.apply([])
        await heard.until(lambda: host.state().state == "off", 5)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_missing_model_falls_back_to_motion_and_says_so(running):
    async with running("yard", choice="auto") as (host, heard):
        await heard.until(lambda: host.state().state == "running", 10)
        assert host.state().detector == "motion"
        assert "deimv2-femto" in host.state().reason


async def test_after_a_decoder_that_hung_the_next_worker_decodes_in_software(
    running, play, scene, monkeypatch
):
    asked, start = [], Session.start

    async def noted(self, hello, engines=None):
        asked.append(hello.decoder)
        await start(self, hello, engines)

    monkeypatch.setattr(Session, "start", noted)
    monkeypatch.setattr(session, "DECODE_TIMEOUT_S", -1.0)  # any packet takes longer
    async with running("yard") as (host, heard):
        play(scene(), host.tap("yard"))
        await heard.until(lambda: host.state().restarts >= 1, 10)
        assert "the decoder of yard" in host.state().reason
        monkeypatch.setattr(session, "DECODE_TIMEOUT_S", 5.0)
        again = time.monotonic()
        await heard.until(moving(heard, again), 15)
    assert asked[:2] == ["auto", "software"]
