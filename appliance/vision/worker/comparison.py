"""How far two models agree on the same pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.vision.boxes import iou
from appliance.vision.detectors import Detections

SURE = 0.5  # score of a box that a model is sure of
SAME_IOU = 0.5


def sure_of(found: Sequence[Detections]) -> int:
    """How many boxes of them all. Scores fall: nothing is copied, this is asked after every look."""
    return sum(len(one.above(SURE)) for one in found)


@dataclass(slots=True)
class Comparison:
    """Two models on the same pictures."""

    pictures: int = 0
    both: int = 0  # boxes that both were sure of
    either: int = 0
    new_ms: float = 0.0
    old_ms: float = 0.0
    new_sure: int = 0
    old_sure: int = 0

    def add(
        self,
        old: Sequence[Detections],
        old_labels: tuple[str, ...],
        new: Sequence[Detections],
        new_labels: tuple[str, ...],
    ) -> None:
        for a, b in zip(old, new, strict=True):
            ours, theirs = a.above(SURE), b.above(SURE)
            same = matches(ours, old_labels, theirs, new_labels)
            self.both += same
            self.either += len(ours) + len(theirs) - same
            self.old_sure += len(ours)
            self.new_sure += len(theirs)
            self.pictures += 1

    @property
    def agreement(self) -> float:
        return self.both / self.either if self.either else float(self.pictures > 0)


def matches(a: Detections, a_labels: tuple[str, ...], b: Detections, b_labels: tuple[str, ...]) -> int:
    """How many boxes of ``a`` have one of ``b``, one to one, of the same class and place."""
    if not len(a) or not len(b):
        return 0
    near = iou(a.boxes, b.boxes)
    free, count = set(range(len(b))), 0
    for row, number in enumerate(a.classes.tolist()):
        fits = [j for j in free if near[row, j] >= SAME_IOU and b_labels[b.classes[j]] == a_labels[number]]
        if fits:
            free.discard(max(fits, key=lambda j: float(near[row, j])))
            count += 1
    return count
