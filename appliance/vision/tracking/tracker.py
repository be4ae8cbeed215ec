"""Detections -> tracks: one object keeps one identity over frames.

The life of a track is here; what a match costs and how far a prediction may be off, in the seconds
since a track was seen, is in ``tracking``.

Our own rules. Nothing leaves without moving: a track that stood still and whose place shows no motion
but that of somebody in front of it ages thirty times slower, so that a person at a table outlives the
frames the detector misses. And what never moved must convince: furniture that a model half takes for
something is no track until its score says so, time and again.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from appliance.base.errors import ApplianceError
from appliance.base.model import Box, TrackPoint
from appliance.vision.boxes import Matrix, iou
from appliance.vision.detectors import Detections
from appliance.vision.looking.gate import Motion
from appliance.vision.tracking import costs, movement, saved
from appliance.vision.tracking.assignment import FORBIDDEN
from appliance.vision.tracking.association import Cuts, Look, associate
from appliance.vision.tracking.standing import (
    CONFIRM_HITS,
    STILL_S,
    convincing,
    disturbed,
    stand,
    stationary,
)
from appliance.vision.tracking.table import TRACK, Mask, Rows, Table
from appliance.vision.tracking.twins import shadowed, twins
from appliance.vision.tracking.voting import Numbers, Voting

MEMORY_S = 2.5  # unseen for so long, a track ends
STILL_AGEING = 1 / 30  # of that, where its place shows no motion
TENTATIVE_S = 1.2  # unseen for so long, an unconfirmed one is forgotten
YOUNG_HITS = 4  # tracks below it are looked at in every frame
OTHER_KIND_IOU = 0.6  # a person does not become a chair, unless the boxes say that it was one thing
SEED_VOTES = 5
RESUMED_S = 15.0  # a worker before this one knew it: so long ago at most ...
RESUMED_STILL_S = 86_400.0  # ... or a day, if it stood still
RESUMED_STEP_S = 1.0  # what happened in between counts as so much time at most
LONGEST_STEP_S = 3600.0  # a longer one is a clock that was set


class Tracker:
    """One camera's. ``next_id`` gives ids that are unique for ever; ``cuts`` are those of
    ``min_confidence`` unless said otherwise; ``appearance`` is for re-identification."""

    def __init__(
        self,
        camera_id: str,
        next_id: Callable[[], str],
        min_confidence: float,
        *,
        cuts: Cuts | None = None,
        appearance: costs.Appearance | None = None,
    ) -> None:
        self.camera_id = camera_id
        self.cuts = cuts or Cuts.of(min_confidence)
        self._next_id = next_id
        self._appearance = appearance
        self._table = Table()
        self._voting = Voting(self._table)
        self._ids: dict[int, str] = {}  # row number -> track id, of the confirmed
        self._time_ns: int | None = None
        self._resumed = False  # the next frame is the first after a restart

    @property
    def min_confidence(self) -> float:
        return self.cuts.strong

    @min_confidence.setter
    def min_confidence(self, value: float) -> None:
        self.cuts = Cuts.of(value)

    @property
    def known(self) -> bool:
        return len(self._table) > 0

    @property
    def unsure(self) -> bool:
        """Some are so new that the next frame will tell what they are."""
        rows = self._table.rows
        return bool((~rows["confirmed"] & (rows["hits"] < YOUNG_HITS)).any())

    def update(
        self, time_ns: int, found: Detections, labels: Sequence[str], motion: Motion | None = None
    ) -> list[TrackPoint]:
        """One look. ``motion`` None: everything may have moved. Returns what became known, each
        track's points in order of time; boxes weaker than ``cuts.begin`` never begin a track."""
        points = self._forget_stale(time_ns) if self._resumed else []
        step_s = self._step_s(time_ns)
        if len(found) > 1 and (hidden := shadowed(found)).any():
            found = found.only(~hidden)
        at = movement.places(found.boxes.astype(np.float64))
        look = Look(time_ns, step_s, found, at, self._voting.numbers(found.classes, labels))
        pairs = []
        if len(found) and self.known:
            pairs = associate(self._table.rows, look, self.cuts, self._extra(look))
        seen = np.array([row for row, _ in pairs], np.intp)
        columns = np.array([column for _, column in pairs], np.intp)
        fresh = self._fresh(look, seen, columns)
        if pairs:
            points += self._seen(look, seen, columns, motion)
        points += self._age(seen, step_s, motion)
        if len(fresh):
            points += self._begin(look, fresh)
        return points

    def finish(self) -> list[TrackPoint]:
        """The camera is no longer looked at: every open track ends."""
        return self._end(np.ones(len(self._table), np.bool_))

    # -- across restarts --------------------------------------------------------------------

    def seed(self, points: Iterable[TrackPoint]) -> None:
        """Take over tracks that another worker had begun: they wait to be seen again."""
        for point in points:
            new = _rows(point.time_ns, np.array([_corners(point.bbox)]), np.array([point.confidence]))
            new["confirmed"], new["hits"] = True, CONFIRM_HITS
            # Given the benefit of the doubt: what it did while nobody looked is not known.
            new["still_ns"] -= round(STILL_S * 1e9) * int(point.stationary)
            self._take_over(new, point.track_id, {point.class_name: point.confidence * SEED_VOTES})
            self._time_ns = max(self._time_ns or point.time_ns, point.time_ns)

    def save(self) -> bytes:
        """Everything that ``restore`` needs to go on as if nothing had happened."""
        tracks = []
        for row, votes in zip(self._table.rows, self._table.votes, strict=True):
            by_name = {self._voting.names[k]: float(votes[k]) for k in np.flatnonzero(votes).tolist()}
            tracks.append(saved.saved_track(row, self._ids.get(int(row["number"]), ""), by_name))
        return saved.pack(saved.SavedTracks(self.camera_id, self._time_ns, tracks))

    def resume(self, data: bytes, seeds: Sequence[TrackPoint] | None) -> None:
        """A new tracker after a worker's end. Newer than the memory are the ``seeds``, the last points of
        all that was open: who is not among them is gone, and who walked was elsewhere meanwhile."""
        if seeds is None:
            self.restore(data)
            return
        still = {point.track_id for point in seeds if point.stationary}
        self.restore(data, still)
        known = set(self._ids.values())
        self.seed(point for point in seeds if point.track_id not in known)

    def restore(self, data: bytes, only: Collection[str] | None = None) -> bool:
        """A new tracker goes on from what ``save`` gave; of the confirmed, with those in ``only``. False
        where that is damaged, of another version or of another camera: then it starts anew."""
        try:
            memory = saved.unpack(data, self.camera_id)
        except ApplianceError:
            return False
        for track in memory.tracks:
            if only is not None and track.track_id and track.track_id not in only:
                continue
            row = np.zeros(1, TRACK)
            for name in saved.FIELDS:
                row[name] = getattr(track, name)
            self._take_over(row, track.track_id, track.votes)
        self._time_ns = memory.time_ns
        return True

    def _take_over(self, row: Rows, track_id: str, votes: dict[str, float]) -> None:
        numbers = [self._voting.number(name) for name in votes]
        columns = np.zeros((1, len(self._voting.names)))
        columns[0, numbers] = list(votes.values())
        self._table.add(row, columns)
        if track_id:
            self._ids[int(row["number"][0])] = track_id
        self._resumed = True

    def _forget_stale(self, time_ns: int) -> list[TrackPoint]:
        """Whoever walks there an hour later is somebody else."""
        rows = self._table.rows
        gone_s = (time_ns - rows["time_ns"]) / 1e9
        return self._end(gone_s > np.where(stationary(rows), RESUMED_STILL_S, RESUMED_S))

    def _step_s(self, time_ns: int) -> float:
        before_ns, self._time_ns = self._time_ns, time_ns
        resumed, self._resumed = self._resumed, False
        if before_ns is None or time_ns <= before_ns:
            return 0.0
        step_s = (time_ns - before_ns) / 1e9
        if resumed:
            return min(step_s, RESUMED_STEP_S)
        return step_s if step_s < LONGEST_STEP_S else 0.0

    # -- the life of a track ----------------------------------------------------------------

    def _extra(self, look: Look) -> Matrix | float:
        """What a match costs beyond its geometry: another class, another look."""
        rows = self._table.rows
        extra: Matrix | float = 0.0
        if (strange := self._voting.strange(look.classes)) is not None:
            other_class, other_kind = strange
            apart = iou(rows["box"], look.found.boxes) < OTHER_KIND_IOU
            extra = np.where(other_kind & apart, FORBIDDEN, costs.OTHER_CLASS * other_class)
        if self._appearance is not None:
            extra = extra + self._appearance.cost(rows["number"].tolist(), look.found)
        return extra

    def _fresh(self, look: Look, seen: Numbers, columns: Numbers) -> Numbers:
        """Detections that begin tracks: strong, nobody's, and no second box on what was seen."""
        free = look.found.scores >= self.cuts.begin
        free[columns] = False
        fresh = np.flatnonzero(free)
        if len(fresh) and len(seen):
            boxes = look.found.boxes
            same = self._voting.winners()[seen] == look.classes[fresh][:, None]
            fresh = fresh[~(twins(boxes[fresh], boxes[columns]) & same).any(axis=1)]
        return fresh

    def _begin(self, look: Look, fresh: Numbers) -> list[TrackPoint]:
        classes = look.classes[fresh]
        new = _rows(look.time_ns, look.found.boxes[fresh], look.found.scores[fresh])
        sure = new["confirmed"] = look.found.scores[fresh] >= self.cuts.sure
        votes = np.zeros((len(fresh), len(self._voting.names)))
        votes[np.arange(len(fresh)), classes] = new["score"]
        self._table.add(new, votes)
        self._remember(new, look.found, fresh)
        return self._starts(new[sure], classes[sure])

    def _seen(self, look: Look, seen: Numbers, columns: Numbers, motion: Motion | None) -> list[TrackPoint]:
        rows, scores = self._table.rows[seen], look.found.scores[columns]
        movement.correct(rows, look.at[columns], rows["unseen_s"] + look.step_s)
        rows["box"], rows["time_ns"] = look.found.boxes[columns], look.time_ns
        rows["unseen_s"], rows["disturbed"] = 0.0, False
        rows["hits"] += 1
        # Of a known one, how it looks now; of a doubtful one, how it looked in all: among many looks
        # some in a row are lucky.
        weight = np.where(rows["confirmed"], 0.5, np.maximum(0.1, 1.0 / rows["hits"]))
        rows["score"] += weight * (scores - rows["score"])
        stand(rows)
        self._voting.cast(seen, look.classes[columns], scores)
        won = self._voting.winners()[seen]
        points: list[TrackPoint] = []
        before = rows["confirmed"].copy()
        if not before.all():
            rows["confirmed"] |= (scores >= self.cuts.sure) | convincing(rows, motion)
            new = rows["confirmed"] & ~before
            points = self._starts(rows[new], won[new])
        self._table.rows[seen] = rows
        self._remember(rows, look.found, columns)
        told = rows["confirmed"]
        return points + (self._points(rows, won) if told.all() else self._points(rows[told], won[told]))

    def _remember(self, rows: Rows, found: Detections, columns: Numbers) -> None:
        if self._appearance is not None:
            for number, column in zip(rows["number"].tolist(), columns.tolist(), strict=True):
                self._appearance.seen(number, found, column)

    def _age(self, seen: Numbers, step_s: float, motion: Motion | None) -> list[TrackPoint]:
        rows = self._table.rows
        unseen = np.ones(len(rows), np.bool_)
        unseen[seen] = False
        if not unseen.any():
            return []
        still = stationary(rows)
        rows["disturbed"] |= disturbed(rows, still & unseen, seen, motion)
        held = still & ~rows["disturbed"]
        rows["unseen_s"] += step_s * np.where(held, STILL_AGEING, 1.0) * unseen
        return self._end(rows["unseen_s"] > np.where(rows["confirmed"], MEMORY_S, TENTATIVE_S))

    def _end(self, gone: Mask) -> list[TrackPoint]:
        if not gone.any():
            return []
        rows, won = self._table.rows[gone], self._voting.winners()[gone]
        told = rows["confirmed"]
        points = self._points(rows[told], won[told], "end")
        for number in rows["number"].tolist():
            self._ids.pop(number, None)
            if self._appearance is not None:
                self._appearance.forget(number)
        self._table.keep(~gone)
        return points

    # -- what is said -----------------------------------------------------------------------

    def _starts(self, rows: Rows, won: Numbers) -> list[TrackPoint]:
        """They are confirmed: their first points, at the time of their first observation."""
        for number in rows["number"].tolist():
            self._ids[number] = self._next_id()
        first = rows.copy()
        first["time_ns"] = first["still_ns"] = rows["first_ns"]
        first["score"], first["box"] = rows["first_score"], rows["first_box"]
        return self._points(first, won, "start")

    def _points(
        self, rows: Rows, won: Numbers, phase: Literal["start", "update", "end"] = "update"
    ) -> list[TrackPoint]:
        box = rows["box"]
        boxes = np.concatenate((box[:, :2], box[:, 2:] - box[:, :2]), axis=1).round(5)
        names, ids, camera_id = self._voting.names, self._ids, self.camera_id
        return [
            TrackPoint(camera_id, ids[number], time_ns, names[name], score, Box(*corners), phase, still)
            for number, time_ns, name, score, corners, still in zip(
                rows["number"].tolist(),
                rows["time_ns"].tolist(),
                won.tolist(),
                np.minimum(rows["score"], 1.0).round(3).tolist(),
                boxes.tolist(),
                stationary(rows).tolist(),
                strict=True,
            )
        ]


def _rows(time_ns: int, boxes: NDArray[np.floating], scores: NDArray[np.floating]) -> Rows:
    """Of tracks that were seen once."""
    new = np.zeros(len(boxes), TRACK)
    new["hits"] = 1
    new["score"] = new["first_score"] = scores
    new["time_ns"] = new["first_ns"] = new["still_ns"] = time_ns
    new["box"] = new["first_box"] = new["still_box"] = boxes
    movement.start(new, movement.places(new["box"]))
    return new


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.x + box.width, box.y + box.height
