"""All tracks of one camera, one row each, so that a frame costs the same few array operations
whether it shows three objects or thirty."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]  # of ``TRACK``
Mask = NDArray[np.bool_]

# Boxes are (x1, y1, x2, y2) as observed; ``place`` is (anchor x, anchor y, width, height) as filtered:
# the anchor point is the middle of the bottom edge, where a thing stands on the floor.
TRACK: Final = np.dtype(
    [
        ("number", np.int64),  # of this tracker, never used again; the key of its track id
        ("confirmed", np.bool_),
        ("disturbed", np.bool_),  # something moved at its place since it was last seen
        ("hits", np.int64),  # observations
        ("score", np.float64),  # running mean
        ("time_ns", np.int64),  # of ``box``
        ("unseen_s", np.float64),  # less where it stands still and nothing moves at its place
        ("box", np.float64, (4,)),
        ("first_ns", np.int64),
        ("first_score", np.float64),
        ("first_box", np.float64, (4,)),
        ("still_ns", np.int64),  # it has stood at ``still_box`` since then
        ("still_box", np.float64, (4,)),
        ("place", np.float64, (4,)),
        ("speed", np.float64, (2,)),  # of the anchor point, picture sides per second
        ("spread", np.float64, (4,)),  # variances: place, place by speed, speed, size (``movement``)
    ]
)


class Table:
    """``rows`` and, beside each, its ``votes``: one column per known class name."""

    def __init__(self) -> None:
        self.rows: Rows = np.zeros(0, TRACK)
        self.votes: NDArray[np.float64] = np.zeros((0, 0))
        self._numbers = 0

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, new: Rows, votes: NDArray[np.float64]) -> None:
        """Numbers the new rows."""
        new["number"] = np.arange(self._numbers, self._numbers + len(new))
        self._numbers += len(new)
        self.rows = np.concatenate([self.rows, new])
        self.votes = np.concatenate([self.votes, votes])

    def keep(self, mask: Mask) -> None:
        self.rows, self.votes = self.rows[mask], self.votes[mask]

    def clear(self) -> None:
        self.keep(np.zeros(len(self.rows), np.bool_))

    def widen(self, classes: int) -> None:
        """Room for votes for so many classes."""
        missing = classes - self.votes.shape[1]
        self.votes = np.pad(self.votes, ((0, 0), (0, missing)))
