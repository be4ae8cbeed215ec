"""What the rest of the house sees of the vision worker."""

from typing import Literal

import msgspec


class VisionState(msgspec.Struct, frozen=True):
    """``off``: no camera wants analysis. ``since_ns`` is when ``state`` began; ``reason`` is for
    people: why it is down, or why another detector than the chosen one is in use."""

    state: Literal["starting", "running", "down", "off"]
    since_ns: int
    detector: str
    reason: str
    restarts: int
    backend: str = ""  # which library runs it, on which device
    because: str = ""  # why that one


# loading -> shadow -> trial (it looks alone, under watch) -> active; or back to the one before
TrialPhase = Literal["loading", "shadow", "trial", "active", "refused", "rolled_back"]


class Activation(msgspec.Struct, frozen=True):
    """How the change to another model goes. ``reason``: why it was refused or rolled back. ``own``: the
    box's own idea, nobody chose anything. ``shadow_s``: how long both look before the new one does."""

    wanted: str
    before: str
    phase: TrialPhase
    since_ns: int
    reason: str = ""
    pictures: int = 0
    agreement: float = 0.0
    new_ms: float = 0.0
    old_ms: float = 0.0
    own: bool = False
    shadow_s: float = 0.0


class VisionFigures(msgspec.Struct, frozen=True):
    """One camera, over the last seconds. ``fps_done`` counts frames that were judged at all: by the
    gate alone where nothing moved. ``skipped`` and ``decode_errors`` count since the camera was
    applied; ``latency_ms`` is from the frame's time to its points' arrival in the daemon."""

    fps_wanted: float
    fps_done: float = 0.0
    looks_per_s: float = 0.0  # frames the detector itself saw
    skipped: int = 0
    queue_depth: int = 0
    inference_ms: float = 0.0
    latency_ms: float = 0.0
    decode_errors: int = 0
    decoder: str = ""  # which way is really in use
    decode_ms: float = 0.0  # per frame


class VisionBeat(msgspec.Struct, frozen=True):
    """For metrics, twice a second: durations and counts since the beat before."""

    cameras: dict[str, VisionFigures]
    inference_ms: tuple[float, ...]
    detections: dict[str, int]  # class name -> boxes above the camera's confidence
    seen: dict[str, dict[str, tuple[int, float]]] = {}  # camera -> class -> (boxes, sum of scores)
