"""Detectors: pictures in, boxes out, as columns. A plugin point (house.md).

Objective: one Protocol of three verbs (``load``, ``detect``, ``close``) and a registry of names that
imports a backend only when it is used. How a model is fed and read is its family's business, what
runs it is its backend's, and neither knows the other: every family runs on every backend.
Invariants: a backend's package is imported in its one file; ``detect`` gives one ``Detections`` per
picture, in order, with boxes normalised to 0..1 and clipped, whatever the model's own coordinates;
what one thread fills and reads, no other touches.
Non-goals: no tracking, no thresholds of a camera (only ``LOWEST_SCORE``, to keep the columns short).
Read next: ``choice`` (which backend), ``model`` (what backends and families meet in), ``onnx`` (a
backend), ``families``, ``filling`` (a frame into a tensor), ``motion`` (needs no model).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from math import isinf
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.base.errors import ApplianceError
from appliance.vision.detectors.choice import choose_backend
from appliance.vision.looking.gate import Motion
from appliance.vision.packs.pack import Pack

if TYPE_CHECKING:
    import av  # a name here only: who tracks detections, or replays them, needs no libav

__all__ = [
    "LOWEST_SCORE",
    "MOST_BOXES",
    "NOTHING",
    "WEAKEST_TRACKED",
    "Columns",
    "Detections",
    "Detector",
    "Labels",
    "Picture",
    "backends",
    "choose_backend",
    "make",
    "ordered",
]

# Average precision is the area under a curve whose tail is made of weak boxes: cut at 0.1, DEIMv2-femto
# would lose more than a point of it. Who has no use for them takes ``above`` (a view, nothing copied).
LOWEST_SCORE = 0.001
WEAKEST_TRACKED = 0.1  # the tracker's second stage lives on weak boxes (ByteTrack), not on noise
MOST_BOXES = 300  # per picture, best first
SHORTEST_SIDE = 1e-4  # of the picture: what is shorter is no thing

Columns = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame and what the gate saw in it."""

    camera_id: str
    time_ns: int
    frame: "av.VideoFrame"
    motion: Motion


@dataclass(frozen=True, slots=True)
class Detections:
    """``boxes``: N x 4 float32 (x1, y1, x2, y2), 0..1; ``scores``: N, 0..1, falling; ``classes``: N
    indices into the detector's ``labels``."""

    boxes: Columns
    scores: Columns
    classes: Labels

    def __len__(self) -> int:
        return len(self.scores)

    def only(self, keep: NDArray[np.bool_]) -> "Detections":
        (kept,) = keep.nonzero()
        if len(kept) == len(self):
            return self
        return Detections(self.boxes.take(kept, axis=0), self.scores.take(kept), self.classes.take(kept))

    def above(self, score: float) -> "Detections":
        """Those of at least ``score``: views, since scores fall."""
        if not len(self) or self.scores[-1] >= score:
            return self
        count = int(np.searchsorted(-self.scores, -np.float32(score), side="right"))
        return Detections(self.boxes[:count], self.scores[:count], self.classes[:count])


NOTHING = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))


class Detector(Protocol):
    """After ``load``: ``labels``; ``device``, what really runs it (``CPU``, ``GPU.0``, ``NPU`` ...);
    ``most``, the largest batch that pays. ``lowest``, the score below which boxes are not read, may be set
    before ``load``. ``detect`` is called from two threads at once: one fills
    and reads while the other's model runs."""

    name: str
    labels: tuple[str, ...]
    device: str
    most: int
    lowest: float

    def load(self, pack: Pack | None, threads: int) -> None:
        """Get ready, the first slow run included. Raises ``invalid`` for a pack it cannot use,
        ``data_loss`` for files that are not whole."""

    def detect(self, batch: Sequence[Picture]) -> list[Detections]:
        """One answer per picture, in order; boxes and scores that are no numbers are left out. Raises
        ``invalid`` where the model answers what its pack does not allow: labels past the last one, or
        for many pictures in a row nothing that is a number. Raises ``Lost`` (``failures``)."""

    def close(self) -> None:
        """Give everything back; may be called twice."""


_BACKENDS = {
    "onnxruntime": ("appliance.vision.detectors.onnx", "OnnxDetector"),
    "openvino": ("appliance.vision.detectors.openvino", "OpenvinoDetector"),
    "tensorrt": ("appliance.vision.detectors.tensorrt.detector", "TensorrtDetector"),
    "motion": ("appliance.vision.detectors.motion", "MotionDetector"),
}


def backends() -> tuple[str, ...]:
    return tuple(_BACKENDS)


def prepare(backend: str) -> None:
    """What a backend needs before a sandbox closes: its package, and its device opened. Raises what the
    import raises, and ``ApplianceError`` where the device is not to be had."""
    module = import_module(_BACKENDS[backend][0])
    if hasattr(module, "prepare"):
        module.prepare()


def make(backend: str) -> Detector:
    """Import and construct a backend. Raises ``not_found`` for an unknown or missing one."""
    if backend not in _BACKENDS:
        known = ", ".join(_BACKENDS)
        raise ApplianceError("not_found", f"there is no detector {backend!r}", f"known ones: {known}")
    module, name = _BACKENDS[backend]
    try:
        detector: Detector = getattr(import_module(module), name)()
    except ImportError as error:
        hint = f"install the package of the {backend} backend"
        raise ApplianceError("not_found", f"{backend} is not installed: {error}", hint) from error
    return detector


def strongest(scores: Columns, lowest: float, most: int) -> NDArray[np.intp]:
    """Indices of at most ``most`` scores of at least ``lowest``, best first; NaN is not among them."""
    (strong,) = (scores >= lowest).nonzero()
    falling = -scores.take(strong)
    if len(strong) > most:
        best = np.argpartition(falling, most)[:most]
        strong, falling = strong[best], falling[best]
    order: NDArray[np.intp] = strong.take(falling.argsort(kind="stable"))
    return order


def ordered(boxes: Columns, scores: Columns, classes: Labels, lowest: float = 0.0) -> Detections:
    """What is of at least ``lowest`` and a number, best score first, as ``clipped`` leaves it."""
    order = strongest(scores, lowest, len(scores))
    return clipped(boxes.take(order, axis=0), scores.take(order), classes.take(order))


def clipped(boxes: Columns, scores: Columns, classes: Labels, most: int = MOST_BOXES) -> Detections:
    """Clip to the picture, drop what has no area there or is no number; at most ``most``. They come
    best first, and no score is NaN. In few steps: after a model's run each is cold, and costs ten times
    what it does."""
    if not len(scores):
        return NOTHING
    if isinf(scores[0]):
        endless = np.isinf(scores)
        boxes, scores, classes = boxes[~endless], scores[~endless], classes[~endless]
    if not np.isfinite(boxes).all():  # clipped, infinity would be an edge
        sound = np.isfinite(boxes).all(axis=1)
        boxes, scores, classes = boxes[sound], scores[sound], classes[sound]
    boxes = np.minimum(boxes, np.float32(1.0), dtype=np.float32)
    np.maximum(boxes, np.float32(0.0), out=boxes)
    long = boxes[:, 2:] - boxes[:, :2] > SHORTEST_SIDE
    if not long.all():
        real = long.all(axis=1)
        boxes, scores, classes = boxes[real], scores[real], classes[real]
    return Detections(
        boxes[:most],
        scores[:most].astype(np.float32, copy=False),
        classes[:most].astype(np.int32, copy=False),
    )
