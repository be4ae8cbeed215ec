"""A second model that names what a detector found: which kind of vehicle, helmet or none.

It plugs in behind a detector, in the worker, and only for boxes worth it: after ``detect`` (or once per
track, when it is confirmed) the worker asks ``classify`` with the frame and the box, and attaches the
verdict to the track. It finds nothing, so it is no ``Detector``; it runs on the same backends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.detectors import Columns, make
from appliance.vision.detectors.crop import crop
from appliance.vision.detectors.model import Model, ModelDetector, open_model
from appliance.vision.packs.pack import Pack


@dataclass(frozen=True, slots=True)
class Crop:
    """``box``: x1, y1, x2, y2 in 0..1 of the frame."""

    frame: av.VideoFrame
    box: Columns


@dataclass(frozen=True, slots=True)
class Verdict:
    """``label``: index into ``labels``; ``score``: its probability, 0..1."""

    label: int
    score: float


class Classifier:
    """``classify`` may be called from several threads, as ``detect`` may."""

    def __init__(self, backend: str) -> None:
        detector = make(backend)
        if not isinstance(detector, ModelDetector):
            raise invalid(f"{backend} runs no models", "choose a backend that does")
        self._open = detector.open_runner
        self.labels: tuple[str, ...] = ()
        self._model: Model[Columns] | None = None

    def load(self, pack: Pack, threads: int) -> None:
        """Raises ``invalid`` for a pack that is no classifier's, and what ``Detector.load`` raises."""
        if pack.family != "classifier":
            raise invalid(f"{pack.name} is a detector, no classifier", "see family in model.toml")
        self.close()
        self._model = open_model(pack, threads, self._open)
        self.labels = pack.labels

    def classify(self, crops: Sequence[Crop]) -> list[Verdict]:
        """One per crop, in order; a score of 0 where the model gave no numbers."""
        model = self._model
        if model is None:
            raise ApplianceError("internal", "classify before load")
        tables = model.ask([crop(part.frame, part.box) for part in crops])
        return [_verdict(table) for table in tables]

    def close(self) -> None:
        """Give everything back; may be called twice."""
        model, self._model = self._model, None
        if model is not None:
            model.close()


def _verdict(table: Columns) -> Verdict:
    best = int(np.argmax(table))  # numpy's argmax takes a NaN for the largest
    return Verdict(best, float(table[best])) if np.isfinite(table[best]) else Verdict(0, 0.0)
