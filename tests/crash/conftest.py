"""A recording box as a child process: started, killed, starved, and what it left behind."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from appliance.base.model import Gap
from appliance.media.check.check import Violation, check
from appliance.media.ring.recovery import hour_dirs, stream_dirs
from appliance.media.ring.scan import scan
from appliance.store import gaps
from appliance.store.database import Database

DRIVER = Path(__file__).with_name("record_box.py")
PYTHON = str(Path(sys.executable))


def make_film(path: Path, *, seconds: int, bit_rate: int, size: tuple[int, int], noise: int) -> Path:
    """A key frame each second; every frame different, so that each can be found again."""
    width, height = size
    options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "g": "15",
        "keyint_min": "15",
        "sc_threshold": "0",
    }
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=15, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", bit_rate
        for number in range(seconds * 15):
            picture = np.full((height, width, 3), number % 200, np.uint8)
            picture[:noise, :noise] = random.integers(0, 255, (noise, noise, 3), dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_film(path, seconds=40, bit_rate=300_000, size=(320, 180), noise=40)


@pytest.fixture(scope="session")
def fat_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 1 MB a second: fills small disks."""
    path = tmp_path_factory.mktemp("film") / "fat.mp4"
    return make_film(path, seconds=12, bit_rate=8_000_000, size=(640, 360), noise=300)


class RecordBox:
    """One child process, and everything it has said."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, start_new_session=True
        )
        self.said: list[dict] = []
        self.errors: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._error_reader = threading.Thread(target=self._read_errors, daemon=True)
        self._error_reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.said.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self.said.append({"gone": True})
            self._news.notify_all()

    def _read_errors(self) -> None:
        self.errors.extend(self.process.stderr)

    def wait_for(self, what: Callable[[dict], bool], timeout_s: float = 30, start: int = 0) -> dict:
        """The first thing said from ``start`` on that is ``what``."""
        until = time.monotonic() + timeout_s
        at = start
        with self._news:
            while True:
                for line in self.said[at:]:
                    at += 1
                    if what(line):
                        return line
                    assert "gone" not in line, f"the box ended: {''.join(self.errors)[-2000:]}"
                left = until - time.monotonic()
                assert left > 0 and self._news.wait(left), f"never said: {''.join(self.errors)[-2000:]}"

    def run_for(self, seconds: float) -> None:
        """Let so much real time of recording pass, as its frames tell."""
        last = [0]
        begin = time.monotonic_ns()

        def is_late(line: dict) -> bool:
            last[0] = line.get("mono_ns", last[0])
            return last[0] - begin > seconds * 1e9

        self.wait_for(is_late, seconds + 30, len(self.said))

    def recording(self, cameras: int) -> None:
        """All cameras have frames, and the box has noted of which boot this life is."""
        seen: set[str] = set()

        def complete(line: dict) -> bool:
            if "frame" in line:
                seen.add(line["camera"])
            if "ready" in line:
                seen.add("ready")
            return len(seen) > cameras

        self.wait_for(complete)

    def kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.finish()

    def finish(self, timeout_s: float = 60) -> int:
        code = self.process.wait(timeout_s)
        self._reader.join()
        self._error_reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def received(self) -> dict[tuple[str, str], list[tuple[str, int]]]:
        """(camera, run) -> (digest, monotonic ns) of every frame, in order."""
        found = defaultdict(list)
        for line in list(self.said):
            if "frame" in line:
                found[line["camera"], line["run"]].append((line["frame"], line["mono_ns"]))
        return found

    def durable(self) -> dict[str, int]:
        """Bytes known to be on stable storage, by path."""
        return {line["durable"]: line["bytes"] for line in list(self.said) if "durable" in line}


class Bench:
    """Where a test's box lives, and how to look at it afterwards."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.boxes: list[RecordBox] = []
        self.volume = data / "recordings"

    def start(
        self,
        film: Path,
        cameras: int = 4,
        seconds: float = 120,
        *more: str,
        boot: str = "boot-1",
        before: list[str] | None = None,
        data: Path | None = None,
    ) -> RecordBox:
        argv = [
            *(before or []),
            PYTHON,
            str(DRIVER),
            str(data or self.data),
            str(seconds),
            str(cameras),
            str(film),
        ]
        env = os.environ | {"ARIES_BOOT_ID": boot, "PYTHONPATH": str(DRIVER.parents[2])}
        box = RecordBox([*argv, *more], env)
        self.boxes.append(box)
        return box

    def check(self, data: Path | None = None) -> list[Violation]:
        return self._with(data or self.data, lambda db, archive: check(db, archive, [self._volume(data)]))

    def _volume(self, data: Path | None) -> Path:
        return data / "recordings" if data is not None else self.volume

    def gaps(self, camera_id: str = "cam0", data: Path | None = None) -> list[Gap]:
        def read(db: Database, archive: Database) -> list[Gap]:
            return db.read_now(lambda conn: gaps.of_stream(conn, camera_id, "main"))

        return self._with(data or self.data, read)

    def _with(self, data: Path, work):
        db = Database.open(data / "appliance.db", "appliance", synchronous="FULL")
        archive = Database.open(data / "archive.db", "archive", synchronous="NORMAL")
        try:
            return work(db, archive)
        finally:
            archive.close()
            db.close()

    def in_files(self, data: Path | None = None) -> dict[tuple[str, str], Counter]:
        """(camera, run) -> how often each frame is in the files."""
        found: dict[tuple[str, str], Counter] = defaultdict(Counter)
        for folder in stream_dirs(self._volume(data)):
            for hour in hour_dirs(folder):
                for path in hour.glob("*.mp4"):
                    seen, content = scan(path), path.read_bytes()
                    for sample in seen.video:
                        body = content[sample.offset : sample.offset + sample.size]
                        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
                        found[seen.head.camera_id, seen.head.run_id][digest] += 1
        return found

    def lost_s(self, box: RecordBox, data: Path | None = None, *, in_order: bool = True) -> float:
        """The longest time that one camera received and its files do not hold: from the first frame that
        is missing to the last that came. A frame that is there twice fails; so does one behind a missing
        one where files were written ``in_order``."""
        stored = self.in_files(data)
        longest = 0.0
        for key, frames in box.received().items():
            there = stored.get(key, Counter())
            kept = [digest in there for digest, _ in frames]
            whole = kept.index(False) if False in kept else len(kept)
            assert not in_order or not any(kept[whole:]), f"{key}: frames are missing in the middle"
            assert all(count == 1 for count in there.values()), f"{key}: frames are there twice"
            if whole < len(frames):
                longest = max(longest, (frames[-1][1] - frames[whole][1]) / 1e9)
        return longest

    def close(self) -> None:
        for box in self.boxes:
            if box.process.poll() is None:
                box.kill()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """``tmpfs(megabytes)`` mounts a small disk."""
    mounted: list[Path] = []

    def mount(megabytes: int) -> Path:
        root = tmp_path / f"disk{len(mounted)}"
        root.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(root)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"mounting is refused here: {done.stderr.strip()}")
        mounted.append(root)
        return root

    yield mount
    for root in mounted:
        subprocess.run(["umount", "-l", str(root)], check=False)


@pytest.fixture(scope="session")
def strace() -> list[str]:
    """The beginning of a strace command line that can inject faults."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run(["strace", "-f", "-qq", "true"], capture_output=True)
    if tried.returncode:
        pytest.skip("strace may not trace here")
    return [
        "strace",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-o",
        "/dev/null",
        "-e",
        "signal=none",
        "-e",
        "trace=fdatasync",
    ]
