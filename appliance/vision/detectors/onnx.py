"""Backend ``onnxruntime``: any family whose pack has an .onnx file, on the CPU.

The threads are bounded: analysis must never take the cores that recording needs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

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
from appliance.vision.detectors.turn import Run, Turn
from appliance.vision.packs.pack import Pack

_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(int64)": "int64"}
_UNKNOWN = ("is not a registered function/op", "No Op registered", "Could not find an implementation")
_TORN = ("Protobuf parsing failed", "ModelProto does not have a graph", "out of bounds", "not a valid")


class OnnxDetector(ModelDetector):
    """One picture in a run pays most: on a CPU a batch costs more than its parts (its tensors leave
    the cache)."""

    def __init__(self) -> None:
        super().__init__("onnxruntime", OnnxRunner, most=1)


class OnnxRunner:
    device, together = "CPU", RUNS_TOGETHER

    def __init__(self, pack: Pack, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised, not printed
        # Idle threads must sleep: spinning ones would eat a core between frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = pack.file(".onnx")
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own types are not public
            raise refusal(pack, path.name, error) from error
        self.inputs = tuple(
            Port(port.name, _shape(port.shape), _DTYPES.get(port.type, port.type))
            for port in session.get_inputs()
        )
        self._port = picture_port(pack, self.inputs)
        self._size = (3, pack.input_height, pack.input_width)
        self.batch = self._port.shape[0] or 1
        self._session = session
        self._turn = Turn()  # the threads are for one run, not for each caller

    def seat(self, extras: Mapping[str, Tensor]) -> "OnnxSeat":
        tensor = np.zeros((self.batch, *self._size), self._port.dtype)
        fixed = self._port.shape[0] is not None
        return OnnxSeat(self._session, self._turn, self._port.name, tensor, extras, fixed)

    def close(self) -> None:
        """The session goes with the last seat."""
        self._turn.close()


class OnnxSeat:
    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        turn: Turn,
        name: str,
        tensor: Tensor,
        extras: Mapping[str, Tensor],
        fixed: bool,
    ) -> None:
        self.tensor = tensor
        self._session, self._turn, self._fixed = session, turn, fixed
        self._names = [output.name for output in session.get_outputs()]
        whole = {name: tensor, **extras}
        counts = (len(tensor),) if fixed else range(1, len(tensor) + 1)
        self._runs: list[Run[Any]] = []  # the one on its way; its answers are not kept once they are given
        self._feeds = {count: {key: values[:count] for key, values in whole.items()} for count in counts}

    def start(self, count: int) -> None:
        feeds = self._feeds[len(self.tensor) if self._fixed else count]
        self._runs.append(self._turn.start(lambda: self._session.run(self._names, feeds)))

    def answers(self) -> dict[str, Tensor]:
        return dict(zip(self._names, self._runs.pop().wait(), strict=True))


def refusal(pack: Pack, name: str, error: Exception) -> ApplianceError:
    """Why a model cannot be loaded, for whoever installs it."""
    text = str(error)
    if wants_memory(error):  # what is constant in a graph is worked out when it is loaded
        return too_large(pack)
    if any(part in text for part in _UNKNOWN):
        hint = "export it again with standard operators, or choose another backend or model pack"
        return invalid(f"{name} uses an operator that onnxruntime does not know: {said(error)}", hint)
    if any(part in text for part in _TORN):
        return ApplianceError("data_loss", f"{name} is not a whole model", f"install {pack.name} again")
    hint = f"install {pack.name} again, or choose another model pack"
    return invalid(f"{name} cannot be loaded: {said(error)}", hint)


def _shape(shape: list[int | str | None]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) and size > 0 else None for size in shape)
