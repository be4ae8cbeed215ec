"""Backend ``onnxruntime``: any family whose pack has an .onnx file, on the CPU.

The threads are bounded: analysis must never take the cores that recording needs.
"""

import threading
from collections.abc import Sequence
from typing import Any, Protocol

import av
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.detectors import Columns, Detections, Picture
from appliance.vision.detectors.detr import Detr
from appliance.vision.detectors.yolox import Yolox
from appliance.vision.packs.pack import Pack


class Family(Protocol):
    """How pictures are put into a model and boxes read out of it."""

    def fill(self, frame: av.VideoFrame, tensor: Columns) -> float: ...

    def feeds(self, tensors: Columns) -> dict[str, NDArray[Any]]: ...

    def read(
        self,
        outputs: dict[str, NDArray[Any]],
        frames: Sequence[av.VideoFrame],
        placed: Sequence[float],
    ) -> list[Detections]: ...


class OnnxDetector:
    name = "onnxruntime"
    most = 1

    def __init__(self) -> None:
        self.labels: tuple[str, ...] = ()
        self._session: onnxruntime.InferenceSession | None = None
        self._family: Family | None = None
        self._tensors: Columns = np.empty((1, 3, 0, 0), np.float32)
        self._outputs: list[str] = []
        self._lock = threading.Lock()  # two threads, one tensor

    def load(self, pack: Pack | None, threads: int) -> None:
        if pack is None:
            raise invalid("the onnxruntime detector needs a model pack", "run `appliance models list`")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Idle threads must sleep: spinning ones would eat a core between frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = pack.file(".onnx")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own types are not public
            raise ApplianceError(
                "data_loss", f"{path.name} cannot be loaded", f"install {pack.name} again"
            ) from error
        self._family = Detr(pack) if pack.family == "detr" else Yolox(pack)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._tensors = np.zeros((1, 3, pack.input_height, pack.input_width), np.float32)
        self.labels = pack.labels
        self._session.run(self._outputs, self._family.feeds(self._tensors))  # the slow first one

    def detect(self, batch: Sequence[Picture]) -> list[Detections]:
        """One at a time: on a CPU a batch costs as much as its parts, and the first waits."""
        if self._session is None or self._family is None:
            raise ApplianceError("internal", "detect before load")
        answers: list[Detections] = []
        with self._lock:
            for picture in batch:
                placed = self._family.fill(picture.frame, self._tensors[0])
                outputs = self._session.run(self._outputs, self._family.feeds(self._tensors))
                named = dict(zip(self._outputs, outputs, strict=True))
                answers += self._family.read(named, [picture.frame], [placed])
        return answers

    def close(self) -> None:
        self._session = None
