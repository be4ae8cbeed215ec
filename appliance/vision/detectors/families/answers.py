"""What every family asks of a model's answers before it reads them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from appliance.base.errors import invalid
from appliance.vision.detectors import MOST_BOXES, Detections
from appliance.vision.detectors.filling import Placed
from appliance.vision.packs.pack import Pack

Outputs = Mapping[str, NDArray[Any]]
Run = tuple[Outputs, Sequence[Placed]]  # what a model answered, and the pictures that it was asked about
Answer = TypeVar("Answer")


class ByRun(Generic[Answer]):
    """For families that read one run's answers after the other."""

    @abstractmethod
    def read(self, outputs: Outputs, placed: Sequence[Placed]) -> list[Answer]: ...

    def read_all(self, runs: Sequence[Run]) -> list[list[Answer]]:
        return [self.read(outputs, placed) for outputs, placed in runs]


def strange(pack: Pack, outputs: Outputs, wanted: str) -> NoReturn:
    """The answers have not the shape of the family's. Raises ``invalid``."""
    shapes = ", ".join(f"{name} {list(values.shape)}" for name, values in outputs.items())
    raise invalid(
        f"the model of {pack.name} does not answer as family {pack.family} does: {shapes}, not {wanted}",
        "check family, input_width and input_height in model.toml",
        field="family",
    )


def columns_fit(pack: Pack, columns: int) -> None:
    """``columns``: classes that the model scores. Raises ``invalid``."""
    if columns != len(pack.labels):
        raise invalid(
            f"the model of {pack.name} knows {columns} classes, model.toml has {len(pack.labels)} labels",
            "list exactly the classes that the model was trained with, in their order",
            field="labels",
        )


def numbers_fit(pack: Pack, found: Detections) -> Detections:
    """With the model's class numbers -> with indices into the pack's labels. Raises ``invalid`` for one that
    has none."""
    classes = found.classes
    if pack.first_label:
        found = replace(found, classes=classes - np.int32(pack.first_label))
        classes = found.classes
    # One below 0 is large where there is no sign.
    if len(classes) and np.maximum.reduce(classes.view(np.uint32)) >= len(pack.labels):
        worst = classes.max() if classes.max() >= len(pack.labels) else classes.min()
        raise invalid(
            f"the model of {pack.name} answers class {worst + pack.first_label}, and model.toml has "
            f"{len(pack.labels)} labels from {pack.first_label} on",
            "list exactly the classes that the model was trained with, in their order; see first_label",
            field="labels",
        )
    return found


def apart(found: Detections, each: int, pictures: int) -> list[Detections]:
    """By picture, each best first: its classes are numbered from its own number times ``each`` on."""
    picture, classes = np.divmod(found.classes, each)
    order = picture.argsort(kind="stable")
    boxes, scores, classes = found.boxes.take(order, axis=0), found.scores.take(order), classes.take(order)
    ends = np.bincount(picture, minlength=pictures).cumsum().tolist()
    parts = [slice(start, min(end, start + MOST_BOXES)) for start, end in zip([0, *ends], ends, strict=False)]
    return [Detections(boxes[part], scores[part], classes[part]) for part in parts]


def no_extras(names: Sequence[str], count: int) -> dict[str, NDArray[Any]]:
    """For families whose models take the picture alone."""
    return {}


def single(pack: Pack, outputs: Outputs, wanted: str) -> NDArray[Any]:
    """The only output, with three dimensions."""
    if len(outputs) != 1 or next(iter(outputs.values())).ndim != 3:
        strange(pack, outputs, wanted)
    return next(iter(outputs.values()))
