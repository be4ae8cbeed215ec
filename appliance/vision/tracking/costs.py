"""What it costs to say that a detection is a known track: 0 is a perfect match, 1 and more is none."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.vision.boxes import Matrix
from appliance.vision.detectors import Detections

Floats = NDArray[np.float64]

BUFFER = 0.1  # of a box's sides, at each side ...
BUFFER_PER_S = 0.5  # ... and so much more per second since the track was seen ...
BUFFER_MOST = 0.6  # ... up to here
WIDE = 0.5, 1.0, 1.5  # the same for a second try where looks are rare
HEIGHT = 0.6  # cost of a height that is e times the other
LOST = 0.1  # cost per second of looks in vain: a wide buffer must not win over a fresher track
OTHER_CLASS = 0.2


class Appearance(Protocol):
    """Where re-identification comes in: extra cost for what looks different.

    ``numbers`` are the tracker's own keys of tracks, confirmed or not. ``cost`` may be below zero:
    who looks the same is let through a gate that the boxes alone would have closed.
    """

    def cost(self, numbers: Sequence[int], found: Detections) -> Matrix:
        """len(numbers) x len(found)."""

    def seen(self, number: int, found: Detections, column: int) -> None:
        """That detection was this track."""

    def forget(self, number: int) -> None:
        """The track has ended."""


def buffered(expected: Floats, at: Floats, away_s: Floats, unseen_s: Floats, wide: bool = False) -> Matrix:
    """1 - IoU of predicted and found places, both grown by an amount that increases with the time
    since a track was seen (F. Yang et al., "Hard to Track Objects with Irregular Motions and Similar
    Appearances? Make It Easier by Buffering the Matching Space", 2023, section 3.2, where it is
    constant per round: at 1 to 10 looks a second plain overlap is often nil), plus what the heights
    differ by (F. Yang et al., "Hybrid-SORT", 2024, section 3.2: heights are steadier than widths)."""
    first, more, most = WIDE if wide else (BUFFER, BUFFER_PER_S, BUFFER_MOST)
    grow = np.minimum(most, first + more * away_s)[:, None]
    grown = 1 + 2 * grow
    (x, bottom, *size), (their_x, their_bottom, *their_size) = expected.T[:, :, None], at.T
    width, height, their_width, their_height = *size, *their_size
    across = _shared(x - their_x, width, their_width, grown)
    down = _shared((bottom - height / 2) - (their_bottom - their_height / 2), height, their_height, grown)
    both = across * down
    total = grown * grown * (width * height + their_width * their_height)
    heights = np.abs(np.log(height) - np.log(their_height))
    cost: Matrix = 1.0 - both / (total - both) + HEIGHT * heights + LOST * unseen_s[:, None]
    return cost


def _shared(apart: Matrix, size: Matrix, other: Floats, grown: Matrix) -> Matrix:
    """How much two intervals share, whose middles are ``apart``, after both have been grown."""
    reach = (size + other) * (grown / 2) - np.abs(apart)
    shared: Matrix = np.minimum(np.maximum(reach, 0.0), np.minimum(size, other) * grown)
    return shared
