"""Which class a track has: models waver, so its observations vote, by score."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.vision.boxes import Matrix
from appliance.vision.tracking.table import Table

FADE = 0.95  # of older votes, with each new one
SPENT = 0.1  # a vote below this is forgotten

# Models waver between classes of one kind, from frame to frame; every other class is its own kind.
_KINDS = {
    "vehicle": ("car", "truck", "bus", "van", "vehicle", "train", "motorcycle", "bicycle", "bike"),
    "animal": ("cat", "dog", "horse", "sheep", "cow", "bear", "bird", "elephant", "zebra", "giraffe"),
}
_KIND = {name: kind for kind, names in _KINDS.items() for name in names}

Numbers = NDArray[np.intp]


class Voting:
    """Numbers of class names, which outlive a change of the detector and of its labels."""

    def __init__(self, table: Table) -> None:
        self.names: list[str] = []
        self._table = table
        self._kinds: Numbers = np.zeros(0, np.intp)
        self._labels: Sequence[str] = ()
        self._of_label: Numbers = np.zeros(0, np.intp)

    def numbers(self, classes: NDArray[np.int32], labels: Sequence[str]) -> Numbers:
        """A detector's classes -> columns of the table's votes."""
        if labels is not self._labels:
            self._of_label = np.array([self.number(name) for name in labels], np.intp)
            self._labels = labels
        return self._of_label[classes]

    def number(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
            kinds = [_KIND.get(known, known) for known in self.names]
            self._kinds = np.array([kinds.index(kind) for kind in kinds], np.intp)
            self._table.widen(len(self.names))
        return self.names.index(name)

    def cast(self, rows: Numbers, classes: Numbers, scores: NDArray[np.floating]) -> None:
        votes = self._table.votes[rows] * FADE
        votes[votes < SPENT] = 0.0
        votes[np.arange(len(rows)), classes] += scores
        self._table.votes[rows] = votes

    def winners(self) -> Numbers:
        result: Numbers = self._table.votes.argmax(axis=1)
        return result

    def strange(self, classes: Numbers) -> tuple[Matrix, NDArray[np.bool_]] | None:
        """Per track and detection: 1.0 where nobody voted for that class so far, and whether
        nobody even voted for its kind. None where all are known, as nearly always."""
        new = self._table.votes[:, classes] <= 0.0
        if not new.any():
            return None
        alike = self._kinds[:, None] == self._kinds[classes]  # class x detection
        return new.astype(np.float64), (self._table.votes @ alike) <= 0.0
