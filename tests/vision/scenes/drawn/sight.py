"""A detector that is simulated: it knows the truth and gets it wrong as models do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from appliance.vision.detectors import Detections, ordered
from drawn.actors import Truth
from drawn.scenes import Lure

LABELS = ("person", "car")


@dataclass
class Sight:
    """``miss``: of looks at an object of full size; small ones (below ``small`` of the picture's height)
    are missed three times as often. ``jitter``: of each edge, in shares of the box's sides, one sigma.
    Boxes of lures
    wander by a twentieth of their sides. ``score``: mean and sigma."""

    seed: int = 0
    miss: float = 0.1
    jitter: float = 0.03
    score: tuple[float, float] = (0.7, 0.12)
    small: float = 0.09

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def detect(self, truth: Sequence[Truth], lures: Sequence[Lure], t: float) -> Detections:
        rows = []
        for thing in truth:
            x1, y1, x2, y2 = thing.box
            miss = self.miss * (3 if y2 - y1 < self.small else 1) / max(0.3, thing.seen)
            if self.random.random() >= miss:
                sides = np.array([x2 - x1, y2 - y1] * 2)
                box = np.array(thing.box) + self.random.normal(0, self.jitter, 4) * sides
                rows.append((*box, self.random.normal(*self.score), LABELS.index(thing.label)))
        for lure in lures:
            there = lure.box(t)
            if there is not None and self.random.random() < lure.rate:
                box = np.array(there) + self.random.normal(0, 0.05, 4) * (
                    [there[2] - there[0], there[3] - there[1]] * 2
                )
                rows.append((*box, self.random.uniform(0.3, lure.score), LABELS.index(lure.label)))
        table = np.array(rows, np.float32).reshape(-1, 6)
        return ordered(table[:, :4], np.clip(table[:, 4], 0.1, 0.98), table[:, 5].astype(np.int32))
