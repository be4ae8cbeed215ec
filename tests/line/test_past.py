"""The vision worker is gone for seconds, and people pass: afterwards each of them is an event, once."""

import asyncio
import itertools
import os
import signal
import time
from pathlib import Path

import av
import numpy as np
import pytest

FPS = 10
WIDTH, HEIGHT = 320, 180
FILM_S = 6  # one box passes in each 2 s, at another height
EVERY_S = 2.0
SPEED = 160  # pixels a second


@pytest.fixture(scope="module")
def passers(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "passers.mp4"
    options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS), "crf": "20"}
    random = np.random.default_rng(5)
    ground = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FILM_S * FPS):
            picture = ground + random.integers(0, 3, ground.shape, np.uint8)
            lane, at_s = divmod(number / FPS, EVERY_S)
            left = round(at_s * SPEED) - 30
            top = 20 + 50 * round(lane)
            picture[top : top + 30, max(0, left) : max(0, left + 30)] = 220
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def worker_of(box) -> int | None:
    for task in Path(f"/proc/{box.process.pid}/task").iterdir():
        for pid in (task / "children").read_text().split():
            try:
                if b"appliance.vision.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return int(pid)
            except FileNotFoundError:
                continue  # it ended meanwhile
    return None


async def keep_down(box, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (pid := worker_of(box)) is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        await asyncio.sleep(0.05)


@pytest.fixture
async def watched(box, scene, passers):
    url = await scene(f"belt?file={passers}")
    await box.start("--detector", "motion")
    camera_id = await box.add_camera("Belt", url, detect={"enabled": True, "fps": 5})
    points = [[0.5, 0.0], [0.5, 1.0]]
    zone = await box.make(
        "/zones", {"camera_id": camera_id, "name": "Middle", "kind": "line", "points": points}
    )
    rule = {"name": "Passing", "kind": "line_cross", "camera_ids": [camera_id], "zone_ids": [zone["id"]]}
    rule |= {"params": {"direction": "both"}, "severity": "warning", "cooldown_s": 0}
    await box.make("/rules", rule)
    return camera_id


def passings(sockets, tools) -> list[tuple[float, dict]]:
    """(when it happened, event), each once, by time."""
    found = {m["data"]["id"]: m["data"] for _, m in sockets.heard if m["type"] == "event"}
    return sorted(((tools.seconds(event["start_time"]), event) for event in found.values()), key=str)


async def checks(box) -> dict[str, str]:
    return {check["name"]: check["detail"] for check in (await box.get("/system/health"))["checks"]}


async def caught_up(box) -> bool:
    found = await checks(box)
    return not {"sight", "looking back"} & found.keys() and found["analysis"].endswith("running")


async def blind_for(box, watched, tools, down_s: float, more: float) -> None:
    sockets = await box.events()
    await sockets.wait(lambda m: m["type"] == "event", 20)
    down = time.time()
    keeping = asyncio.ensure_future(keep_down(box, down_s))

    async def says_so():
        found = await checks(box)
        return "blind since" in found.get("sight", "") and found

    assert "1 of 1 cameras blind since" in (await tools.until(says_so, 8))["sight"]
    await keeping
    up = time.time()
    is_late = lambda m: m["type"] == "event" and m["data"]["found_late"]  # noqa: E731
    at, first = await sockets.wait(is_late, 40 + down_s)
    await tools.until(lambda: caught_up(box), 30 + down_s, "it never caught up")
    print(
        f"blind for {down_s:.0f} s and more; told {at - up:.1f} s after the end, all {time.time() - up:.1f} s"
    )
    assert down - 1 < tools.seconds(first["data"]["start_time"]) < at - 1
    assert tools.seconds(first["data"]["created_at"]) == pytest.approx(at, abs=1)
    await asyncio.sleep(more)

    told = passings(sockets, tools)
    late = [event for _, event in told if event["found_late"]]
    assert len(late) >= int(down_s / EVERY_S)
    steps = [b - a for (a, _), (b, _) in itertools.pairwise(told)]
    assert steps == pytest.approx([EVERY_S] * len(steps), abs=0.7), [
        (round(at - down, 2), event["found_late"], event["track_id"], event["bbox"]["y"], event["direction"])
        for at, event in told
    ]
    alerts = (await box.get("/alerts", limit="1000"))["alerts"]
    assert {event["direction"] for _, event in told} == {"backward"}, "nobody went back"
    assert {event["id"] for event in late} <= {alert["event_id"] for alert in alerts}

    async def with_still():
        return (await box.get(f"/events/{late[0]['id']}"))["event"]["snapshot_url"]

    assert await tools.until(with_still, 10, "no still of the past")


async def test_who_passed_while_nobody_looked_is_told_of_afterwards(box, watched, tools):
    await blind_for(box, watched, tools, 3.0, 0)


@pytest.mark.long  # in simulated time: tests/daemon/test_looking_back.py, where the next daemon goes on
async def test_a_daemon_that_was_killed_owes_a_look_at_what_it_recorded_last(box, watched, tools):
    """The worker is kept down, the daemon dies too: the next one knows from how far it was looked."""
    sockets = await box.events()
    first = (await sockets.wait(lambda m: m["type"] == "event", 20))[1]["data"]
    down = time.time()
    await keep_down(box, 4)
    await box.kill()
    killed = time.time()
    await box.start("--detector", "motion")
    sockets = await box.events(since=0)
    await tools.until(lambda: caught_up(box), 30, "it never caught up")
    told = [(at, event) for at, event in passings(sockets, tools) if at < killed]
    late = [at for at, event in told if event["found_late"]]
    assert sum(down < at < killed for at in late) >= 1
    at = [moment for moment, _ in told]
    assert tools.seconds(first["start_time"]) in at
    assert min(b - a for a, b in itertools.pairwise(at)) > EVERY_S / 2, "none of them twice"
    assert max(b - a for a, b in itertools.pairwise([*at, killed])) < 1.5 * EVERY_S, "none of them never"


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_long_blindness_with_a_kill_in_the_middle_of_looking_back(box, watched, tools):
    async def kill_while_looking():
        while "%" not in (await checks(box)).get("looking back", ""):
            await asyncio.sleep(0.05)
        os.kill(worker_of(box), signal.SIGKILL)

    killing = asyncio.ensure_future(kill_while_looking())
    await blind_for(box, watched, tools, 90.0, 3)
    assert killing.done() and killing.exception() is None
