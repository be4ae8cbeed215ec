"""How fast a detector is on this machine: ``python -m appliance.vision.worker.measure``, a one-shot child.

Reads an ``Order`` as JSON from standard input, looks at a made-up picture over and over, writes one line
of JSON. It is nicer than the worker (recording and analysis come first), so on a busy box it shows what
is left.
"""

import os
import sys
import time

import av
import msgspec
import numpy as np

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.decoding.planes import plane
from appliance.vision.detectors import Detector, Picture
from appliance.vision.looking.gate import Motion
from appliance.vision.packs.pack import Pack
from appliance.vision.worker.sandbox import die_with_parent

NICE = 10
WIDE, HIGH = 640, 360
CELLS = (45, 80)  # rows, columns of the gate's picture


class Order(msgspec.Struct, frozen=True):
    """``threads`` None: half of the cores, at least one, as a box with cameras would."""

    pack: Pack | None
    backend: str
    seconds: float
    threads: int | None = None


class Measured(msgspec.Struct, frozen=True):
    """``ms_*``: of one picture, its batch's time shared out. ``frames``: how many were looked at."""

    frames: int
    fps: float
    ms_p50: float
    ms_p95: float
    load_ms: float
    batch: int
    threads: int


def picture() -> Picture:
    """Grey with texture and some edges: no part of a detector is left out for want of contrast."""
    frame = av.VideoFrame(WIDE, HIGH, "yuv420p")
    rows, columns = np.mgrid[:HIGH, :WIDE]
    plane(frame, 0)[:] = (64 + (rows // 3 + columns // 5) % 128).astype(np.uint8)
    plane(frame, 0)[120:300, 260:340] = 200
    for number in (1, 2):
        plane(frame, number)[:] = 128
    mask = np.zeros(CELLS, np.bool_)
    mask[15:38, 32:43] = True
    return Picture("bench", 0, frame, Motion(mask, mask))


def measure(detector: Detector, order: Order) -> Measured:
    threads = order.threads or max(1, (os.cpu_count() or 2) // 2)
    began = time.perf_counter()
    detector.load(order.pack, threads)
    load_ms = (time.perf_counter() - began) * 1000
    batch = [picture()] * max(1, detector.most)
    took_ms: list[float] = []
    began = time.perf_counter()
    while not took_ms or time.perf_counter() - began < order.seconds:
        before = time.perf_counter()
        detector.detect(batch)
        took_ms.append((time.perf_counter() - before) * 1000 / len(batch))
    elapsed_s = time.perf_counter() - began
    p50, p95 = np.percentile(took_ms, (50, 95)).tolist()
    frames = len(took_ms) * len(batch)
    return Measured(
        frames,
        round(frames / elapsed_s, 2),
        round(p50, 3),
        round(p95, 3),
        round(load_ms, 1),
        len(batch),
        threads,
    )


def main() -> int:
    die_with_parent()
    os.nice(NICE)
    av.logging.set_level(av.logging.PANIC)
    try:
        order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
        detector = detectors.make(order.backend)
        try:
            answer = msgspec.json.encode(measure(detector, order))
        finally:
            detector.close()
    except ApplianceError as error:
        told = {"kind": error.kind, "message": error.message, "hint": error.hint, "field": error.field}
        answer = msgspec.json.encode({"error": told})
    sys.stdout.buffer.write(answer + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
