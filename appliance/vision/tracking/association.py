"""Which detection is which track: rounds of assignment, the surest first."""

from dataclasses import dataclass

import numpy as np

from appliance.vision.boxes import Matrix
from appliance.vision.detectors import Detections
from appliance.vision.tracking import costs, movement
from appliance.vision.tracking.assignment import Candidate, cheapest
from appliance.vision.tracking.table import Rows
from appliance.vision.tracking.voting import Numbers

SURE = 0.7  # score at which one frame is enough, whatever a camera asks for
LIMIT, WEAK_LIMIT = 0.9, 0.6  # of a match's cost; a weak box proves little
SPARSE_S = 0.3  # looks so rare deserve a second try with wider gates ...
WIDE_HITS = 2  # ... and so do tracks with fewer observations: nobody knows how fast they are

Pairs = list[tuple[int, int]]  # row, detection


@dataclass(frozen=True, slots=True)
class Cuts:
    """Scores. Models differ in what they call certain, and a camera's ``min_confidence`` follows."""

    strong: float  # a weaker box only carries on what is known
    begin: float  # a weaker box never begins a track
    sure: float  # such a box is a track at once

    @staticmethod
    def of(min_confidence: float) -> "Cuts":
        return Cuts(min_confidence, min_confidence, max(SURE, min_confidence))


@dataclass(frozen=True, slots=True)
class Look:
    """One frame's detections: as found, as places, and with their classes as votes count them."""

    time_ns: int
    step_s: float  # since the look before
    found: Detections
    at: Matrix
    classes: Numbers


def associate(rows: Rows, look: Look, cuts: Cuts, extra: Matrix | float) -> Pairs:
    """Two stages by score (Y. Zhang et al., "ByteTrack", 2022, section 3). In the first, the
    confirmed choose before the others: a twin box that began a track a moment ago must not take
    the place of one that is known. ``extra`` is added to the cost of each row and detection."""
    away_s = rows["unseen_s"] + look.step_s
    expected = movement.predicted(rows, away_s)
    cost = costs.buffered(expected, look.at, away_s, rows["unseen_s"]) + extra
    confirmed, strong = rows["confirmed"].tolist(), (look.found.scores >= cuts.strong).tolist()
    near = _candidates(cost)
    pairs = _round([], [c for c in near if confirmed[c[0]] and strong[c[1]]], LIMIT)
    young = rows["hits"] < WIDE_HITS
    if look.step_s >= SPARSE_S or young.any():
        wide = costs.buffered(expected, look.at, away_s, rows["unseen_s"], wide=True) + extra
        if look.step_s < SPARSE_S:
            wide[~young] = cost[~young]
        far = _candidates(wide)
        pairs = _round(pairs, [c for c in far if confirmed[c[0]] and strong[c[1]]], LIMIT)
    else:
        far = near
    pairs = _round(pairs, [c for c in far if not confirmed[c[0]] and strong[c[1]]], LIMIT)
    weak = [c for c in near if confirmed[c[0]] and not strong[c[1]] and c[2] < WEAK_LIMIT]
    return _round(pairs, weak, WEAK_LIMIT)


def _candidates(cost: Matrix) -> list[Candidate]:
    rows, columns = np.nonzero(cost < LIMIT)
    return list(zip(rows.tolist(), columns.tolist(), cost[rows, columns].tolist(), strict=True))


def _round(pairs: Pairs, candidates: list[Candidate], limit: float) -> Pairs:
    """``pairs`` and what the candidates add to them."""
    if not candidates:
        return pairs
    rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
    free = [c for c in candidates if c[0] not in rows and c[1] not in columns]
    return pairs + cheapest(free, limit)
