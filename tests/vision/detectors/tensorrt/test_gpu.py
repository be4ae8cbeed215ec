"""On a real GPU, with whichever TensorRT is installed; skipped where there is none. One command:

python -m pytest -rs tests/vision/detectors/tensorrt/test_gpu.py
"""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.detectors import Picture
from appliance.vision.detectors.tensorrt import cuda
from appliance.vision.detectors.tensorrt.build import build
from appliance.vision.detectors.tensorrt.detector import ENGINES
from appliance.vision.detectors.tensorrt.library import library
from appliance.vision.looking.gate import Motion
from appliance.vision.packs.installed import choose

STILL = Motion(np.zeros((1, 1), np.bool_), np.zeros((1, 1), np.bool_))
MIB = 1 << 20


def deaf(share):
    pass


@pytest.fixture(scope="module")
def gpu():
    try:
        device = cuda.open_device()
        found = library()
    except ApplianceError as error:
        pytest.skip(error.message)
    print(f"{device.name}, {device.compute_capability}, {found.flavour} {found.version}")
    yield device
    device.close()


@pytest.fixture(scope="module")
def cache(gpu, tmp_path_factory):
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(params=["deimv2-femto", "yolox-nano"])
def pack(request, gpu, assets, cache, monkeypatch):
    found, reason = choose(request.param, [assets])
    if found is None:
        pytest.skip(reason)
    monkeypatch.setenv(ENGINES, str(cache))
    build(found, cache, deaf)
    return found


@pytest.fixture
def detector(pack):
    made = detectors.make("tensorrt")
    made.load(pack, 1)
    yield made
    made.close()


@pytest.fixture(scope="module")
def pictures(footage):
    with av.open(str(footage)) as container:
        frames = [frame for number, frame in enumerate(container.decode(video=0)) if number % 40 == 0][:24]
    return [Picture("hall", number, frame, STILL) for number, frame in enumerate(frames)]


def same(left, right, box, score):
    """Every box that is sure in one of them is in the other, at the same place."""
    for here, there in ((left, right), (right, left)):
        for number in np.flatnonzero(here.scores > 0.4):
            near = np.abs(there.boxes - here.boxes[number]).max(axis=1, initial=1) < box
            near &= there.classes == here.classes[number]
            assert near.any() and np.abs(there.scores[near] - here.scores[number]).min() < score


def test_it_sees_what_the_cpu_sees(detector, pack, pictures):
    """FP32 beside FP32: TF32's ten bits of mantissa are all that may lie between."""
    other = detectors.make("onnxruntime")
    other.load(pack, 2)
    for found, wanted in zip(detector.detect(pictures), other.detect(pictures), strict=True):
        same(found, wanted, box=0.005, score=0.03)
    assert sum((found.scores > 0.4).any() for found in detector.detect(pictures)) > 12


def test_a_batch_equals_its_parts(detector, pictures):
    together = detector.detect(pictures[:8])
    for found, picture in zip(together, pictures, strict=False):
        same(found, detector.detect([picture])[0], box=0.003, score=0.01)


def test_two_threads_do_not_mix_their_pictures(detector, pictures):
    wanted = [detector.detect([picture])[0] for picture in pictures]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            for found, alone in zip(
                pool.map(lambda p: detector.detect([p])[0], pictures), wanted, strict=True
            ):
                same(found, alone, box=0.003, score=0.01)


def test_short_memory_makes_smaller_batches_or_an_error_of_its_own(gpu, pack, pictures):
    held = []
    gpu.use()
    try:
        while gpu.free_bytes() > 1500 * MIB:
            held.append(gpu.allocate(max(64 * MIB, min(2048 * MIB, gpu.free_bytes() - 1200 * MIB))))
        for left in (600, 300, 150, 40):
            while gpu.free_bytes() > left * MIB:
                held.append(gpu.allocate(16 * MIB))
            tight = detectors.make("tensorrt")
            try:
                tight.load(pack, 1)
                assert len(tight.detect(pictures)) == len(pictures)
            except ApplianceError as error:
                assert error.kind == "exhausted", error
            finally:
                tight.close()
                gpu.use()
    finally:
        for address in held:
            gpu.free(address)


CONFINED = """
import sys
from pathlib import Path
import av
import numpy as np
from appliance.vision import detectors
from appliance.vision.detectors import Picture
from appliance.vision.detectors.tensorrt.detector import prepare
from appliance.vision.looking.gate import Motion
from appliance.vision.packs.installed import choose
from appliance.vision.worker.landlock import devices, only_write
from appliance.vision.worker.sandbox import confine
held = only_write(devices()) if sys.argv[3] != "no landlock" else False
if sys.argv[3] != "late":
    prepare()
assert confine(devices=held)
pack, _ = choose(sys.argv[1], [Path(sys.argv[2])])
detector = detectors.make("tensorrt")
detector.load(pack, 1)
still = Motion(np.zeros((1, 1), np.bool_), np.zeros((1, 1), np.bool_))
frame = av.VideoFrame.from_ndarray(np.full((360, 640, 3), 100, np.uint8), format="rgb24")
print(len(detector.detect([Picture("yard", 0, frame, still)])))
"""


@pytest.mark.parametrize("how", ["landlock", "no landlock", "late"])
def test_the_confined_worker_can_run_it(pack, assets, cache, how):
    """``prepare`` before the filter closes, everything else behind it; with Landlock even that."""
    child = [sys.executable, "-c", CONFINED, pack.name, str(assets), how]
    done = subprocess.run(
        child,
        env={**os.environ, ENGINES: str(cache)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0 and done.stdout == "1\n", done.stderr


BROKEN = """
from appliance.vision.detectors.tensorrt import cuda
device = cuda.open_device()
host, stream = device.allocate_pinned(1 << 20), device.stream()
try:
    device.send(host.address, 0xdead0000, 1 << 20, stream)
    device.wait(stream)
except cuda.Lost as error:
    print(error.kind)
"""


def test_a_broken_context_is_lost(gpu):
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "internal\n", done.stderr


def test_an_engine_is_built_beside_a_detector_that_looks(gpu, pack, detector, pictures, tmp_path):
    """Priorities aside: both may use the chip at once, and the looking goes on."""
    ended = threading.Event()

    def other():
        try:
            build(pack, tmp_path / "engines", deaf)
        finally:
            ended.set()

    thread = threading.Thread(target=other)
    thread.start()
    looks = 0
    while not ended.is_set() or looks == 0:
        assert len(detector.detect(pictures[:4])) == 4
        looks += 1
    thread.join()
    assert looks > 0 and list((tmp_path / "engines").glob("*.engine"))
