"""Decoding: what leaving out saves against decoding everything, on the footage, at 5 and 1 fps; and what
a camera more takes in the worker's memory. CPU of the decoding thread, in one process, in turns."""

import asyncio
import io
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from appliance.base.clock import BoxClock
from appliance.base.model import Camera, DetectSettings
from appliance.media.fragment import Fragment, StreamInit
from appliance.vision.decoding.camera import CameraDecoder
from appliance.vision.decoding.decoder import Software
from appliance.vision.host.host import VisionHost
from appliance.vision.looking.schedule import Grid

SKIPPED = 77
ASSETS = [Path(part) for part in os.environ.get("APPLIANCE_ASSETS_PATH", "").split(os.pathsep) if part]
ASSETS.append(Path(__file__).resolve().parents[3] / "shared" / "data")
TURNS = 3
CAMERAS = (1, 4, 8, 16)
RECODED = "bottle-detection.mp4"  # 30 fps: what a camera sends and an analysis does not need
PEER = "every packet decoded"


class Packet(NamedTuple):
    body: bytes
    time_ns: int
    is_key: bool


class Film(NamedTuple):
    codec: str
    config: bytes
    size: tuple[int, int]
    packets: list[Packet]


def read(source: Path | io.BytesIO) -> Film:
    file = source if isinstance(source, io.BytesIO) else str(source)
    with av.open(file, "r") as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        packets = [
            Packet(bytes(p), round(p.pts * p.time_base * 10**9), p.is_keyframe)
            for p in container.demux(stream)
            if p.pts is not None
        ]
        config = bytes(context.extradata or b"")
        return Film(context.name, config, (context.width, context.height), packets)


def everything(film: Film, fps: float) -> tuple[float, int]:
    """CPU seconds, picks."""
    decoder, grid, picks = Software(film.codec, film.config), Grid(fps), 0
    began_s = time.thread_time()
    for packet in film.packets:
        for frame in decoder.decode(packet.body, packet.time_ns, spare=False):
            picks += grid.pick(frame.pts or 0)
    return time.thread_time() - began_s, picks


def unreferred(film: Film, fps: float) -> tuple[float, int]:
    """Only those left out that no other refers to: what this replaced."""
    decoder, grid, picks = Software(film.codec, film.config), Grid(fps), 0
    began_s = time.thread_time()
    for packet in film.packets:
        spare = grid.may_skip(packet.time_ns)
        for frame in decoder.decode(packet.body, packet.time_ns, spare=spare):
            picks += grid.pick(frame.pts or 0)
    return time.thread_time() - began_s, picks


def needed(film: Film, fps: float) -> tuple[float, int]:
    grid, picks = Grid(fps), 0
    camera = CameraDecoder(grid.may_skip, lambda: round(1e9 / fps))
    camera.start(film.codec, film.config)
    began_s = time.thread_time()
    for packet in film.packets:
        for frame in camera.take(packet.body, packet.time_ns, is_key=packet.is_key):
            picks += grid.pick(frame.pts or 0)
    return time.thread_time() - began_s, picks


def saved(name: str, film: Film) -> None:
    for fps in (5.0, 1.0):
        runs = [(everything(film, fps), unreferred(film, fps), needed(film, fps)) for _ in range(TURNS)]
        every, spared, ours = (statistics.median(run[way][0] for run in runs) for way in range(3))
        label = f"{name}_{fps:.0f}fps"
        say(f"decode_cpu_{label}", ours, "s", PEER, every)
        say(f"decode_cpu_unreferred_only_{label}", spared, "s", PEER, every)
        say(f"decode_picks_{label}", runs[0][2][1], "frames", PEER, runs[0][0][1])


def as_a_camera(path: Path, gop_s: int, seconds: int = 60) -> Film:
    """Footage as the sub stream of a camera: 640x360, no frame shown out of order, regular key frames."""
    file = io.BytesIO()
    with av.open(str(path)) as source, av.open(file, "w", format="mp4") as out:
        rate = source.streams.video[0].average_rate
        assert rate is not None
        options = {"preset": "veryfast", "tune": "zerolatency", "crf": "26", "sc_threshold": "0"}
        stream = out.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.gop_size = round(gop_s * rate)
        for number, frame in enumerate(source.decode(video=0)):
            if number >= seconds * rate:
                break
            picture = frame.reformat(640, 360)
            picture.pts, picture.time_base = number, 1 / rate
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    file.seek(0)
    return read(file)


# -- memory ---------------------------------------------------------------------------------


def moving(seconds: int = 10) -> Film:
    """640x360 at 15 fps, a key frame every two seconds: shapes without noise."""
    width, height = 640, 360
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=15, options={"preset": "veryfast", "bf": "0", "crf": "26"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", 30
        image = np.full((height * 3 // 2, width), 120, np.uint8)
        for number in range(15 * seconds):
            image[:height] = np.arange(width) * 100 // width + 60
            left = number * 7 % (width - 80)
            image[120:240, left : left + 60] = 220
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="yuv420p")))
        out.mux(stream.encode())
    file.seek(0)
    return read(file)


class Playing:
    """A film round and round into taps, at its own pace, from one thread."""

    def __init__(self, film: Film, host: VisionHost, cameras: list[str]) -> None:
        self.stop = threading.Event()
        self._film, self._taps = film, [host.tap(name) for name in cameras]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        film, start_ns, began_s = self._film, BoxClock().now_ns(), time.monotonic()
        init = StreamInit("", "sub", "run", "h264", "", b"", film.config, *film.size, start_ns)
        for tap in self._taps:
            tap.started(init)
        for number, packet in enumerate(self._packets()):
            if self.stop.wait(max(0.0, began_s + number / 15 - time.monotonic())):
                return
            at_ns = start_ns + packet.time_ns
            for tap in self._taps:
                tap.put(Fragment(1, b"", packet.body, at_ns, 0, packet.is_key))

    def _packets(self) -> Iterator[Packet]:
        base_ns = 0
        while True:
            for packet in self._film.packets:
                yield packet._replace(time_ns=base_ns + packet.time_ns)
            base_ns += len(self._film.packets) * 10**9 // 15


async def worker_rss_mb(film: Film, cameras: int, seconds: float) -> float:
    names = [f"c{number}" for number in range(cameras)]
    host = VisionHost(BoxClock(), Path("/nonexistent"), "motion")
    await host.apply([Camera(name, "", "rtsp://x/1", detect=DetectSettings(fps=5.0)) for name in names])
    task = asyncio.ensure_future(host.run())
    while host.state().state != "running":
        await asyncio.sleep(0.05)
    playing = Playing(film, host, names)
    await asyncio.sleep(seconds)
    lines = Path(f"/proc/{host.worker_pid}/status").read_text().splitlines()
    rss_mb = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
    playing.stop.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return rss_mb


def memory(film: Film) -> None:
    sizes = [asyncio.run(worker_rss_mb(film, cameras, 9.0)) for cameras in CAMERAS]
    for cameras, size_mb in zip(CAMERAS, sizes, strict=True):
        say(f"vision_worker_rss_{cameras}_of_640x360", size_mb, "MB")
    slope = float(np.polyfit(CAMERAS, sizes, 1)[0])
    say("vision_worker_rss_per_added_camera", slope, "MB", "the most that is allowed", 12.0)


def say(name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None) -> None:
    line = {"name": name, "value": round(value, 3), "unit": unit, "peer": peer, "peer_value": peer_value}
    line["ratio"] = round(value / peer_value, 3) if peer_value else None
    print(json.dumps(line), flush=True)


def main() -> int:
    memory(moving())
    footage = next((path / "footage" for path in ASSETS if (path / "footage").is_dir()), None)
    if footage is None:
        print("the footage is not there: set APPLIANCE_ASSETS_PATH", file=sys.stderr)
        return SKIPPED
    for path in sorted(footage.glob("*.mp4")):
        saved(path.stem.replace("-detection", "").replace("-", "_"), read(path))
    for gop_s in (1, 2, 4):
        saved(f"as_a_camera_gop_{gop_s}s", as_a_camera(footage / RECODED, gop_s))
    return 0


if __name__ == "__main__":
    sys.exit(main())
