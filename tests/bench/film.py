"""What the benches of the vision worker share: a film played into taps, and a host with a real worker."""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av

from appliance.base.clock import BoxClock
from appliance.base.model import Camera, DetectSettings, TrackPoint
from appliance.media.fragment import Fragment, StreamInit, Tap
from appliance.vision.host.host import VisionHost
from appliance.vision.state import VisionBeat

SKIPPED = 77
FOOTAGE = "footage/one-by-one-person-detection.mp4"
CLOCK = BoxClock()
_NAMED = [Path(part) for part in os.environ.get("APPLIANCE_ASSETS_PATH", "").split(os.pathsep) if part]


def assets() -> Path:
    """The folder with footage and models; ends the bench where there is none."""
    for path in (*_NAMED, Path(__file__).resolve().parents[3] / "shared" / "data"):
        if (path / FOOTAGE).is_file() and (path / "models").is_dir():
            return path
    print("needs the footage and the models: set APPLIANCE_ASSETS_PATH", file=sys.stderr)
    sys.exit(SKIPPED)


class Film:
    """Packets of a part of a file, played round and round into taps from one thread."""

    def __init__(self, path: Path, from_s: float = 0.0, to_s: float = 1e9, fps: float = 10.0) -> None:
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
        self.fps = fps
        self.stop = threading.Event()

    def play(self, taps: Sequence[Tap], speed: float) -> threading.Thread:
        """``speed`` times as fast as it was; frames are stamped with the time at which they are sent."""
        thread = threading.Thread(target=self._run, args=(list(taps), speed), daemon=True)
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
                due_s = began_s + (base_s + number / self.fps) / speed
                if self.stop.wait(max(0.0, due_s - time.monotonic())):
                    return
                at_ns = start_ns + round((base_s + pts_s - first_s) / speed * 1e9)
                for tap in taps:
                    tap.put(Fragment(1, b"", body, at_ns, 0, is_key))
            base_s += len(self.samples) / self.fps


def encoded(assets_: Path, to: Path, from_s: float, to_s: float) -> Film:
    """A part of the footage as a camera's sub stream: 640x360 at 10 fps, no frame waits for another."""
    options = {"preset": "ultrafast", "tune": "zerolatency", "g": "20"}
    with av.open(str(assets_ / FOOTAGE)) as source, av.open(str(to), "w") as out:
        stream = out.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 640, 360, "yuv420p", 500_000
        chosen = (f for f in source.decode(video=0) if from_s <= float(f.time or 0.0) < to_s)
        for number, frame in enumerate(chosen):
            small = frame.reformat(640, 360, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(small))
        out.mux(stream.encode(None))
    return Film(to)


class Run:
    """A host with a real worker, and what it says."""

    def __init__(
        self, assets_: Path, cameras: int, fps: float, choice: str = "auto", backend: str = "auto"
    ) -> None:
        self.looks = 0
        self.on_points: Callable[[list[TrackPoint]], None] = lambda _: None
        self.host = VisionHost(
            CLOCK,
            Path("/nonexistent"),
            choice,
            backend=backend,
            asset_dirs=(assets_,),
            on_tracks=self._points,
            on_metrics=self._beat,
        )
        self.cameras = [
            Camera(f"c{n}", "", "rtsp://x/1", detect=DetectSettings(fps=fps)) for n in range(cameras)
        ]

    def _points(self, points: list[TrackPoint]) -> None:
        self.on_points(points)

    def _beat(self, beat: VisionBeat) -> None:
        self.looks += len(beat.inference_ms)

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


def say(name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None) -> None:
    line = {"name": name, "value": round(value, 3), "unit": unit, "peer": peer, "peer_value": peer_value}
    line["ratio"] = round(value / peer_value, 3) if peer_value else None
    print(json.dumps(line), flush=True)
