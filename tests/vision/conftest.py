"""Streams out of real files and a small scene, played into a tap as a stream thread would."""

import asyncio
import itertools
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from appliance.base.clock import BoxClock
from appliance.base.model import Camera, DetectSettings, TrackPoint
from appliance.media.fragment import Fragment, StreamInit, Tap
from appliance.vision.host.host import VisionHost
from appliance.vision.state import Activation, VisionBeat, VisionState


def _assets() -> Path | None:
    named = [Path(part) for part in os.environ.get("APPLIANCE_ASSETS_PATH", "").split(os.pathsep) if part]
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return next((path for path in [*named, beside] if (path / "models").is_dir()), None)


@pytest.fixture(scope="session")
def assets() -> Path:
    found = _assets()
    if found is None:
        pytest.skip("no test data: set APPLIANCE_ASSETS_PATH to the folder with models/ and footage/")
    return found


@pytest.fixture(scope="session")
def footage(assets: Path) -> Path:
    path = assets / "footage" / "one-by-one-person-detection.mp4"
    if not path.is_file():
        pytest.skip("the footage one-by-one-person-detection.mp4 is not there")
    return path


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A bright square that walks over a grey picture with noise: 320x180, 10 fps, made once."""
    made: dict[tuple[Any, ...], Path] = {}

    def make(seconds: float = 12.0, gop_s: float = 1.0, codec: str = "libx264", still: bool = False) -> Path:
        key = (seconds, gop_s, codec, still)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("scene") / "scene.mp4"
            _encode(made[key], seconds, gop_s, codec, still)
        return made[key]

    return make


def _encode(path: Path, seconds: float, gop_s: float, codec: str, still: bool) -> None:
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as out:
        options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "28"}
        if codec == "libx265":
            options["x265-params"] = "log-level=none:bframes=0"
        stream = out.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.gop_size = round(gop_s * 10)
        for number in range(round(seconds * 10)):
            picture = np.full((180, 320, 3), 90, np.uint8)
            picture += random.integers(0, 3, picture.shape, np.uint8)
            if not still:
                left = (number * 6) % 260
                picture[60:120, left : left + 40] = (230, 220, 40)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)


class Player:
    """A stream thread: fragments of a file, stamped with the box clock as they are played."""

    def __init__(self, path: Path, tap: Tap, camera_id: str = "yard", *, speed: float = 1.0) -> None:
        self.taps = [tap]
        self.camera_id = camera_id
        self.speed = speed
        self.loop = True
        self.start_ns = 0
        self.longest_put_s = 0.0
        self.sent = 0
        self.spoil: Callable[[bytes], bytes] = lambda body: body
        self.done = threading.Event()
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)

    def start(self) -> "Player":
        self.start_ns = BoxClock().now_ns()
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        base_s = 0.0
        began = time.monotonic()
        while not self._stop.is_set():
            end_s = self._play(base_s, began)
            if not self.loop:
                break
            base_s = end_s
        self.done.set()

    def _play(self, base_s: float, began: float) -> float:
        with av.open(str(self._path)) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            codec = "h264" if context.name == "h264" else "hevc"
            for tap in self.taps:
                tap.started(
                    StreamInit(
                        self.camera_id,
                        "main",
                        "run",
                        codec,
                        "",
                        b"",
                        bytes(context.extradata or b""),
                        context.width,
                        context.height,
                        self.start_ns,
                    )
                )
            last_s = base_s
            for packet in container.demux(stream):
                if packet.pts is None or self._stop.is_set():
                    continue
                assert packet.time_base is not None
                at_s = base_s + float(packet.pts * packet.time_base)
                sent_s = base_s + float((packet.dts or packet.pts) * packet.time_base)
                if (wait_s := began + sent_s / self.speed - time.monotonic()) > 0:
                    self._stop.wait(wait_s)
                last_s = max(last_s, at_s)
                time_ns = self.start_ns + round(at_s * 1e9 / 1.0)
                body = self.spoil(bytes(packet))
                fragment = Fragment(1, b"", body, time_ns, round(at_s * 90_000), packet.is_keyframe)
                before = time.perf_counter()
                for tap in self.taps:
                    tap.put(fragment)
                self.longest_put_s = max(self.longest_put_s, time.perf_counter() - before)
                self.sent += 1
            for tap in self.taps:
                tap.ended()
        return last_s + 0.1


@pytest.fixture
def play() -> Iterator[Callable[..., Player]]:
    players: list[Player] = []

    def start(path: Path, tap: Tap, camera_id: str = "yard", **options: Any) -> Player:
        players.append(Player(path, tap, camera_id, **options).start())
        return players[-1]

    yield start
    for player in players:
        player.stop()


class Heard:
    """What a host said, with the moment it was heard."""

    def __init__(self) -> None:
        self.points: list[TrackPoint] = []
        self.at: list[float] = []
        self.blind: list[tuple[int, list[str]]] = []  # (how many points before, cameras)
        self.beats: list[VisionBeat] = []
        self.states: list[VisionState] = []
        self.activations: list[Activation] = []
        self._news = asyncio.Event()

    def on_tracks(self, points: list[TrackPoint]) -> None:
        self.points += points
        self.at += [time.monotonic()] * len(points)
        self._news.set()

    def on_blind(self, camera_ids: Collection[str]) -> None:
        self.blind.append((len(self.points), sorted(camera_ids)))

    def on_metrics(self, beat: VisionBeat) -> None:
        self.beats.append(beat)
        self._news.set()

    def on_state(self, state: VisionState) -> None:
        self.states.append(state)
        self._news.set()

    def on_activation(self, activation: Activation) -> None:
        self.activations.append(activation)
        self._news.set()

    async def until(self, true: Callable[[], Any], timeout_s: float) -> float:
        """Seconds it took."""
        began = time.monotonic()
        async with asyncio.timeout(timeout_s):
            while not true():
                self._news.clear()
                await self._news.wait()
        return time.monotonic() - began


@pytest.fixture
def running(tmp_path: Path) -> Callable[..., Any]:
    """``async with running(cameras, ...) as (host, heard)``: a real child."""

    @asynccontextmanager
    async def run(
        *camera_ids: str,
        choice: str = "motion",
        fps: float = 5.0,
        asset_dirs: tuple[Path, ...] = (),
        **options: Any,
    ) -> AsyncIterator[tuple[VisionHost, Heard]]:
        heard = Heard()
        host = VisionHost(
            BoxClock(),
            tmp_path / "models",
            choice,
            asset_dirs=asset_dirs,
            **options,
            on_tracks=heard.on_tracks,
            on_blind=heard.on_blind,
            on_metrics=heard.on_metrics,
            on_state=heard.on_state,
            on_activation=heard.on_activation,
        )
        await host.apply([camera(name, fps) for name in camera_ids])
        task = asyncio.ensure_future(host.run())
        try:
            yield host, heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


def camera(camera_id: str, fps: float = 5.0, **detect: Any) -> Camera:
    return Camera(camera_id, camera_id, "rtsp://x/1", detect=DetectSettings(fps=fps, **detect))


@pytest.fixture
def make_camera() -> Callable[..., Camera]:
    return camera


@pytest.fixture
def ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"t-{next(numbers)}"
