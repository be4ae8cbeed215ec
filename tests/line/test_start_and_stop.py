"""How a box begins and ends: on a full disk, after a kill, at Ctrl-C, and beside another one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CAMERAS, FPS = 4, 10
START_S, STOP_S = 3.0, 10.0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """16 MB; skips where mounting is refused."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is refused here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def recording(box, scene) -> list[str]:
    """Four cameras whose frames are numbered, all of them in the ring."""
    ids = []
    for number in range(CAMERAS):
        url = await scene(f"cam{number}?size=320x180&fps={FPS}&gop={FPS}&sei=1")
        ids.append(await box.add_camera(f"cam{number}", url))
    for camera_id in ids:
        await box.in_state(camera_id, "recording", 15)
    return ids


async def made(order, camera_id: str) -> int:
    """The number of the newest picture the camera has sent."""
    return int((await order(camera_id, "status"))["counter"]) - 1


async def until_sent(order, tools, camera_id: str, frames: int) -> None:
    async def enough():
        return await made(order, camera_id) >= frames

    await tools.until(enough, frames / FPS + 10)


async def test_a_killed_box_records_again_at_once_and_sigterm_loses_nothing(box, scene, order, tools):
    await box.start("--detector", "motion")
    ids = await recording(box, scene)
    starts = []
    for _ in range(2):
        sent = await made(order, ids[0])
        await until_sent(order, tools, ids[0], sent + FPS)
        await box.kill()
        killed = time.time()
        await box.start("--detector", "motion")
        starts.append(box.ready_after_s)
        for camera_id in ids:  # ready says so: no waiting here
            assert (await box.status(camera_id))["state"] == "recording"
            gaps = [span for span in await box.spans(camera_id) if span["state"] == "gap"]
            assert gaps[-1]["cause"] == "restart"
            assert -1.0 <= tools.seconds(gaps[-1]["start"]) - killed <= 0.5
    sent = await made(order, ids[-1])
    await until_sent(order, tools, ids[-1], sent + FPS)
    newest = {camera_id: await made(order, camera_id) for camera_id in ids}
    code, took_s = await box.stop()
    assert code == 0 and took_s < STOP_S
    for camera_id in ids:
        runs = box.numbers(camera_id)
        assert len(runs) == 3
        for numbers in runs:
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        # One frame is in libav's parser, one on its way; everything else that was sent is there.
        assert runs[0][0] == 0 and runs[-1][-1] >= newest[camera_id] - 2
        assert runs[0][-1] < runs[1][0] and runs[1][-1] < runs[2][0]
        assert all(seen.footer is not None for _, seen in box.segments(camera_id))
    assert box.check().returncode == 0
    # The better of two: one start may fall into somebody else's work on this machine.
    assert min(starts) <= START_S, starts


def session(leader: int) -> set[int]:
    """The living processes of a session: a child may leave the group of its parent, but not this."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, number = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            if int(number) == leader and state != "Z":
                found.add(int(entry.name))
    return found


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Ready, and alone in a session and a process group, as a terminal starts it."""
    run = [sys.executable, "-m", "appliance", "demo", "--port", "0", "--cameras", "1", "--json"]
    with (tmp_path / "demo.log").open("wb") as log:
        made = subprocess.Popen(
            [*run, "--detector", "motion", "--data", str(tmp_path / "data")],
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert made.stdout is not None and b'"ready": true' in made.stdout.readline()
    yield made
    for pid in session(made.pid):
        os.kill(pid, signal.SIGKILL)
    made.stdout.close()
    made.wait()


async def test_ctrl_c_is_for_the_daemon_alone_and_leaves_nothing_running(demo, tmp_path):
    children = session(demo.pid) - {demo.pid}
    assert len(children) == 2  # the simulator and the vision worker
    assert all(os.getpgid(child) == child for child in children)  # also while they are still importing
    os.kill(demo.pid, signal.SIGSTOP)  # or it would end them before they can complain
    os.killpg(demo.pid, signal.SIGINT)
    time.sleep(1.0)
    assert session(demo.pid) == {demo.pid, *children}
    os.kill(demo.pid, signal.SIGCONT)
    assert demo.wait(STOP_S) == 0
    assert session(demo.pid) == set()
    said = (tmp_path / "demo.log").read_text()
    assert "Traceback" not in said and "KeyboardInterrupt" not in said, said


async def test_no_child_outlives_a_killed_daemon(demo, tools):
    assert len(session(demo.pid)) == 3
    os.kill(demo.pid, signal.SIGKILL)
    demo.wait(STOP_S)
    await tools.until(lambda: not session(demo.pid), STOP_S, "an orphan")


async def test_one_box_per_data_directory(box, scene):
    await box.start("--detector", "motion")
    second = subprocess.run(box.command(), capture_output=True, text=True, timeout=30)
    assert second.returncode == 1 and second.stdout == ""
    assert "a box is running" in second.stderr and "--data" in second.stderr
    assert "Traceback" not in second.stderr
    assert (await box.get("/system/health"))["status"] in ("ok", "degraded")
    assert (await box.stop())[0] == 0


async def test_it_starts_on_a_full_disk_and_says_so(box, fresh_data, tiny_disk, fill_up, scene, order, tools):
    box.data = fresh_data(tiny_disk / "data")
    await box.start("--detector", "motion")
    settings = (await box.get("/settings"))["settings"]
    retention = settings["retention"] | {"reserve_bytes": 0, "reserve_percent": 0}
    put = await box.call("PUT", "/settings", settings | {"retention": retention})
    assert put.status == 200, put
    url = await scene(f"gate?size=320x180&fps={FPS}&gop={FPS}&bitrate=200&sei=1")
    camera_id = await box.add_camera("Gate", url)
    await box.in_state(camera_id, "recording", 10)
    await tools.until((box.data / ".ballast").exists, 10, "no ballast")
    assert (await box.stop())[0] == 0
    recorded = box.numbers(camera_id)
    fill_up(tiny_disk)

    await box.start("--detector", "motion")
    assert "ballast" in box.log.read_text()
    await box.get("/system/health")  # signed in: that is a row in a table
    fill_up(tiny_disk)  # also what the ballast gave: now not even a segment can be begun

    async def full():
        status = await box.status(camera_id)
        spans = await box.spans(camera_id)
        return status["state"] == "live" and status if spans[-1]["cause"] == "disk_full" else None

    status = await tools.until(full, 15, "no word of the full disk")
    assert "full" in status["last_error"]
    health = await box.get("/system/health")
    assert health["status"] != "ok"
    assert any("full" in c["detail"] for c in health["checks"]), [
        (c["name"], c["status"], c["detail"]) for c in health["checks"]
    ]
    (tiny_disk / "footage").unlink()
    await box.in_state(camera_id, "recording", 15)
    assert (await box.stop())[0] == 0
    numbers = box.numbers(camera_id)
    assert numbers[: len(recorded)] == recorded and len(numbers) > len(recorded)
    assert all(run == list(range(run[0], run[0] + len(run))) for run in recorded)
    assert box.check().returncode == 0
