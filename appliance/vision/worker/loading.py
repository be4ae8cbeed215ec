"""From a choice to a detector that is ready: on the best backend that takes it, and why not on a better."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.detectors import WEAKEST_TRACKED, Detector, Picture
from appliance.vision.detectors.choice import next_best, this_machine
from appliance.vision.detectors.failures import Lost, OutOfMemory, Unbuilt
from appliance.vision.looking.gate import Motion
from appliance.vision.messages import EngineLack, Hello
from appliance.vision.packs import installed
from appliance.vision.packs.pack import Pack
from appliance.vision.worker.judging import Usual

_NOTHING = np.zeros((1, 1), np.bool_)
AUTO, MOTION, BUILT_IN = "auto", "motion", "built in"


@dataclass(slots=True)
class Loaded:
    """A detector that is ready, and how it came to be that one."""

    name: str
    detector: Detector
    pack: Pack | None
    backend: str
    because: str
    reason: str = ""  # why it is not what was asked for
    lack: EngineLack | None = None  # why it is not on the best backend, where a build would mend that
    load_ms: float = 0.0
    first_ms: float = 0.0  # a picture, once it is warm and before anybody waits for it
    usual: Usual = field(default_factory=Usual)
    users: int = 0  # threads that are in it now
    retired: bool = False  # the last of them closes it

    @property
    def runs_on(self) -> str:
        """For people: the library, and the device where the detector knows it."""
        device = "" if self.backend == BUILT_IN else self.detector.device
        return f"{self.backend}, {device}" if device else self.backend


def lack_of(model: str, error: ApplianceError) -> EngineLack | None:
    """What a build, or time, would mend; None for all else."""
    if isinstance(error, Unbuilt):
        return EngineLack(model, error.refused)
    return EngineLack(model, short=True) if isinstance(error, OutOfMemory) else None


def load(
    hello: Hello,
    choice: str,
    backend: str,
    begins: Callable[[str, str], None] = lambda _pack, _backend: None,
    *,
    only: bool = False,
) -> Loaded:
    """Where ``backend`` does not take the pack, the next best one does, unless ``only``. Raises what the
    first one raised where none takes it, and at once ``Lost`` and what no other backend would mend. Where
    there is no such pack: ``motion``, with the reason. ``begins`` is told what is loaded with what."""
    pack, reason = installed.choose(choice, [Path(directory) for directory in hello.models_dirs])
    if pack is None:
        if only:
            raise installed.not_installed(choice)
        return motion(hello, reason)
    began_s, machine = time.monotonic(), this_machine()
    name, because = detectors.choose_backend(pack, backend, machine)
    failed: dict[str, ApplianceError] = {}
    while True:
        begins(pack.name, name)
        try:
            detector = detectors.make(name)
            detector.lowest = WEAKEST_TRACKED  # nobody here looks at weaker ones
            detector.load(pack, hello.threads)
            first_ms = _first_ms(detector)
            break
        except Lost:
            raise
        except ApplianceError as error:
            failed[name] = error
            if only or _same_everywhere(error):
                raise
        try:
            name, _ = next_best(pack, failed, machine)
        except ApplianceError:
            raise next(iter(failed.values())) from None
    load_ms = (time.monotonic() - began_s) * 1000
    loaded = Loaded(pack.name, detector, pack, name, because, reason, load_ms=load_ms, first_ms=first_ms)
    if failed:
        _explain(loaded, backend, *next(iter(failed.items())))
    return loaded


def _first_ms(detector: Detector) -> float:
    """Of a picture with everything in it: what there is little of, a model may be quick with."""
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)
    picture = Picture("", 0, av.VideoFrame.from_ndarray(noise, format="rgb24"), Motion(_NOTHING, _NOTHING))
    began_s = time.monotonic()
    detector.detect([picture])
    return (time.monotonic() - began_s) * 1000


def _same_everywhere(error: ApplianceError) -> bool:
    """A torn file is torn for every backend, and all but a card share the box's memory."""
    if isinstance(error, Unbuilt):
        return False
    return error.kind == "data_loss" or (error.kind == "exhausted" and not isinstance(error, OutOfMemory))


def _explain(loaded: Loaded, wanted: str, better: str, error: ApplianceError) -> None:
    """What is only not built yet, or short of memory, comes by itself: the choice holds. A backend that
    was chosen by hand and cannot is a refusal."""
    loaded.because = f"{better} does not run it: {error.message}"
    loaded.lack = lack_of(loaded.name, error)
    if loaded.lack is None and wanted != AUTO:
        loaded.reason = loaded.reason or loaded.because


def motion(hello: Hello, reason: str) -> Loaded:
    detector = detectors.make(MOTION)
    detector.load(None, hello.threads)
    return Loaded(detector.name, detector, None, BUILT_IN, "it needs no model", reason)
