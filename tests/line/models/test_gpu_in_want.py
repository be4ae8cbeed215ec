"""A GPU that has no memory left, hangs, fails, or is given an engine that is cut short, on a whole box.

On a DOUBLE of driver and TensorRT (``gpu/``), which is another program's library for the box as the real
ones are: nothing of the box is replaced. What it cannot show is that NVIDIA's answer like this.
"""

import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
MB = 1 << 20
PLENTY_BYTES = 1 << 30
HUNG_S = 4.0  # V4, of a detector that was quick; and what a new process needs to load
BEATS_S = 6.0

pytestmark = [pytest.mark.long]


class Gpu:
    """The double's state, which every process that uses it maps (``struct control`` of libcuda.c)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "control"
        self._file.write_bytes(bytes(16))
        self.say()

    def say(self, memory_bytes: int = PLENTY_BYTES, hangs: bool = False, fails: bool = False) -> None:
        with self._file.open("r+b") as file:
            file.write(struct.pack("<QII", memory_bytes, hangs, fails))

    @property
    def variables(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": str(self.folder), "CUDA_DOUBLE": str(self._file)}


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """Found by the box as real ones are: the driver by the loader's path, TensorRT by Python's (a daemon's
    children begin where it stands)."""
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("no C compiler, which makes the double of the driver")
    folder = tmp_path / "gpu"
    shutil.copytree(HERE / "gpu", folder)
    library = folder / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, folder / "libcuda.c"], check=True)
    made = Gpu(folder)
    monkeypatch.chdir(folder)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def looking(start, gpu, tools):
    """A box that looks on the GPU, as it came to be: it began on the CPU, built the engine beside that, let
    both look for half a minute, and changed."""

    async def begin():
        yard, _ = await start("good", backend="tensorrt")
        detector = await on(tools, yard, "tensorrt", 60)
        assert "Double, compute 8.7" in detector["backend"]

        async def over():  # what fails from now on is no newcomer's fault
            return (await yard.box.get("/models"))["activation"]["phase"] == "active"

        await tools.until(over, 60, "the trial has no end")
        return yard

    return begin


async def on(tools, yard, backend: str, timeout_s: float) -> dict:
    """Its pictures are looked at by that backend, now; what ``/models`` says of it."""

    async def look():
        found = (await yard.box.get("/models"))["detector"]
        if found["state"] != "running" or not found["backend"].startswith(backend):
            return None
        cameras = (await yard.box.detector())["cameras"]
        return found if cameras and cameras[0]["looks_per_s"] > 0.5 else None

    return await tools.until(look, timeout_s, f"{backend} does not look")


async def restarted(tools, yard, timeout_s: float) -> dict:
    async def again():
        found = await yard.box.detector()
        return found if found["restarts"] else None

    return await tools.until(again, timeout_s, "the worker was not started again")


async def well(yard, ours: int) -> None:
    """Neither the daemon's memory nor recording noticed."""
    print(f"the daemon: {ours / MB:.1f} MB, then {yard.rss_bytes() / MB:.1f} MB")
    assert yard.rss_bytes() - ours < 8 * MB
    assert await yard.recorded_all() > 200


async def test_a_driver_that_does_not_answer(looking, gpu, tools):
    yard = await looking()
    ours, began = yard.rss_bytes(), time.monotonic()
    gpu.say(hangs=True)
    await restarted(tools, yard, HUNG_S + BEATS_S)
    print(f"hung: a new worker after {time.monotonic() - began:.1f} s")
    gpu.say()
    await on(tools, yard, "tensorrt", 20)
    assert "at one picture for" in yard.box.log.read_text()
    await well(yard, ours)


async def test_its_memory_goes_while_it_looks(looking, gpu, tools):
    """The CPU looks, and people read why; the GPU is asked again later (``host/test_engines.py``)."""
    yard = await looking()
    ours, began = yard.rss_bytes(), time.monotonic()
    gpu.say(memory_bytes=0)
    await restarted(tools, yard, HUNG_S)
    detector = await on(tools, yard, "o", 20)
    print(f"out of memory: looks again after {time.monotonic() - began:.1f} s: {detector}")
    because = "the GPU is out of memory (cuMemAlloc_v2); it is tried again in 10 min"
    assert detector["because"] == f"tensorrt does not run it: {because}"
    assert "has no memory left for the run (use a smaller model, or end what" in yard.box.log.read_text()
    await well(yard, ours)


async def test_its_context_is_lost(looking, gpu, tools):
    yard = await looking()
    ours, began = yard.rss_bytes(), time.monotonic()
    gpu.say(fails=True)
    await restarted(tools, yard, HUNG_S)
    gpu.say()
    await on(tools, yard, "tensorrt", 20)
    print(f"lost: looks again after {time.monotonic() - began:.1f} s")
    assert "an illegal memory access was encountered (700)" in yard.box.log.read_text()
    await well(yard, ours)


async def test_an_engine_cut_short_is_told_and_built_again(looking, gpu, tools):
    yard = await looking()
    assert (await yard.box.stop())[0] == 0
    (engine,) = (yard.box.data / "engines").glob("*.engine")
    whole = engine.read_bytes()
    engine.write_bytes(whole[: len(whole) // 2])
    began = time.monotonic()
    await yard.box.start()
    await on(tools, yard, "o", 20)
    print(f"looks after {time.monotonic() - began:.1f} s")
    await on(tools, yard, "tensorrt", 60)
    print(f"on the GPU after {time.monotonic() - began:.1f} s")
    assert engine.read_bytes() == whole
    told = re.search(r"the engine \S+\.engine is cut short: \d+ of \d+ bytes", yard.box.log.read_text())
    assert told, yard.box.log.read_text()[-2000:]
