"""The vision worker: looks per second of the whole line against the bare model, what a camera with
nothing moving costs, and how long nobody watches after a crash. Needs the footage and the model."""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from appliance.base.clock import BoxClock
from appliance.base.model import Camera, DetectSettings, TrackPoint
from appliance.media.fragment import Fragment, StreamInit, Tap
from appliance.vision.host.host import VisionHost
from appliance.vision.packs import installed
from appliance.vision.state import VisionBeat

SKIPPED = 77
ASSETS = [Path(part) for part in os.environ.get("APPLIANCE_ASSETS_PATH", "").split(os.pathsep) if part]
ASSETS.append(Path(__file__).resolve().parents[3] / "shared" / "data")
FOOTAGE = "footage/one-by-one-person-detection.mp4"
CLOCK = BoxClock()
NICE = 5  # appliance.vision.worker.NICE
PEER = "onnxruntime session.run alone, 1 thread"


class Film:
    """Packets of a part of a file, played round and round into taps from one thread."""

    def __init__(self, path: Path, from_s: float, to_s: float) -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            self.config = bytes(context.extradata or b"")
            self.size = context.width, context.height
            packets = [p for p in container.demux(stream) if p.pts is not None]
            self.samples = [(bytes(p), float(p.pts * p.time_base), p.is_keyframe) for p in packets]
        begin = next(i for i, s in enumerate(self.samples) if s[2] and s[1] >= from_s)
        after = [i for i, s in enumerate(self.samples) if s[2] and s[1] >= to_s]
        self.samples = self.samples[begin : after[0] if after else None]
        self.stop = threading.Event()

    def play(self, taps: list[Tap], speed: float) -> threading.Thread:
        thread = threading.Thread(target=self._run, args=(taps, speed), daemon=True)
        thread.start()
        return thread

    def _run(self, taps: list[Tap], speed: float) -> None:
        start_ns, began_s, first_s = CLOCK.now_ns(), time.monotonic(), self.samples[0][1]
        init = StreamInit("", "main", "run", "h264", "", b"", self.config, *self.size, start_ns)
        for tap in taps:
            tap.started(init)
        base_s = 0.0
        while not self.stop.is_set():
            for number, (body, pts_s, is_key) in enumerate(self.samples):
                due_s = began_s + (base_s + number / 10) / speed
                if self.stop.wait(max(0.0, due_s - time.monotonic())):
                    return
                at_ns = start_ns + round((base_s + pts_s - first_s) * 1e9)
                for tap in taps:
                    tap.put(Fragment(1, b"", body, at_ns, 0, is_key))
            base_s += len(self.samples) / 10


class Run:
    """A host with a real worker, and what it says."""

    def __init__(self, assets: Path, cameras: int, fps: float) -> None:
        self.looks = 0
        self.on_points: Callable[[], None] = lambda: None
        self.host = VisionHost(
            CLOCK,
            Path("/nonexistent"),
            asset_dirs=(assets,),
            on_tracks=self._points,
            on_metrics=self._beat,
        )
        self.cameras = [
            Camera(f"c{n}", "", "rtsp://x/1", detect=DetectSettings(fps=fps)) for n in range(cameras)
        ]

    def _beat(self, beat: VisionBeat) -> None:
        self.looks += len(beat.inference_ms)

    def _points(self, points: list[TrackPoint]) -> None:
        self.on_points()

    async def __aenter__(self) -> "Run":
        await self.host.apply(self.cameras)
        self.task = asyncio.ensure_future(self.host.run())
        while self.host.state().state != "running":
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def taps(self) -> list[Tap]:
        return [self.host.tap(camera.id) for camera in self.cameras]

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.host.worker_pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        lines = Path(f"/proc/{self.host.worker_pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def bare(assets: Path, seconds: float) -> tuple[float, float]:
    """Runs of the model alone per second, and per second of CPU: one thread, as nice as the worker,
    an input that is never changed."""
    answer: list[tuple[float, float]] = []
    thread = threading.Thread(target=lambda: answer.append(_bare(assets, seconds)))
    thread.start()
    thread.join()
    return answer[0]


def _bare(assets: Path, seconds: float) -> tuple[float, float]:
    import onnxruntime

    pack, _ = installed.choose("deimv2-femto", [assets])
    assert pack is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(pack.file(".onnx")), options, ["CPUExecutionProvider"])
    feed = {
        "images": np.random.default_rng(1).random((1, 3, 416, 416), np.float32),
        "orig_target_sizes": np.array([[768, 432]]),
    }
    session.run(None, feed)
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # on Linux: this thread alone
    began_s, cpu_s, runs = time.perf_counter(), time.thread_time(), 0
    while time.perf_counter() - began_s < seconds:
        session.run(None, feed)
        runs += 1
    return runs / (time.perf_counter() - began_s), runs / (time.thread_time() - cpu_s)


async def throughput(assets: Path, seconds: float) -> tuple[float, float]:
    """Looks per second, and per second of the worker's CPU (decoding included), with more pictures
    than it can take: two cameras, somebody always moving."""
    film = Film(assets / FOOTAGE, 5.0, 9.0)
    async with Run(assets, 2, 100.0) as run:
        film.play(run.taps(), 3.0)
        await asyncio.sleep(2)
        before, began_s, cpu_s = run.looks, time.perf_counter(), run.cpu_s()
        await asyncio.sleep(seconds)
        looks = run.looks - before
        per_s, per_cpu_s = looks / (time.perf_counter() - began_s), looks / (run.cpu_s() - cpu_s)
        film.stop.set()
    return per_s, per_cpu_s


async def idle(assets: Path, seconds: float) -> tuple[float, float]:
    """CPU per camera (share of a core, %) and the worker's memory: 4 cameras at 5 fps of an empty
    room, 768x432 at 10 fps."""
    film = Film(assets / FOOTAGE, 0.0, 5.0)
    async with Run(assets, 4, 5.0) as run:
        film.play(run.taps(), 1.0)
        await asyncio.sleep(6)
        before_s, began_s = run.cpu_s(), time.perf_counter()
        await asyncio.sleep(seconds)
        share = (run.cpu_s() - before_s) / (time.perf_counter() - began_s) / 4
        memory_mb = run.rss_mb()
        film.stop.set()
    return share * 100, memory_mb


async def crash(assets: Path) -> tuple[float, float, float]:
    """Milliseconds from the first start, and from a kill -9, to the first track; and from a frame's
    time to its points in the daemon (two frames of reordering at 10 fps are in it)."""
    film = Film(assets / FOOTAGE, 8.0, 17.0)
    run = Run(assets, 1, 5.0)
    heard = asyncio.Event()
    run.on_points = heard.set
    await run.host.apply(run.cameras)
    film.play(run.taps(), 1.0)
    await asyncio.sleep(2.5)
    began_s = time.perf_counter()
    async with run:
        await heard.wait()
        first_ms = (time.perf_counter() - began_s) * 1000
        await asyncio.sleep(3)
        latency_ms = run.host.figures()["c0"].latency_ms
        pid = run.host.worker_pid
        assert pid is not None
        killed_s = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.1)  # what it had sent before is heard by then
        heard.clear()
        await heard.wait()
        again_ms = (time.perf_counter() - killed_s) * 1000
        film.stop.set()
    return first_ms, again_ms, latency_ms


def say(name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None) -> None:
    line = {"name": name, "value": round(value, 2), "unit": unit, "peer": peer, "peer_value": peer_value}
    line["ratio"] = round(value / peer_value, 3) if peer_value else None
    print(json.dumps(line), flush=True)


def main() -> int:
    assets = next((path for path in ASSETS if (path / FOOTAGE).is_file()), None)
    if assets is None or installed.choose("deimv2-femto", [assets])[0] is None:
        print("needs the footage and the DEIMv2 model: set APPLIANCE_ASSETS_PATH", file=sys.stderr)
        return SKIPPED
    before = bare(assets, 4)
    looks = asyncio.run(throughput(assets, 10))
    alone = [round((a + b) / 2, 2) for a, b in zip(before, bare(assets, 4), strict=True)]
    say("vision_looks_per_s", looks[0], "1/s", PEER, alone[0])
    say("vision_looks_per_cpu_s", looks[1], "1/s", PEER, alone[1])
    share, memory_mb = asyncio.run(idle(assets, 10))
    say("vision_idle_cpu_per_camera_5fps", share, "% of a core")
    say("vision_worker_rss_4_cameras", memory_mb, "MB")
    first_ms, again_ms, latency_ms = asyncio.run(crash(assets))
    say("vision_start_to_first_track", first_ms, "ms")
    say("vision_kill_to_next_track", again_ms, "ms")
    say("vision_frame_to_points", latency_ms, "ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
