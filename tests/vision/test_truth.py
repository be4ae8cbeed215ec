"""Real footage with the real model against what a person saw: one track per person at the table."""

import asyncio
import hashlib
import os
import signal
import time
import tomllib
from collections import defaultdict
from pathlib import Path

import av
import pytest

from appliance.base.geometry import inside
from appliance.vision import detectors
from appliance.vision.decoding.planes import luma
from appliance.vision.detectors import Picture
from appliance.vision.looking.gate import Gate
from appliance.vision.looking.schedule import Grid, Looks
from appliance.vision.packs import installed
from appliance.vision.tracking.tracker import Tracker

START_NS = 1_768_919_400 * 10**9


@pytest.fixture(scope="module")
def truth(footage):
    table = tomllib.loads(Path(__file__).with_name("truth_one_by_one.toml").read_text())
    assert hashlib.sha256(footage.read_bytes()).hexdigest() == table["sha256"]
    table["zone"] = [tuple(point) for point in table["zone"]]
    return table


def visits(points, zone, start_ns):
    """(from, to, track id) of every person track that was in the zone for at least a second."""
    inside_s = defaultdict(list)
    for point in points:
        if point.class_name == "person" and inside(zone, point.bbox.anchor):
            inside_s[point.track_id].append((point.time_ns - start_ns) / 1e9)
    found = [(times[0], times[-1], track_id) for track_id, times in inside_s.items()]
    return sorted(visit for visit in found if visit[1] - visit[0] >= 1.0)


def check(found, people, tolerance_s):
    assert len(found) == len(people), found
    for (enter_s, leave_s, _), person in zip(found, people, strict=True):
        assert enter_s == pytest.approx(person["enter_s"], abs=tolerance_s), person["who"]
        assert leave_s == pytest.approx(person["leave_s"], abs=tolerance_s), person["who"]


def analyse(path, pack, until_s, next_id):
    detector = detectors.make(detectors.choose_backend(pack)[0])
    detector.load(pack, 1)
    tracker, gate, grid, looks = Tracker("c", next_id, 0.4), Gate(), Grid(5.0), Looks()
    points = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            time_ns = START_NS + round(frame.time * 1e9)
            if frame.time > until_s:
                break
            if grid.pick(time_ns):
                motion = gate.look(luma(frame), time_ns)
                if looks.wants(time_ns, motion, known=tracker.known, unsure=tracker.unsure):
                    (found,) = detector.detect([Picture("c", time_ns, frame, motion)])
                    points += tracker.update(time_ns, found, detector.labels, motion)
    detector.close()
    return points


@pytest.mark.parametrize(
    ("name", "until_s"),
    [
        ("deimv2-femto", 50.0),
        pytest.param("deimv2-femto", 140.0, marks=pytest.mark.long),
        pytest.param("yolox-nano", 140.0, marks=pytest.mark.long),
    ],
)
def test_each_person_is_one_track(footage, assets, truth, ids, name, until_s):
    pack, reason = installed.choose(name, [assets])
    if pack is None:
        pytest.skip(reason)
    points = analyse(footage, pack, until_s, ids)
    people = [person for person in truth["person"] if person["leave_s"] < until_s - 3]
    check(visits(points, truth["zone"], START_NS), people, truth["tolerance_s"])


@pytest.mark.long
async def test_the_whole_line_of_the_worker_sees_them_too(footage, assets, truth, running, play):
    async with running("hall", choice="deimv2-femto", asset_dirs=(assets,)) as (host, heard):
        await heard.until(lambda: host.state().state == "running", 20)
        if host.state().detector != "deimv2-femto":
            pytest.skip(host.state().reason)
        player = play(footage, host.tap("hall"), "hall", speed=2.0)
        player.loop = False
        while not player.done.is_set():
            await asyncio.sleep(0.5)
        check(visits(heard.points, truth["zone"], player.start_ns), truth["person"], truth["tolerance_s"])


@pytest.fixture(scope="module")
def standing(footage, tmp_path_factory):
    """Eight seconds in which one person stands at the table, remuxed."""
    path = tmp_path_factory.mktemp("film") / "standing.mp4"
    with av.open(str(footage)) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        target = out.add_stream_from_template(stream)
        first = None
        for packet in source.demux(stream):
            if packet.dts is None or not 9.0 <= packet.dts * packet.time_base < 17.0:
                continue
            first = packet.dts if first is None and packet.is_keyframe else first
            if first is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - first, packet.dts - first, target
                out.mux(packet)
    return path


async def test_an_identity_survives_the_death_of_the_worker(standing, assets, running, play):
    async with running("hall", choice="deimv2-femto", asset_dirs=(assets,)) as (host, heard):
        play(standing, host.tap("hall"), "hall")
        await heard.until(lambda: len(heard.points) > 3, 20)
        if host.state().detector != "deimv2-femto":
            pytest.skip(host.state().reason)
        before = {point.track_id for point in heard.points if point.class_name == "person"}
        os.kill(host.worker_pid, signal.SIGKILL)
        killed = time.monotonic()
        seen = lambda: [  # noqa: E731
            point
            for point, at in zip(heard.points, heard.at, strict=True)
            if at > killed + 0.1 and point.class_name == "person"
        ]
        await heard.until(seen, 6)
        assert {point.track_id for point in seen()} == before
        assert [point.phase for point in heard.points if point.track_id in before].count("start") == 1
