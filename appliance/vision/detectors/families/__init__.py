"""Families: how a model is fed and how its answers are read. One file each.

Objective: numpy in, columns out. A family is made for a pack, checks the model's first answers against
it (``check``), and holds nothing that changes afterwards: any thread may use it.
Invariants: nothing is done per detection in Python; a class that the pack has no label for is refused.
Non-goals: running models (``detectors.model``), scaling frames (``detectors.filling``).
Read next: ``detr`` (the plainest), ``yolox`` (decode, then ``suppression``).
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from appliance.base.errors import invalid
from appliance.vision.detectors import LOWEST_SCORE
from appliance.vision.detectors.families import classifier, detr, nanodet, openvino_ssd, yolo, yolox
from appliance.vision.detectors.families.answers import Outputs, Run
from appliance.vision.detectors.filling import Feeding
from appliance.vision.packs.pack import Pack

__all__ = ["Family", "Outputs", "Run", "make"]

Answer = TypeVar("Answer")


class Family(Protocol[Answer]):
    feeding: Feeding

    def extras(self, names: Sequence[str], count: int) -> dict[str, NDArray[Any]]:
        """Constants for the inputs beside the picture, ``count`` rows each; unknown names are left out."""

    def check(self, outputs: Outputs) -> None:
        """Do a model's answers to one picture fit the pack? Learns what their layout is, once, before
        the first ``read``. Raises ``invalid``."""

    def read_all(self, runs: Sequence[Run]) -> list[list[Answer]]:
        """By run, one answer per picture. Outputs may hold more pictures than were asked for."""


_FAMILIES: dict[str, Any] = {
    "detr": detr.Detr,
    "yolo": yolo.Yolo,
    "yolox": yolox.Yolox,
    "nanodet": nanodet.Nanodet,
    "picodet": nanodet.Picodet,
    "openvino-ssd": openvino_ssd.OpenvinoSsd,
    "classifier": classifier.Classifier,
}


def make(pack: Pack, lowest: float = LOWEST_SCORE) -> Family[Any]:
    """``lowest``: boxes with lower scores are not read. Raises ``invalid`` for a family that is not known."""
    if pack.family not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise invalid(f"{pack.name}: unknown family {pack.family!r}", f"known ones: {known}", field="family")
    family: Family[Any] = _FAMILIES[pack.family](pack, lowest)
    return family
