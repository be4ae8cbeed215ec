"""``TensorrtDetector``: what the registry names. The engine must be in the cache (``build``)."""

import os
from collections.abc import Sequence
from pathlib import Path

from appliance.base.errors import ApplianceError
from appliance.vision.detectors import Detections, Picture
from appliance.vision.detectors.failures import OutOfMemory
from appliance.vision.detectors.model import ModelDetector
from appliance.vision.detectors.tensorrt import cuda
from appliance.vision.detectors.tensorrt.cuda import Device
from appliance.vision.detectors.tensorrt.library import library
from appliance.vision.detectors.tensorrt.runner import TensorrtRunner
from appliance.vision.packs.pack import Pack

ENGINES = "ARIES_ENGINES"  # the folder of the cache, in the worker's environment


class TensorrtDetector(ModelDetector):
    def __init__(self) -> None:
        super().__init__("tensorrt", self._runner_of, most=1)
        self._runner: TensorrtRunner | None = None

    def load(self, pack: Pack | None, threads: int) -> None:
        super().load(pack, threads)
        assert self._runner is not None
        self.most = self._runner.batch

    def detect(self, batch: Sequence[Picture]) -> list[Detections]:
        """Raises ``Lost`` where only a new process helps, ``OutOfMemory`` where one picture is too much."""
        while True:
            try:
                return super().detect(batch)
            except OutOfMemory:
                if self._runner is None or not self._runner.shrink():
                    raise
                self.most = self._runner.batch

    def _runner_of(self, pack: Pack, threads: int) -> TensorrtRunner:
        """``threads`` are the processor's: the GPU has its own."""
        folder = os.environ.get(ENGINES)
        if not folder:
            raise ApplianceError("internal", f"{ENGINES} does not say where the engines are")
        found, device = library(), prepare()
        try:
            self._runner = TensorrtRunner(pack, Path(folder), found, device)
        except BaseException:  # whatever stopped it, the GPU's context is ours to give back
            device.close()
            raise
        return self._runner


def prepare() -> Device:
    """Load the library and open the GPU. To be called before the sandbox closes, which refuses the
    device files; what was opened once stays open (the primary context is counted, and nobody gives this
    one back). Raises ``not_found``, ``unavailable``, ``OutOfMemory``."""
    library()
    return cuda.open_device()
