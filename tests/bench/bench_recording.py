"""Recording 16 x 1080p15 from a foreign RTSP server: the daemon against 16 x ``ffmpeg -c copy -f segment``.

The daemon hashes, syncs every second and keeps its live hub; analysis is off, and nothing watches.
Both run in turn against the same server, twice, the better of two counting for each; CPU is user +
system time of the processes over the window, memory their proportional set size.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
GST_CAMERA = ROOT / "tests/foreign/gst_camera.py"
STREAMS = int(os.environ.get("BENCH_STREAMS", "16"))
WINDOW_S = float(os.environ.get("BENCH_WINDOW_S", "20"))
SETTLE_S = 6.0
ROUNDS = 2
PASSWORD = "bench-" + os.urandom(12).hex()


def main() -> int:
    for tool in ("ffmpeg", "/usr/bin/python3"):
        if shutil.which(tool) is None:
            print(f"{tool} is missing", file=sys.stderr)
            return 77
    if subprocess.run(["/usr/bin/python3", "-c", "import gi"], capture_output=True, check=False).returncode:
        print("gst-rtsp-server for Python is missing", file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        film = make_film(work)
        with subprocess.Popen(
            ["/usr/bin/python3", str(GST_CAMERA), str(film), "--mounts", str(STREAMS)],
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                assert server.stdout is not None
                port = json.loads(server.stdout.readline())["port"]
                measure(work, [f"rtsp://127.0.0.1:{port}/cam{n}" for n in range(STREAMS)])
            finally:
                server.terminate()
    return 0


def measure(work: Path, urls: list[str]) -> None:
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    started_s = 0.0
    for number in range(ROUNDS):
        theirs.append(run_ffmpeg(work / f"ffmpeg{number}", urls))
        cpu, pss, started_s = run_box(work / f"box{number}", urls)
        ours.append((cpu, pss))
    cpu, peer_cpu = min(c for c, _ in ours), min(c for c, _ in theirs)
    pss, peer_pss = min(p for _, p in ours), min(p for _, p in theirs)
    name = f"recording {STREAMS} x 1080p15"
    peer = f"{STREAMS} x ffmpeg -c copy -f segment"
    say(f"{name}: CPU", cpu, "% of a core", peer, peer_cpu)
    say(f"{name}: PSS", pss, "MB", peer, peer_pss)
    say("start to first recorded fragment", started_s, "s", "limit", 2.0)


def say(name: str, value: float, unit: str, peer: str, peer_value: float) -> None:
    line = {"name": name, "value": round(value, 3), "unit": unit, "peer": peer}
    print(json.dumps(line | {"peer_value": round(peer_value, 3)}), flush=True)


def make_film(work: Path) -> Path:
    film = work / "film.mp4"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=15", "-t", "10",
         "-c:v", "libx264", "-preset", "veryfast", "-b:v", "3M", "-g", "15", "-bf", "0",
         "-pix_fmt", "yuv420p", str(film)],
        check=True,
    )  # fmt: skip
    return film


def watch(pids: list[int]) -> tuple[float, float]:
    """(% of a core, MB of PSS) over the window."""
    processes = [psutil.Process(pid) for pid in pids]
    time.sleep(SETTLE_S)
    before = sum(sum(p.cpu_times()[:2]) for p in processes)
    began = time.monotonic()
    time.sleep(WINDOW_S)
    passed = time.monotonic() - began
    cpu = sum(sum(p.cpu_times()[:2]) for p in processes) - before
    return 100 * cpu / passed, sum(p.memory_full_info().pss for p in processes) / 1e6


def run_ffmpeg(folder: Path, urls: list[str]) -> tuple[float, float]:
    folder.mkdir()
    children = [
        subprocess.Popen(
            ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy", "-f", "segment",
             "-segment_time", "60", str(folder / f"{number}-%03d.mp4")],
            stdin=subprocess.DEVNULL,
        )
        for number, url in enumerate(urls)
    ]  # fmt: skip
    try:
        return watch([child.pid for child in children])
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()


def run_box(data: Path, urls: list[str]) -> tuple[float, float, float]:
    secret = data.with_suffix(".password")
    secret.touch(0o600)
    secret.write_text(PASSWORD)
    run = [sys.executable, "-m", "appliance"]
    subprocess.run(
        [*run, "init", "--data", str(data), "--admin-password-file", str(secret)],
        check=True, cwd=ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    box, ready = start_box(run, data)
    try:
        add_cameras(ready["url"], urls)
    finally:
        stop(box)
    began = time.monotonic()
    box, ready = start_box(run, data)
    first_s = first_fragment_s(data, began)
    try:
        cpu, pss = watch([box.pid])
    finally:
        stop(box)
    return cpu, pss, first_s


def start_box(run: list[str], data: Path) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    box = subprocess.Popen(
        [*run, "run", "--data", str(data), "--listen", "127.0.0.1:0", "--json"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert box.stdout is not None
    return box, json.loads(box.stdout.readline())


def first_fragment_s(data: Path, began: float) -> float:
    """From the start of the process to the first file of this start with a fragment in it."""
    wall = time.time() - (time.monotonic() - began)
    fresh = [p for p in (data / "recordings").rglob("*.mp4") if p.stat().st_ctime >= wall]
    born = [os.stat(p).st_mtime for p in fresh]
    stamps = [p.name.split("Z")[0] for p in fresh]
    if not born:
        return float("nan")
    from datetime import UTC, datetime

    first = min(datetime.strptime(s, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC).timestamp() for s in stamps)
    return first - wall


def stop(box: "subprocess.Popen[str]") -> None:
    box.send_signal(signal.SIGTERM)
    box.wait(20)


def add_cameras(base: str, urls: list[str]) -> None:
    token = call(base, "/auth/login", {"username": "admin", "password": PASSWORD})["access_token"]
    for number, url in enumerate(urls):
        body = {"name": f"cam{number}", "rtsp_url": url, "detect": {"enabled": False}}
        call(base, "/cameras", body, token)


def call(base: str, path: str, body: dict[str, object], token: str | None = None) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{base}/api/v1{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(json.load(answer))


if __name__ == "__main__":
    sys.exit(main())
