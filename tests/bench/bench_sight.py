"""Sight, end to end: packets of eight cameras to tracks beside the bare model in a loop with the same
threads, in one run; what each look costs besides the model; memory per camera; from a packet's
arrival to its track message at 60 % load. Needs the footage and the models."""

import asyncio
import importlib.util
import itertools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from film import CLOCK, Film, Run, assets, encoded, say

from appliance.base.model import TrackPoint
from appliance.vision.decoding.planes import luma
from appliance.vision.detectors import WEAKEST_TRACKED, Detections, Picture, make
from appliance.vision.detectors.filling import Filler
from appliance.vision.detectors.model import ModelDetector, Runner
from appliance.vision.looking.batcher import Batcher
from appliance.vision.looking.gate import Gate
from appliance.vision.messages import Points, pack
from appliance.vision.packs import installed
from appliance.vision.packs.pack import Pack
from appliance.vision.tracking.tracker import Tracker
from appliance.vision.worker.looker import THREADS as LOOKERS
from appliance.vision.worker.looker import at_once

CAMERAS = 8
THREADS = 1  # of the model; the other core decodes and records
SECONDS = 8.0
LOAD = 0.6
# What the cameras send, of what the bare model could see. The gate leaves out a seventh, where nothing
# moves: at 1.3 pictures were missing now and then, and the model waited for them.
LOADS = ((1.6, ""), (3.0, "_overloaded"))
MODELS = (
    ("deimv2-femto", "onnxruntime", 0.95),
    ("pvb-2003", "openvino", 0.95),
    ("yolox-nano", "onnxruntime", 0.85),
)


def bare_onnxruntime(found: Pack) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    path = str(found.file(".onnx"))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(1).random((1, 3, found.input_height, found.input_width), np.float32)
    feeds = {"images": picture, "orig_target_sizes": np.array([[640, 360]])}
    names = {port.name for port in session.get_inputs()}
    return lambda: session.run(None, {name: value for name, value in feeds.items() if name in names})


def bare_openvino(found: Pack) -> Callable[[], object]:
    import openvino

    core = openvino.Core()
    hints = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(found.file(".xml")), "CPU", hints)
    request = compiled.create_infer_request()
    picture = np.random.default_rng(1).random(tuple(compiled.input(0).shape)).astype(np.float32)
    return lambda: request.infer({0: picture})


def bare(found: Pack, backend: str, seconds: float) -> float:
    """Runs of the model alone per second, in a thread as nice as the worker's."""
    answer: list[float] = []

    def loop() -> None:
        # On Linux that is of this thread, and of those that OpenVINO will start from it.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
        once = {"onnxruntime": bare_onnxruntime, "openvino": bare_openvino}[backend](found)
        once()
        began_s, runs = time.perf_counter(), 0
        while time.perf_counter() - began_s < seconds:
            once()
            runs += 1
        answer.append(runs / (time.perf_counter() - began_s))

    thread = threading.Thread(target=loop)
    thread.start()
    thread.join()
    return answer[0]


async def saturated(folder: Path, film: Film, name: str, backend: str, frames_per_s: float) -> float:
    """Looks per second where all cameras together send so many frames, more than can be seen."""
    async with Run(folder, CAMERAS, 100.0, name, backend) as run:
        film.stop.clear()
        film.play(run.taps(), frames_per_s / CAMERAS / film.fps)
        await asyncio.sleep(3)
        before, began_s = run.looks, time.perf_counter()
        await asyncio.sleep(SECONDS)
        looks = (run.looks - before) / (time.perf_counter() - began_s)
        film.stop.set()
    return looks


async def answering(folder: Path, film: Film, bare_per_s: float) -> tuple[float, float, float]:
    """ms from a packet's arrival to its track message, p50 and p95, with ``LOAD`` of what the bare model
    could do; and that load, as it was."""
    fps = LOAD * bare_per_s / CAMERAS
    late_ms: list[float] = []

    def heard(points: list[TrackPoint]) -> None:
        now_ns = CLOCK.now_ns()
        late_ms.extend((now_ns - point.time_ns) / 1e6 for point in points if point.phase == "update")

    async with Run(folder, CAMERAS, fps, "deimv2-femto", "onnxruntime") as run:
        film.stop.clear()
        for tap in run.taps():  # each in its own time, as cameras are
            film.play([tap], 1.0)
            await asyncio.sleep(1.0 / film.fps / CAMERAS * 1.37)
        await asyncio.sleep(4)
        late_ms.clear()
        run.on_points, before, began_s = heard, run.looks, time.perf_counter()
        await asyncio.sleep(2 * SECONDS)
        load = (run.looks - before) / (time.perf_counter() - began_s) / bare_per_s
        film.stop.set()
    return float(np.percentile(late_ms, 50)), float(np.percentile(late_ms, 95)), load


async def memory_mb(folder: Path, film: Film, cameras: int) -> float:
    async with Run(folder, cameras, 5.0, "deimv2-femto", "onnxruntime") as run:
        film.stop.clear()
        film.play(run.taps(), 1.0)
        await asyncio.sleep(8)
        mb = run.rss_mb()
        film.stop.set()
    return mb


class Clock:
    """CPU seconds of the calling threads spent in a part."""

    def __init__(self) -> None:
        self.times_s: list[float] = []

    def timed(self, work: Callable[..., Any], *given: Any) -> Any:
        began_s = time.thread_time()
        try:
            return work(*given)
        finally:
            self.times_s.append(time.thread_time() - began_s)

    @property
    def spent_s(self) -> float:
        return sum(self.times_s)


class TimedSeat:
    """``real``: how often the model is really run; after that it answers what it answered last, at once,
    and leaves the caches to those who read it."""

    def __init__(self, seat: Any, model: Clock, real: int) -> None:
        self.tensor = seat.tensor
        self._seat, self._model, self._real = seat, model, real
        self._answer: Any = None

    def start(self, count: int) -> None:
        self._runs, self._real = self._real > 0, self._real - 1
        if self._runs:
            self._model.timed(self._seat.start, count)

    def answers(self) -> Any:
        if self._runs:
            self._answer = self._model.timed(self._seat.answers)
        return self._answer


class TimedRunner:
    """A runner whose seats tell how long the model itself took."""

    def __init__(self, runner: Any, model: Clock, real: int) -> None:
        self.inputs, self.batch, self.together = runner.inputs, runner.batch, runner.together
        self.device = runner.device
        self.seat = lambda extras: TimedSeat(runner.seat(extras), model, real)
        self.close = runner.close


def besides_the_model(
    found: Pack, backend: str, pictures: list[Picture], most: int, real: int = 1_000_000
) -> tuple[float, float, float]:
    """CPU ms per look besides the model: filling its input; its turn in the batcher and reading its
    answers; tracking and telling. As in the worker, of eight cameras that always have a picture waiting:
    ``most`` looks are asked for at once, or a looker's part of what waits."""
    looking, model, fill, following = Clock(), Clock(), Clock(), Clock()
    detector = cast("ModelDetector", make(backend))
    open_runner = detector.open_runner
    detector.open_runner = lambda pack_, threads: cast(
        "Runner", TimedRunner(open_runner(pack_, threads), model, real)
    )
    detector.lowest = WEAKEST_TRACKED
    detector.load(found, THREADS)
    numbers = itertools.count()
    lock = threading.Lock()
    batcher: Batcher[Picture] = Batcher()
    cameras = [f"c{number}" for number in range(CAMERAS)]
    trackers = {name: Tracker(name, lambda: str(next(numbers)), 0.4) for name in cameras}
    left = {name: iter([replace(picture, camera_id=name) for picture in pictures]) for name in cameras}

    def look(sent: Sequence[Picture]) -> list[tuple[Picture, Detections]]:
        for picture in sent:
            batcher.put(picture)
        batch = batcher.take(most, 0.0, weights={}, sharers=LOOKERS)
        answers = [answer.above(WEAKEST_TRACKED) for answer in detector.detect(batch)]
        batcher.done(batch)
        return list(zip(batch, answers, strict=True))

    def follow(tracker: Tracker, picture: Picture, seen: Detections) -> None:
        points = tracker.update(picture.time_ns, seen, detector.labels, picture.motion)
        pack(Points(points))

    def looker() -> None:
        """While the model of the one runs, the other fills and reads."""
        sent: list[Picture] = []
        while seen := looking.timed(look, sent):
            with lock:
                for picture, found in seen:
                    following.timed(follow, trackers[picture.camera_id], picture, found)
            sent = [one for picture, _ in seen if (one := next(left[picture.camera_id], None))]

    for name in cameras:
        batcher.put(next(left[name]))
    filled = Filler.fill
    try:
        Filler.fill = lambda *given: fill.timed(filled, *given)  # type: ignore[assignment,method-assign]
        lookers = [threading.Thread(target=looker) for _ in range(LOOKERS)]
        for thread in lookers:
            thread.start()
        for thread in lookers:
            thread.join()
    finally:
        Filler.fill = filled  # type: ignore[method-assign]
        detector.close()
    each = 1000 / len(following.times_s)
    turn_s = looking.spent_s - model.spent_s - fill.spent_s
    return fill.spent_s * each, turn_s * each, following.spent_s * each


def pictures_of(path: Path) -> list[Picture]:
    gate, found = Gate(), []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            time_ns = 10**18 + number * 10**8
            found.append(Picture("c", time_ns, frame, gate.look(luma(frame), time_ns)))
    return found


def main() -> int:
    folder = assets()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "busy.mp4"
        film, pictures = encoded(folder, path, 5.0, 9.0), pictures_of(path)
        for name, backend, least in MODELS:
            found, reason = installed.choose(name, [folder])
            if found is None or importlib.util.find_spec(backend) is None:
                print(f"{name} on {backend} is left out: {reason or 'not installed'}", file=sys.stderr)
                continue
            for load, suffix in LOADS:
                before = bare(found, backend, SECONDS / 2)
                looks = asyncio.run(saturated(folder, film, name, backend, load * before))
                alone = (before + bare(found, backend, SECONDS / 2)) / 2
                peer = f"the bare model in a loop (at least {least})" if not suffix else "the bare model"
                say(f"sight_{name}_looks_per_s{suffix}", looks, f"1/s at {load:.0%} demand", peer, alone)
            most = at_once(LOOKERS * 1000 / alone)  # as the worker does under such a load
            fill_ms, turn_ms, follow_ms = besides_the_model(found, backend, pictures, most)
            say(f"sight_{name}_fill", fill_ms, "ms of CPU per look")
            say(f"sight_{name}_turn_and_answers", turn_ms, "ms of CPU per look", "limit", 0.3)
            _, warm_ms, _ = besides_the_model(found, backend, pictures, most, real=5)
            say(f"sight_{name}_turn_and_answers_warm", warm_ms, "ms of CPU per look", "limit", 0.3)
            say(f"sight_{name}_tracking", follow_ms, "ms of CPU per look")
            if name == "deimv2-femto":
                p50_ms, p95_ms, load = asyncio.run(answering(folder, film, alone))
                say("sight_packet_to_track_p50", p50_ms, f"ms at {load:.0%} load")
                say("sight_packet_to_track_p95", p95_ms, f"ms at {load:.0%} load", "limit", 250.0)
        few, many = asyncio.run(memory_mb(folder, film, 4)), asyncio.run(memory_mb(folder, film, 12))
        say("sight_rss_per_added_camera", (many - few) / 8, "MB", "limit", 12.0)
        say("sight_rss_12_cameras", many, "MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
