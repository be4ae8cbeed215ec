"""DOUBLES of a GPU, so that what runs on one is at least called here: libcuda.so.1 with host memory behind
it, and a TensorRT whose engine computes with numpy. What they cannot show (that the real ones answer like
this, and how fast) is shown by ``test_gpu.py`` where there is a GPU, and nowhere else."""

import ctypes
import json
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from appliance.vision.detectors.tensorrt import cuda, engines
from appliance.vision.detectors.tensorrt.build import model_file, origin
from appliance.vision.detectors.tensorrt.detector import TensorrtDetector
from appliance.vision.detectors.tensorrt.library import Library, Said

ILLEGAL_ADDRESS = 700
CELLS, COLUMNS = 3, 7  # of a YOLOX for 8 x 8 pixels and two classes
SCRATCH_BYTES = 10_000  # per picture


class Chip:
    """The driver: each stream is a thread that does what is in it, in order."""

    def __init__(self, memory_bytes: int = 1 << 30, *, count: int = 1, integrated: bool = False) -> None:
        self.memory_bytes, self.count, self.integrated = memory_bytes, count, integrated
        self.memory: dict[int, Any] = {}
        self.pinned: dict[int, Any] = {}
        self.streams: dict[int, queue.Queue[Any]] = {}
        self.log: list[tuple[int, str]] = []
        self.before: Callable[[int, str], None] = lambda stream, what: None
        self.broken = 0  # what every call answers once a stream has failed
        self.flags = 0
        self.contexts = 0
        self._numbers = iter(range(1, 1 << 30))
        for name, types in cuda._CALLS.items():
            shapes = [ctypes.c_void_p if kind is ctypes.c_char_p else kind for kind in types]
            answer = getattr(self, f"_{name}", None) or (lambda *_: 0)
            setattr(self, name, ctypes.CFUNCTYPE(ctypes.c_int, *shapes)(self._guarded(name, answer)))

    @property
    def used_bytes(self) -> int:
        return sum(len(buffer) for buffer in self.memory.values())

    def put(self, stream: int, what: str, work: Callable[[], int]) -> None:
        self.streams[stream].put((what, work))

    def _guarded(self, name: str, answer: Callable[..., int | None]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            if self.broken and name not in ("cuGetErrorString", "cuMemFree_v2", "cuMemFreeHost"):
                return self.broken
            return answer(*arguments) or 0

        return call

    def _cuDeviceGetCount(self, out: Any) -> None:
        out[0] = self.count

    def _cuDeviceGetName(self, out: int, size: int, number: int) -> None:
        ctypes.memmove(out, b"Double\0", 7)

    def _cuDeviceGetAttribute(self, out: Any, which: int, number: int) -> None:
        out[0] = {18: int(self.integrated), 75: 8, 76: 7}[which]

    def _cuDevicePrimaryCtxSetFlags_v2(self, number: int, flags: int) -> None:
        self.flags = flags

    def _cuDevicePrimaryCtxRetain(self, out: Any, number: int) -> None:
        out[0] = 1
        self.contexts += 1

    def _cuDevicePrimaryCtxRelease_v2(self, number: int) -> None:
        self.contexts -= 1

    def _cuMemGetInfo_v2(self, free: Any, total: Any) -> None:
        free[0], total[0] = self.memory_bytes - self.used_bytes, self.memory_bytes

    def _cuMemAlloc_v2(self, out: Any, size: int) -> int | None:
        if self.used_bytes + size > self.memory_bytes:
            return 2
        buffer = ctypes.create_string_buffer(size)
        out[0] = ctypes.addressof(buffer)
        self.memory[out[0]] = buffer
        return None

    def _cuMemFree_v2(self, address: int) -> None:
        del self.memory[address]

    def _cuMemHostAlloc(self, out: Any, size: int, flags: int) -> None:
        buffer = ctypes.create_string_buffer(size)
        out[0] = ctypes.addressof(buffer)
        self.pinned[out[0]] = buffer

    def _cuMemHostGetDevicePointer_v2(self, out: Any, address: int, flags: int) -> None:
        out[0] = address

    def _cuMemFreeHost(self, address: int) -> None:
        del self.pinned[address]

    def _cuMemcpyHtoDAsync_v2(self, to: int, source: int, size: int, stream: int) -> None:
        assert source in self.pinned and size <= len(self.memory[to])
        self.put(stream, "in", lambda: ctypes.memmove(to, source, size) and 0)

    def _cuMemcpyDtoHAsync_v2(self, to: int, source: int, size: int, stream: int) -> None:
        assert to in self.pinned and size <= len(self.memory[source])
        self.put(stream, "out", lambda: ctypes.memmove(to, source, size) and 0)

    def _cuStreamCreate(self, out: Any, flags: int) -> None:
        number = next(self._numbers)
        self.streams[number] = queue.Queue()
        threading.Thread(target=self._flow, args=(number, self.streams[number]), daemon=True).start()
        out[0] = number

    def _cuStreamSynchronize(self, stream: int) -> int:
        self.streams[stream].join()
        return self.broken

    def _cuStreamDestroy_v2(self, stream: int) -> None:
        self.streams.pop(stream).put(None)

    def _cuGetErrorString(self, status: int, out: Any) -> None:
        out[0] = b"an illegal memory access was encountered"

    def _flow(self, number: int, waiting: "queue.Queue[Any]") -> None:
        while (entry := waiting.get()) is not None:
            what, work = entry
            try:
                self.before(number, what)
                self.log.append((number, what))
                self.broken = self.broken or work()
            finally:
                waiting.task_done()


class Context:
    def __init__(self, engine: "Engine") -> None:
        self.engine, self.rows = engine, engine.rows
        self.addresses: dict[str, int] = {}
        self.scratch_bytes = -1

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> None:
        assert 1 <= shape[0] <= 32 and shape[1:] == (3, 8, 8)
        self.rows = shape[0]

    def update_device_memory_size_for_shapes(self) -> int:
        return self.rows * SCRATCH_BYTES

    def set_device_memory(self, address: int, size_bytes: int) -> None:
        assert size_bytes == len(self.engine.chip.memory[address])
        self.scratch_bytes = size_bytes

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        engine, rows, addresses = self.engine, self.rows, dict(self.addresses)
        assert self.scratch_bytes >= rows * SCRATCH_BYTES
        if (words := engine.fails(rows)) is not None:
            engine.said.error(words)
            return False

        def work() -> int:
            pictures = at(addresses["images"], engine.dtype, (rows, 3, 8, 8)).astype(np.float32)
            out = at(addresses["out"], np.float32, (rows, CELLS, COLUMNS))
            out[...] = 0
            out[:, 0, 4] = pictures.mean(axis=(1, 2, 3)) / 255  # the brighter, the surer
            out[:, 0, 5] = 1
            out[:, 0, 2:4] = np.log(0.5)
            return engine.status

        engine.chip.put(stream, "run", work)
        return True


class Engine:
    """``images`` in, ``out`` out. What it is like stands in the plan, as JSON."""

    num_io_tensors = 2

    def __init__(
        self, chip: Chip, said: Said, *, rows: int = -1, half: bool = False, open: bool = False
    ) -> None:
        self.chip, self.said, self.rows, self.open = chip, said, rows, open
        self.dtype = np.dtype(np.float16 if half else np.float32)
        self.status = 0
        self.fails: Callable[[int], str | None] = lambda rows: None
        self.contexts: list[Context] = []

    def get_tensor_name(self, number: int) -> str:
        return ("images", "out")[number]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        out = (self.rows, -1 if self.open else CELLS, COLUMNS)
        return (self.rows, 3, 8, 8) if name == "images" else out

    def get_tensor_location(self, name: str) -> str:
        return "device"

    def get_tensor_dtype(self, name: str) -> Any:
        return self.dtype if name == "images" else np.dtype(np.float32)

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "images" else "out"

    def create_execution_context(self, strategy: str) -> Context:
        assert strategy == "ours"
        self.contexts.append(Context(self))
        return self.contexts[-1]


def at(address: int, dtype: Any, shape: tuple[int, ...]) -> Any:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)


class Box:
    """A detector on a double: ``chip`` and ``engine`` are what is under it."""

    def __init__(self, chip: Chip, detector: TensorrtDetector, engines_made: list[Engine]) -> None:
        self.chip, self.detector, self._engines = chip, detector, engines_made

    @property
    def engine(self) -> Engine:
        return self._engines[-1]


@pytest.fixture
def make_chip() -> type[Chip]:
    return Chip


@pytest.fixture
def make_box(
    tmp_path: Path, make_pack: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Box]:
    """``make_box(chip=..., built=True, load=True, rows=1, half=True)``: a box with an engine in its cache."""

    def make(chip: Chip | None = None, built: bool = True, load: bool = True, **like: Any) -> Box:
        chip = chip or Chip()
        said, made = Said(), []
        trt = SimpleNamespace(
            TensorLocation=SimpleNamespace(DEVICE="device"),
            TensorIOMode=SimpleNamespace(INPUT="in"),
            ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="ours"),
            nptype=lambda dtype: dtype,
        )

        def deserialize(plan: bytes) -> Engine | None:
            if plan == b"refused":
                said.error("Serialization assertion failed")
                return None
            made.append(Engine(chip, said, **json.loads(plan)))
            return made[-1]

        trt.Runtime = lambda logger: SimpleNamespace(deserialize_cuda_engine=deserialize)
        found = Library(trt, "tensorrt", "10.16.1", None, said)
        detector = TensorrtDetector()
        module = "appliance.vision.detectors.tensorrt.detector"
        monkeypatch.setattr(f"{module}.library", lambda: found)
        monkeypatch.setattr(f"{module}.prepare", lambda: cuda.Device(chip))
        monkeypatch.setenv("ARIES_ENGINES", str(tmp_path / "engines"))
        pack = make_pack(b"the double's model")
        detector.pack = pack
        if built:
            known = origin(model_file(pack)[1], found, SimpleNamespace(compute_capability="8.7"))
            shapes = str(like["rows"]) if "rows" in like else "1-8-32"
            plan = b"refused" if like.pop("refused", False) else json.dumps(like).encode()
            engines.write(tmp_path / "engines", engines.Key(known, "fp16", shapes), plan)
        box = Box(chip, detector, made)
        if load:
            detector.load(pack, 1)
        return box

    return make
