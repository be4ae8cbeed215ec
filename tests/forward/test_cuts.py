"""The whole line under 200 cuts: every event at the hub once, every clip bit for bit, both ends agree, and
a hub restored from a backup gets its missing half again by itself."""

import hashlib
import os
import time
from pathlib import Path

import av
import numpy as np
import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]

CUTS = int(os.environ.get("CUTS", "200"))
REMADE = 60  # clips that are made again from the ring
# What the box's clock is wrong by, one after the other: a first NTP answer, a wrong hand, summer time.
WRONG_BY_S = (40, 0, 7200, 3600, -86_400, 0)
FPS, WIDTH, HEIGHT, FILM_S, EVERY_S = 10, 320, 180, 6, 2.0


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Something crosses the middle in every 2 s, each time at another height."""
    path = tmp_path_factory.mktemp("film") / "passers.mp4"
    options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS), "crf": "24"}
    random = np.random.default_rng(5)
    ground = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FILM_S * FPS):
            picture = ground + random.integers(0, 3, ground.shape, np.uint8)
            lane, at_s = divmod(number / FPS, EVERY_S)
            left, top = round(at_s * 160) - 30, 20 + 50 * round(lane)
            picture[top : top + 30, max(0, left) : max(0, left + 30)] = 220
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


@pytest.fixture
def line(lab, postgres, objects, film, tools, whole_line):
    made = whole_line(lab, postgres, objects, film)
    made.set_up(tools.wait_for)
    return made


def hurt(line, chance) -> str:
    """One cut of the link, and its end."""
    lab, seconds = line.lab, chance.uniform(0.5, 6)
    how = chance.choice(["carrier", "blackhole", "address", "loss", "narrow"])
    if how == "carrier":
        lab.unplug()
    elif how == "blackhole":
        lab.drop(100)
    elif how == "address":
        lab.move()
        seconds = 0.0
    elif how == "loss":
        lab.drop(30)
    else:
        lab.narrow(64)
    time.sleep(seconds)
    lab.heal()
    time.sleep(chance.uniform(0.2, 5))
    return f"{how} {seconds:.1f} s"


def wound(line, number, tools) -> str:
    """``kill -9`` of one of the four, in turn, and its next life."""
    name = ("box", "hub", "postgres", "s3")[number % 4]
    line.kill(name)
    time.sleep(1)
    line.start(name)
    return name


def drained(line, tools, timeout_s=600):
    tools.wait_for(lambda: line.owed() == 0, timeout_s, "all is delivered")


def agree(line) -> dict:
    """D6 at both ends, and each event once."""
    box, hub = line.at_the_box(), line.at_the_hub()
    for kind, (owed, acknowledged, tombstoned) in box.items():
        assert owed == acknowledged + tombstoned, (kind, box[kind])
        assert tombstoned == 0, (kind, box[kind])
        assert hub[kind] == acknowledged, (kind, hub[kind], box[kind])
    events = line.events_of_hub()
    assert set(events) == line.events_of_box()
    assert set(events.values()) == {1}
    return {kind: counts[0] for kind, counts in box.items()}


def check_files(line, chance) -> int:
    """Each file of the hub is in its store; clips are what the box's own command makes of the span, where
    the box lived through it once."""
    files = line.files_of_hub()
    chance.shuffle(files)
    stored = {path for path in line.objects.folder.rglob("*_object") if path.is_file()}
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in stored}
    clips = 0
    for file in files:
        assert file["state"] == "complete", file
        assert file["sha256"] in digests, file
        span_ns = int(file["start_ns"]), int(file["end_ns"])
        if file["kind"] == "clip" and clips < REMADE and line.lived_once(*span_ns):
            out = line.lab.folder / "again.mp4"
            begin, end = map(line_time, span_ns)
            line.command(
                line.lab.box, "clip", file["camera_id"], begin, end, "-o", out, "--data", line.box_data
            )
            assert hashlib.sha256(out.read_bytes()).hexdigest() == file["sha256"], file
            out.unlink()
            clips += 1
    assert clips
    return len(files)


def line_time(ns: int) -> str:
    seconds, rest = divmod(ns, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 10**6:03d}Z"


def test_two_hundred_cuts(line, chance, tools):
    done = {}
    backup = line.lab.folder / "half"
    for number in range(CUTS):
        how = hurt(line, chance)
        done[how.split()[0]] = done.get(how.split()[0], 0) + 1
        if number % 12 == 11:
            name = wound(line, number // 12, tools)
            done[f"kill {name}"] = done.get(f"kill {name}", 0) + 1
        if number % (CUTS // len(WRONG_BY_S)) == CUTS // len(WRONG_BY_S) - 1:
            line.step_clock(WRONG_BY_S[number // (CUTS // len(WRONG_BY_S)) % len(WRONG_BY_S)])
            done["clock"] = done.get("clock", 0) + 1
        if number == CUTS // 2:
            line.postgres.dump(backup)
            before = sum(line.at_the_hub().values())
    line.lab.heal()
    tools.wait_for(lambda: line.call("GET", "/system/health"), 60, "the box answers")
    line.stop_events()
    drained(line, tools)
    kinds = agree(line)
    files = check_files(line, chance)
    print(f"{CUTS} cuts {done}: {kinds}, {files} files")

    line.kill("hub")
    line.postgres.restore(backup)
    assert sum(line.at_the_hub().values()) <= before + 1
    line.start_hub()
    tools.wait_for(lambda: sum(line.at_the_hub().values()) > before + 10, 120, "the box notices")
    drained(line, tools)
    assert agree(line) == kinds
    assert check_files(line, chance) == files
    for name in ("box", "hub"):
        assert not line.complaints(name), line.complaints(name)[0]
