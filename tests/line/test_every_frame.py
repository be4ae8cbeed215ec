"""Cameras that are not ours, every frame numbered by its content: all of them are in the files, once."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import pytest

GST_CAMERA = Path(__file__).parents[1] / "foreign" / "gst_camera.py"
FPS = 15
FILM_S = 10


@asynccontextmanager
async def _gst(film: Path, *options: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/python3",
        str(GST_CAMERA),
        str(film),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        yield f"127.0.0.1:{json.loads(line)['port']}"
    finally:
        process.kill()
        await process.wait()


@pytest.fixture(scope="session")
def gst() -> Callable[..., Any]:
    """``async with gst(film, "--mounts", "8") as address``: cameras that are not ours."""
    code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    python = Path("/usr/bin/python3")
    if not python.exists() or subprocess.run([python, "-c", code], capture_output=True).returncode:
        pytest.skip(
            "gst-rtsp-server for Debian's Python is missing: apt-get install gir1.2-gst-rtsp-server-1.0"
        )
    return _gst


@pytest.fixture(scope="session")
def film(tmp_path_factory) -> Path:
    """1080p15, a key frame every second, no two access units alike."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    moving = f"testsrc2=size=1920x1080:rate={FPS}:duration={FILM_S}"
    code = ["-c:v", "libx264", "-preset", "ultrafast", "-g", str(FPS), "-keyint_min", str(FPS)]
    code += ["-sc_threshold", "0", "-bf", "0", "-b:v", "1500k", "-maxrate", "1500k", "-bufsize", "1500k"]
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", moving, *code, "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.fixture(scope="session")
def digests(film, tools) -> list[str]:
    """Of the film's pictures, in order."""
    with av.open(str(film)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    found = [tools.slices("h264", tools.split(packet)) for packet in packets]
    assert len(set(found)) == len(found) == FPS * FILM_S
    return found


def first_run(box, tools, digests, camera_id) -> list[int]:
    """Numbers in the film of the pictures of the camera's first run, as the files have them."""
    number_of = {digest: number for number, digest in enumerate(digests)}
    (_, samples), *later = box.samples(camera_id).items()
    assert not later, f"{camera_id}: {1 + len(later)} runs where one was to be"
    return [number_of[tools.slices("h264", tools.split(sample))] for sample in samples]


async def settled(box, tools, camera_id: str) -> list[dict]:
    """The ledger once the silence behind the last frame shows in it."""

    async def look():
        spans = await box.spans(camera_id)
        return spans if spans[-1]["state"] == "gap" else None

    return await tools.until(look, 10)


async def record_all(box, gst, film, digests, tools, mounts: int, frames: int) -> list[int]:
    """``mounts`` cameras send ``frames`` each and are gone; how many frames each left in the files."""
    options = ("--mounts", str(mounts), "--fps", str(FPS), "--frames", str(frames), "--once")
    async with gst(film, *options) as address:
        await box.start("--detector", "motion")
        ids = [await box.add_camera(f"cam{n}", f"rtsp://{address}/cam{n}") for n in range(mounts)]
        for camera_id in ids:
            await box.in_state(camera_id, "recording", 20)
        for camera_id in ids:
            await box.in_state(camera_id, "offline", frames / FPS + 30)
        spans = {camera_id: await settled(box, tools, camera_id) for camera_id in ids}
    assert (await box.stop())[0] == 0
    counts = []
    for camera_id in ids:
        states = [(span["state"], span["cause"]) for span in spans[camera_id]]
        assert [state for state, _ in states] == ["gap", "recorded", "gap"], states
        numbers = first_run(box, tools, digests, camera_id)
        assert numbers[0] % FPS == 0, "it begins with a key frame"
        first = numbers[0]
        assert numbers == [n % len(digests) for n in range(first, first + len(numbers))]
        assert first + len(numbers) == frames if frames <= len(digests) else True
        assert (numbers[-1] + 1) % len(digests) == frames % len(digests), "the last frame sent is there"
        assert first <= 3 * FPS, "it begins soon"
        counts.append(len(numbers))
        span = spans[camera_id][1]
        long_s = tools.seconds(span["end"]) - tools.seconds(span["start"])
        assert long_s == pytest.approx(len(numbers) / FPS, rel=0.01, abs=0.2)
    checked = box.check()
    assert checked.returncode == 0, checked.stdout + checked.stderr
    paths = [path for camera_id in ids for path, _ in box.segments(camera_id)]
    said = [await asyncio.to_thread(tools.complaints, path) for path in paths]
    assert not any(said), [text[:300] for text in said if text]
    return counts


async def test_every_frame_is_in_the_files_once(box, gst, film, digests, tools):
    counts = await record_all(box, gst, film, digests, tools, mounts=2, frames=4 * FPS)
    assert min(counts) >= 2 * FPS


@pytest.mark.long
@pytest.mark.timeout(1500)
async def test_eight_cameras_for_ten_minutes(box, gst, film, digests, tools):
    frames = 600 * FPS
    counts = await record_all(box, gst, film, digests, tools, mounts=8, frames=frames)
    assert min(counts) >= frames - 3 * FPS
    print(f"8 cameras: {counts} frames of {frames} each, from the first key frame on, once and in order")


# -- recording beside analysis ------------------------------------------------------------------

SUB_FPS = 12
WATCH_S = 30.0


@pytest.fixture(scope="session")
def hall(shared_data, tmp_path_factory) -> Callable[[float, float], Path]:
    """A part of real footage as a sub stream: 640x360."""

    def make(from_s: float, to_s: float) -> Path:
        path = tmp_path_factory.mktemp("hall") / f"{from_s}.mp4"
        source = ["-ss", str(from_s), "-to", str(to_s)]
        source += ["-i", str(shared_data / "footage/one-by-one-person-detection.mp4")]
        code = ["-an", "-vf", f"scale=640:360,fps={SUB_FPS}", "-c:v", "libx264", "-preset", "ultrafast"]
        code += ["-bf", "0", "-g", str(2 * SUB_FPS), "-b:v", "500k", str(path)]
        subprocess.run(["ffmpeg", "-v", "error", *source, *code], check=True)
        return path

    return make


async def served(box, ids: list[str], seconds_: float) -> dict[str, float]:
    """Frames judged per second, by camera: the mean of what the box says of itself once a second."""
    sums, turns = dict.fromkeys(ids, 0.0), 0
    end = time.monotonic() + seconds_
    while time.monotonic() < end:
        await asyncio.sleep(1.0)
        text = (await box.call("GET", "//metrics")).body.decode()
        found = dict(re.findall(r'^ai_fps\{camera_id="([^"]+)"\} (\S+)$', text, re.MULTILINE))
        turns += 1
        for camera_id in ids:
            sums[camera_id] += float(found[camera_id])
    return {camera_id: total / turns for camera_id, total in sums.items()}


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("busy", "fps"), [(3, 5.0), (16, 12.0)], ids=["three-busy", "threefold-overload"])
async def test_sixteen_cameras_recorded_and_analysed(
    box, gst, film, hall, digests, tools, shared_data, busy, fps
):
    """16 x 1080p15 are recorded, their subs of 640x360 are recorded and analysed, on this machine."""
    names = [f"cam{number}" for number in range(16)]
    async with (
        gst(film, "--mounts", "16", "--fps", str(FPS)) as mains,
        gst(hall(5.0, 9.0), "--mounts", "16", "--fps", str(SUB_FPS)) as lively,
        gst(hall(0.0, 4.0), "--mounts", "16", "--fps", str(SUB_FPS)) as empty,
    ):
        await box.start("--detector", "deimv2-femto", APPLIANCE_ASSETS_PATH=str(shared_data))
        detect = {"enabled": True, "fps": fps, "stream": "sub"}
        ids = []
        for number, name in enumerate(names):
            sub = f"rtsp://{lively if number < busy else empty}/{name}"
            ids.append(await box.add_camera(name, f"rtsp://{mains}/{name}", sub_url=sub, detect=detect))
        for camera_id in ids:
            await box.in_state(camera_id, "recording", 30)
        await asyncio.sleep(8)
        assert "deimv2-femto" in str(await box.detector())
        rates = await served(box, ids, WATCH_S)
        spans = {camera_id: await box.spans(camera_id) for camera_id in ids}
        assert (await box.stop())[0] == 0
    print({camera_id: round(rate, 2) for camera_id, rate in rates.items()})
    if busy == 3:
        assert min(rates[camera_id] for camera_id in ids[:busy]) >= 4.0
    else:
        assert min(rates.values()) >= 0.9 * max(rates.values())
        assert max(rates.values()) < fps / 2, "that was no overload"
    for camera_id in ids:
        states = [span["state"] for span in spans[camera_id]]
        assert states[0] == "gap" and states.count("recorded") == 1, states
        numbers = first_run(box, tools, digests, camera_id)
        first = numbers[0]
        assert numbers == [n % len(digests) for n in range(first, first + len(numbers))]
        assert len(numbers) >= WATCH_S * FPS
    checked = box.check()
    assert checked.returncode == 0, checked.stdout + checked.stderr
