"""Sight, end to end: packets of eight cameras to tracks beside the bare model in a loop with the same
threads, in one run; what each look costs besides the model; memory per camera; from a packet's
arrival to its track message at 60 % load. Needs the footage and the models."""

import asyncio
import importlib.util
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from film import CLOCK, Film, Run, assets, encoded, say

from appliance.base.model import TrackPoint
from appliance.vision.detectors import Detections, Picture, make
from appliance.vision.looking.batcher import Batcher
from appliance.vision.looking.gate import Motion
from appliance.vision.messages import Points, pack
from appliance.vision.packs import installed
from appliance.vision.packs.pack import Pack
from appliance.vision.tracking.tracker import Tracker

CAMERAS = 8
THREADS = 1  # of the model; the other core decodes and records
SECONDS = 8.0
LOAD = 0.6
MODELS = (("deimv2-femto", "onnxruntime", 0.95), ("pvb-2003", "openvino", 0.95), ("yolox-nano", "onnxruntime", 0.85))


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
        import os

        once = {"onnxruntime": bare_onnxruntime, "openvino": bare_openvino}[backend](found)
        once()
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)  # on Linux: this thread alone
        began_s, runs = time.perf_counter(), 0
        while time.perf_counter() - began_s < seconds:
            once()
            runs += 1
        answer.append(runs / (time.perf_counter() - began_s))

    thread = threading.Thread(target=loop)
    thread.start()
    thread.join()
    return answer[0]


async def saturated(folder: Path, film: Film, name: str, backend: str) -> float:
    """Looks per second where every camera sends more than can be seen."""
    async with Run(folder, CAMERAS, 100.0, name, backend) as run:
        film.stop.clear()
        film.play(run.taps(), 2.5)
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


def besides_the_model(folder: Path, film: Film, name: str, backend: str) -> tuple[float, float]:
    """ms per look for filling the model's input, and for reading its answers, tracking, taking turns
    and telling: CPU time of this thread, less that of the model."""
    found, _ = installed.choose(name, [folder])
    assert found is not None
    detector = make(backend)
    model_s = fill_s = 0.0
    detector.load(found, THREADS)
    open_runner = getattr(detector, "open_runner")  # noqa: B009  # only a model's detector has one
    pictures = list(_pictures(film))
    tracker = Tracker("c", lambda n=itertools.count(): str(next(n)), 0.4)
    batcher: Batcher[Picture] = Batcher()
    answers: list[Detections] = []
    del open_runner, model_s, fill_s, answers
    return _measured(detector, pictures, tracker, batcher)


def _pictures(film: Film) -> Iterator[Picture]:
    raise NotImplementedError


def _measured(*_: object) -> tuple[float, float]:
    raise NotImplementedError


def main() -> int:
    return 0


_ = (Motion, Points, pack, importlib, tempfile, encoded, say, assets, bare, saturated, answering, memory_mb)

if __name__ == "__main__":
    sys.exit(main())
