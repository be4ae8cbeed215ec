"""TensorRT on the box's GPU: pictures per second of a loaded pack at batch 1, 8 and 32, one thread (copy,
run, copy) and two (the copy of one beside the run of the other), and of the whole way from pictures to
boxes, each beside a bare loop of ``execute_async_v3`` over data that lies on the chip already, as trtexec
does it."""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import numpy as np

from appliance.base.errors import ApplianceError
from appliance.vision.detectors import families
from appliance.vision.detectors.model import Model
from appliance.vision.detectors.tensorrt import cuda
from appliance.vision.detectors.tensorrt.build import build
from appliance.vision.detectors.tensorrt.lanes import channels, new_context, scratch_bytes
from appliance.vision.detectors.tensorrt.library import Library, library
from appliance.vision.detectors.tensorrt.runner import TensorrtRunner, TensorrtSeat
from appliance.vision.packs.installed import choose
from appliance.vision.packs.pack import Pack

SKIPPED = 77
ASSETS = [Path(part) for part in os.environ.get("APPLIANCE_ASSETS_PATH", "").split(os.pathsep) if part]
ASSETS.append(Path(__file__).resolve().parents[3] / "shared" / "data")
PACKS = ("deimv2-femto", "yolox-nano")
BATCHES = (1, 8, 32)
SECONDS = 3.0
WARM_RUNS = 20


def per_second(pictures: int, *works: Callable[[], object]) -> float:
    """Pictures per second, each of ``works`` (which does ``pictures``) in a thread of its own."""
    counts = [0] * len(works)
    began = time.perf_counter()

    def go(number: int) -> None:
        while time.perf_counter() - began < SECONDS:
            works[number]()
            counts[number] += 1

    crew = [threading.Thread(target=go, args=(number,)) for number in range(len(works))]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    return sum(counts) * pictures / (time.perf_counter() - began)


def bare(found: Library, device: cuda.Device, runner: TensorrtRunner, count: int) -> float:
    """No copies, nothing waited for but the end of each ``WARM_RUNS`` runs."""
    engine = runner._engine
    listed = channels(found, engine)
    context = new_context(found, engine)
    size_bytes = scratch_bytes(context, listed, count)
    held = [device.allocate(size_bytes)]
    context.set_device_memory(held[0], size_bytes)
    for channel in listed:
        held.append(device.allocate(channel.size_bytes(count)))
        context.set_tensor_address(channel.name, held[-1])
    stream = device.stream()

    def some() -> None:
        device.use()
        for _ in range(WARM_RUNS):
            context.execute_async_v3(stream)
        device.wait(stream)

    some()
    rate = per_second(count * WARM_RUNS, some)
    device.free_stream(stream)
    for address in held:
        device.free(address)
    return rate


def line(name: str, value: float, peer_value: float) -> None:
    figure = {"name": name, "value": round(value, 1), "unit": "frames/s", "peer": "bare execute_async_v3"}
    print(json.dumps({**figure, "peer_value": round(peer_value, 1)}), flush=True)


def measure(pack: Pack, found: Library, device: cuda.Device, cache: Path) -> None:
    runner = TensorrtRunner(pack, cache, found, device)
    family = families.make(pack)
    names = [port.name for port in runner.inputs if len(port.shape) != 4]
    seats: list[TensorrtSeat] = [runner.seat(family.extras(names, runner.batch)) for _ in range(2)]
    model: Model = Model(pack, runner)
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format="yuv420p")
    what = f"{pack.name} on {runner.device}"
    for count in [size for size in BATCHES if size <= runner.batch]:
        for seat in seats:
            seat.run(count)
        peer = bare(found, device, runner, count)
        works = [partial(seat.run, count) for seat in seats]
        line(f"{what}, batch {count}, one thread", per_second(count, works[0]), peer)
        line(f"{what}, batch {count}, two threads", per_second(count, *works), peer)
        look = partial(model.ask, [frame] * count)
        line(f"{what}, batch {count}, pictures to boxes, two threads", per_second(count, look, look), peer)
    runner.close()


def main() -> int:
    try:
        found = library()
        cuda.open_device().close()
    except ApplianceError as error:
        print(f"tensorrt: {error.message}", file=sys.stderr)
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        for name in PACKS:
            pack, reason = choose(name, ASSETS)
            if pack is None:
                print(f"tensorrt: {reason}", file=sys.stderr)
                continue
            began = time.perf_counter()
            build(pack, Path(folder), lambda share: None)
            took_s = round(time.perf_counter() - began, 2)
            figure = {
                "name": f"{name}: build by {found.flavour} {found.version}",
                "value": took_s,
                "unit": "s",
            }
            print(json.dumps(figure), flush=True)
            measure(pack, found, cuda.open_device(), Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
