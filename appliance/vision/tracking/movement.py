"""Where a track will be: constant velocity of its anchor point, size as it was.

A Kalman filter (R. Kalman, 1960; as trackers use it: A. Bewley et al., "SORT", 2016, section 3.2) in
seconds, with white noise acceleration (Y. Bar-Shalom et al., "Estimation with Applications to Tracking
and Navigation", 2001, section 6.2.2). Noise is a share of the object's own size, the same along both
axes, so one set of variances in units of that size serves both, and no unit of the picture enters.
"""

import numpy as np
from numpy.typing import NDArray

from appliance.vision.tracking.table import Rows

Floats = NDArray[np.float64]

NOISE = 0.06**2  # of an observed anchor point, in squared sizes
SIZE_NOISE = 0.1**2
PUSH = 1.0  # spectral density of acceleration, squared sizes per cubic second
SIZE_PUSH = 0.3**2  # of the size's random walk, per second
SPEED_UNKNOWN = 1.0  # variance of a new track's speed, squared sizes per squared second
COAST_S = 2.0  # prediction stops here: people turn round
RESTART_S = 0.3  # unseen for longer, speed is taken from the last observation to this one


def places(boxes: Floats) -> Floats:
    """(x1, y1, x2, y2) -> (anchor x, anchor y, width, height)."""
    result = np.empty_like(boxes)
    result[:, 0] = (boxes[:, 0] + boxes[:, 2]) / 2
    result[:, 1] = boxes[:, 3]
    result[:, 2:] = boxes[:, 2:] - boxes[:, :2]
    return result


def start(rows: Rows, at: Floats) -> None:
    """A filter that knows one observation."""
    rows["place"], rows["speed"] = at, 0.0
    rows["spread"] = NOISE, 0.0, SPEED_UNKNOWN, SIZE_NOISE


def predicted(rows: Rows, away_s: Floats) -> Floats:
    """Places after ``away_s`` seconds each."""
    result: Floats = rows["place"].copy()
    result[:, :2] += rows["speed"] * np.minimum(away_s, COAST_S)[:, None]
    return result


def correct(rows: Rows, at: Floats, away_s: Floats) -> None:
    """Take in one observation each, ``away_s`` after the one before."""
    place, speed, spread = rows["place"], rows["speed"], rows["spread"]
    a, b, c, size = spread.T
    push = PUSH * away_s
    a, b, c = a + away_s * (2 * b + away_s * (c + push / 3)), b + away_s * (c + push / 2), c + push
    gain = np.array((a, b)) / (a + NOISE)
    size = size + SIZE_PUSH * away_s
    size_gain = size / (size + SIZE_NOISE)
    before = rows["box"]
    place[:, :2] += speed * away_s[:, None]
    miss = at - place
    place[:, :2] += gain[0, :, None] * miss[:, :2]
    place[:, 2:] += size_gain[:, None] * miss[:, 2:]
    speed += gain[1, :, None] * miss[:, :2]
    spread[:, 0], spread[:, 1] = (1 - gain[0]) * a, (1 - gain[0]) * b
    spread[:, 2], spread[:, 3] = c - gain[1] * b, (1 - size_gain) * size
    late = away_s > RESTART_S
    if late.any():
        _restart(rows, before, at, away_s, late)


def _restart(rows: Rows, before: Floats, at: Floats, away_s: Floats, late: NDArray[np.bool_]) -> None:
    """What happened unseen was no constant velocity: the filter begins again on the straight line
    between the two observations (the virtual trajectory of J. Cao et al., "OC-SORT", 2023, section
    4.1, in closed form)."""
    seconds = away_s[late]
    rows["place"][late] = at[late]
    rows["speed"][late] = (at[late, :2] - places(before[late])[:, :2]) / seconds[:, None]
    spread = np.empty((len(seconds), 4))
    spread[:, 0], spread[:, 1] = NOISE, NOISE / seconds
    spread[:, 2], spread[:, 3] = 2 * NOISE / seconds**2 + PUSH * seconds / 3, SIZE_NOISE
    rows["spread"][late] = spread
