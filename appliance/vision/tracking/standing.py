"""What stands: where it stood when, whether it ever moved, and what stirs at its place."""

import numpy as np
from numpy.typing import NDArray

from appliance.vision.boxes import area, overlap
from appliance.vision.looking.gate import Motion
from appliance.vision.tracking.table import Mask, Rows

STILL_S = 3.0
STILL_REACH = 0.12  # of its longer side: what it may wander and still stand
MOVING_SHARE = 0.03  # of a place's cells
IN_FRONT = 1.5  # whoever is seen in front of a place moves so much more than its box (shadow, blur)
CONFIRM_HITS = 2  # for what moved
CONFIRM_SHIFT = 0.25  # of its longer side: so far from where it was first seen
CONFIRM_UNSTIRRED_HITS = 5  # ... where nothing stirred: a second's looks, since light moves and is no thing
UNNOTICED = 0.01  # of the picture: who is smaller may move and the gate does not see it, at night
CONFIRM_STILL_HITS, CONFIRM_STILL_SCORE = 10, 0.6  # for what stands where it was first seen


def stationary(rows: Rows) -> Mask:
    still: Mask = rows["time_ns"] - rows["still_ns"] >= STILL_S * 1e9
    return still


def stand(rows: Rows) -> None:
    """Whoever wandered off from where it stood stands where it is now."""
    box, still = rows["box"], rows["still_box"]
    off = np.abs((box[:, :2] + box[:, 2:]) - (still[:, :2] + still[:, 2:])).max(axis=1) / 2
    away = off > STILL_REACH * (still[:, 2:] - still[:, :2]).max(axis=1)
    if away.any():
        rows["still_box"][away], rows["still_ns"][away] = box[away], rows["time_ns"][away]


def convincing(rows: Rows, motion: Motion | None) -> Mask:
    """Which have been seen often enough for what they are: what moved is something, if anything stirs there
    now (a model takes headlights that sweep over a wall for a car), and what never did must look like it."""
    first = rows["first_box"]
    # Both edges of a side, the same way: what is covered or uncovered in passing moves only one.
    edges = rows["box"] - first
    same_way = edges[:, :2] * edges[:, 2:] > 0
    shift = (np.minimum(np.abs(edges[:, :2]), np.abs(edges[:, 2:])) * same_way).max(axis=1)
    moved = shift > CONFIRM_SHIFT * (first[:, 2:] - first[:, :2]).max(axis=1)
    stood = (rows["hits"] >= CONFIRM_STILL_HITS) & (rows["score"] >= CONFIRM_STILL_SCORE)
    result: Mask = np.where(moved, rows["hits"] >= CONFIRM_HITS, stood)
    doubtful = np.flatnonzero(result & moved & ~rows["confirmed"] & (rows["hits"] < CONFIRM_UNSTIRRED_HITS))
    if motion is not None and len(doubtful):
        places = rows["box"][doubtful]
        shares = np.array([motion.share(*place) for place in places.tolist()])
        result[doubtful] = (shares > MOVING_SHARE) | (area(places) < UNNOTICED)
    return result


def disturbed(rows: Rows, which: Mask, seen: NDArray[np.intp], motion: Motion | None) -> Mask:
    """Of ``which``, those where something moves that is not somebody seen in front. A change of the
    whole picture (a lamp, infra-red) says nothing about a place."""
    if motion is None:
        return which
    result = np.zeros(len(rows), np.bool_)
    if motion.new_scene or not which.any():
        return result
    places = rows["box"][which]
    shares = np.array([motion.share(*place) for place in places.tolist()])
    in_front = overlap(places, rows["box"][seen]).sum(axis=1) / area(places)
    result[which] = shares > MOVING_SHARE + IN_FRONT * in_front
    return result
