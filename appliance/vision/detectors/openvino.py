"""Backend ``openvino``: IR (.xml with .bin) and .onnx packs, on an Intel GPU or any x86 or ARM CPU.

A GPU goes first: it is faster than the CPU beside it and leaves that to recording. The NPU is taken
where there is no GPU. Requests queue inside the runtime, so that one run follows another without Python
between them. Nothing is reported to anybody and no cache is written.
"""

import logging
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.detectors.filling import Tensor
from appliance.vision.detectors.model import (
    RUNS_TOGETHER,
    ModelDetector,
    Port,
    picture_port,
    said,
    too_large,
    wants_memory,
)
from appliance.vision.packs.pack import Pack

# The wheel brings a package that keeps an id in the home folder and reports its use as soon as openvino
# is imported. With None here (importlib's word for "not to be had") openvino takes its own stub instead.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402

log = logging.getLogger(__name__)

_DTYPES = {"f32": "float32", "f16": "float16", "i64": "int64", "i32": "int32", "u8": "uint8"}
_UNKNOWN = (
    "Cannot create",
    "not supported",
    "No conversion rule",
    "unsupported operation",
    "OpConversionFailure",
)


@cache
def core() -> "openvino.Core":
    """The runtime of this process, for good. Its CPU plugin gives the thread that makes it a signal stack
    of its own, and puts back the one before when it goes: of two that go as they came, the second puts back
    the first one's, which is freed, and the next signal that Python handles ends the process."""
    return openvino.Core()


class OpenvinoDetector(ModelDetector):
    def __init__(self) -> None:
        super().__init__("openvino", OpenvinoRunner, most=1)


class OpenvinoRunner:
    batch = 1  # shapes that may vary are slow here; requests queue instead
    together = RUNS_TOGETHER

    def __init__(self, pack: Pack, threads: int) -> None:
        model = _read(pack)
        self.inputs = tuple(
            Port(port.any_name, _shape(port.partial_shape), _dtype(port.element_type))
            for port in model.inputs
        )
        self._port = picture_port(pack, self.inputs)
        self._size = (1, 3, pack.input_height, pack.input_width)
        try:
            self._fix(model)
            self._compiled, self.device = _compile(model, threads, pack.precision)
        except RuntimeError as error:
            raise _refusal(pack, error) from error
        self._names = [_name(port) for port in self._compiled.outputs]

    def seat(self, extras: Mapping[str, Tensor]) -> "OpenvinoSeat":
        return OpenvinoSeat(
            self._compiled.create_infer_request(),
            {port.name: extras[port.name] for port in self.inputs if port is not self._port},
            self._port.name,
            np.zeros(self._size, self._port.dtype),
            self._names,
        )

    def close(self) -> None:
        """The model goes with its last request."""

    def _fix(self, model: Any) -> None:
        """One picture of the pack's size, whatever the model would allow."""
        shapes = {
            port.name: list(self._size) if port is self._port else [size or 1 for size in port.shape]
            for port in self.inputs
        }
        if any(None in port.shape for port in self.inputs):
            model.reshape(shapes)


class OpenvinoSeat:
    def __init__(
        self, request: Any, extras: Mapping[str, Tensor], name: str, tensor: Tensor, names: list[str]
    ) -> None:
        self.tensor = tensor
        self._request, self._names = request, names
        for key, values in {name: tensor, **extras}.items():
            request.set_tensor(key, openvino.Tensor(np.ascontiguousarray(values), shared_memory=True))

    def start(self, count: int) -> None:
        self._request.start_async(share_inputs=True)

    def answers(self) -> dict[str, Tensor]:
        self._request.wait()  # the GIL is free meanwhile
        return {name: self._request.get_output_tensor(number).data for number, name in enumerate(self._names)}


def _read(pack: Pack) -> Any:
    """The pack's IR, or its .onnx. Both of IR's files are checked before either is opened."""
    if any(entry.path.endswith(".xml") for entry in pack.files):
        path, weights = pack.file(".xml"), str(pack.file(".bin"))
    else:
        path, weights = pack.file(".onnx"), ""
    try:
        return core().read_model(str(path), weights) if weights else core().read_model(str(path))
    except RuntimeError as error:
        raise _refusal(pack, error) from error


def _compile(model: Any, threads: int, precision: str) -> tuple[Any, str]:
    """On the best device that takes it; the CPU takes everything. Left to itself a CPU that knows bfloat16
    uses it: twice as fast, and of no matter to some models; DEIMv2-femto loses 10 AP by it."""
    devices = [name for kind in ("GPU", "NPU") for name in core().available_devices if name.startswith(kind)]
    for device in devices:
        try:
            return core().compile_model(model, device, {"PERFORMANCE_HINT": "LATENCY"}), device
        except RuntimeError as error:
            log.warning("%s does not take the model: %s", device, said(error))
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # a pinned thread would sit on the core that recording needs
    }
    if precision == "f32":
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    return core().compile_model(model, "CPU", settings), "CPU"


def _refusal(pack: Pack, error: Exception) -> ApplianceError:
    text = str(error)
    if wants_memory(error):
        return too_large(pack)
    if any(part in text for part in _UNKNOWN):
        hint = "export it again with standard operators, or choose another backend or model pack"
        return invalid(f"{pack.name} uses an operator that openvino does not know: {_last(text)}", hint)
    return ApplianceError("data_loss", f"{pack.name} is not a whole model", f"install {pack.name} again")


def _last(text: str) -> str:
    """OpenVINO says where it was first and what it is about last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def _shape(shape: Any) -> tuple[int | None, ...]:
    # Not iterated: where another library made with pybind11 is loaded (Pulsar's client is one), its handler
    # of exceptions takes the end of an iteration for an error.
    sizes = [shape[number] for number in range(len(shape))]
    return tuple(None if size.is_dynamic else size.get_length() for size in sizes)


def _dtype(element: Any) -> str:
    name: str = element.get_type_name()
    return _DTYPES.get(name, name)


def _name(port: Any) -> str:
    """A tensor may have several names, in no order; the one the model's author gave its end is in the
    name of the node behind it."""
    end = str(port.node.friendly_name).split("/sink_port")[0]
    return end if end in port.names or not port.names else str(min(port.names))
