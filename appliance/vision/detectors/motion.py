"""The detector that is always there: blobs of the gate's cells, class ``object``.

Honest about what it knows: something moves, nobody can say what. Labelling by run lengths and
union-find, one pass over the rows (K. Wu et al., "Two strategies to speed up connected component
labeling algorithms", 2005): a mask of 54 rows costs well under a millisecond.
"""

from collections.abc import Sequence

import numpy as np

from appliance.vision.detectors import NOTHING, Columns, Detections, Picture, ordered
from appliance.vision.looking.gate import Motion
from appliance.vision.looking.masks import Mask
from appliance.vision.packs.pack import Pack

LABELS = ("object",)
REACH = 1  # cells of gap that are bridged
# What no longer changes is a thing put down, or the hole of one taken away: enough to carry on a track that
# stopped there, too little to begin one.
STANDS = 0.39
MOST = 50  # blobs per picture; more is rain


class MotionDetector:
    name = "motion"
    labels: tuple[str, ...] = LABELS
    device = "CPU"
    most = 8
    lowest = 0.0  # what moves has no score to speak of

    def load(self, pack: Pack | None, threads: int) -> None:
        """Nothing to load."""

    def detect(self, batch: Sequence[Picture]) -> list[Detections]:
        return [_blobs(picture.motion) for picture in batch]

    def close(self) -> None:
        """Nothing to close."""


def _blobs(motion: Motion) -> Detections:
    mask, fresh = motion.mask, motion.fresh
    if not mask.any():
        return NOTHING
    found: list[tuple[float, ...]] = []  # left, top, right, bottom, cells, whether it stirs
    still = motion.still
    for part in (mask,) if still is None or not still.any() else (mask & ~still, still):
        for left, top, right, bottom, cells in label(part):
            if cells >= motion.smallest:
                stirs = bool(fresh[top:bottom, left:right].any())
                found.append((left, top, right, bottom, cells, stirs))
    if not found:
        return NOTHING
    found.sort(key=lambda blob: (-blob[5], -blob[4]))
    table: Columns = np.array(found[:MOST], np.float32)
    rows, columns = mask.shape
    wide, high = columns / motion.across, rows / motion.down
    size: Columns = np.array([wide, high, wide, high], np.float32)
    boxes: Columns = table[:, :4] / size
    # A large solid blob is surer than a small torn one; below 1, since it is never certain.
    area = (table[:, 2] - table[:, 0]) * (table[:, 3] - table[:, 1])
    solid = table[:, 4] / area
    scores: Columns = np.where(
        table[:, 5] > 0, 0.5 + 0.45 * np.minimum(1.0, table[:, 4] / 60.0) * solid, STANDS
    ).astype(np.float32)
    return ordered(boxes, scores, np.zeros(len(table), np.int32))


def label(mask: Mask) -> list[tuple[int, int, int, int, int]]:
    """Connected blobs as (left, top, right, bottom, cells), right and bottom exclusive. Cells
    connect over corners and over gaps of ``REACH``."""
    parents: list[int] = []
    runs: list[tuple[int, int, int]] = []  # row, from, to

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    above: list[int] = []
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    for row in np.flatnonzero(mask.any(axis=1)).tolist():
        starts, stops = np.flatnonzero(edges[row] == 1), np.flatnonzero(edges[row] == -1)
        here: list[int] = []
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            number = len(runs)
            runs.append((row, start, stop))
            parents.append(number)
            near = [n for n in above if row - runs[n][0] <= 1 + REACH] + here[-1:]
            for other in near:
                if runs[other][1] <= stop + REACH and start <= runs[other][2] + REACH:
                    parents[root(number)] = root(other)
            here.append(number)
        above = [n for n in above if row - runs[n][0] <= REACH] + here
    blobs: dict[int, tuple[int, int, int, int, int]] = {}
    for number, (row, start, stop) in enumerate(runs):
        left, top, right, bottom, cells = blobs.get(root(number), (start, row, stop, row + 1, 0))
        blobs[root(number)] = (
            min(left, start), top, max(right, stop), max(bottom, row + 1), cells + stop - start
        )  # fmt: skip
    return list(blobs.values())
