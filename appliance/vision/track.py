"""Detections -> tracks: one object keeps one identity over frames.

Two-stage association after ByteTrack (Y. Zhang et al., 2022): strong boxes first, weak ones only to
carry on what is known; recovery from the last observation after OC-SORT (J. Cao et al., 2023,
section 4.3); boxes are buffered by an amount that grows with the time since a track was seen (C-BIoU,
F. Yang et al., 2023), because at 1 to 5 frames a second plain overlap is often nil.

Our own rules. Nothing leaves without moving: a track that stood still and whose place shows no motion
ages thirty times slower, so that a person at a table outlives the frames the detector misses. And what
never moved must convince: furniture that a model half takes for something is no track until its score
says so, time and again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from appliance.base.model import Box, TrackPoint
from appliance.vision.detectors import Detections
from appliance.vision.gate import Motion
from appliance.vision.match import FORBIDDEN, Columns, Matrix, assign, covered, iou

MEMORY_S = 2.5  # unseen for so long, a track ends
STILL_AGEING = 1 / 30  # of that, where its place shows no motion
SURE = 0.7  # score at which one frame is enough
CONFIRM_HITS = 2  # for what moved
CONFIRM_SHIFT = 0.25  # of its longer side: so far from where it was first seen
CONFIRM_STILL_HITS, CONFIRM_STILL_SCORE = 10, 0.6  # for what stands where it was first seen
YOUNG_HITS = 4  # tracks below it are looked at in every frame
TENTATIVE_S = 1.2  # unseen for so long, an unconfirmed one is forgotten
STILL_S = 3.0
STILL_REACH = 0.12  # of its longer side: what it may wander and still stand
MOVING_SHARE = 0.03  # of a place's cells
VELOCITY_GAIN = 0.5
COAST_S = 1.0  # prediction stops here: people turn round
DUPLICATE_IOU = 0.7
LOST = 0.05  # extra cost of a match, per second that the track was not seen
OTHER_CLASS = 0.2  # extra cost of a match across classes
OTHER_KIND_IOU = 0.6  # a person does not become a chair, unless the boxes say that it was one thing

# Models waver between classes of one kind, from frame to frame; every other class is its own kind.
_KINDS = {
    "vehicle": ("car", "truck", "bus", "van", "vehicle", "train", "motorcycle", "bicycle", "bike"),
    "animal": ("cat", "dog", "horse", "sheep", "cow", "bear", "bird", "elephant", "zebra", "giraffe"),
}
KIND = {name: kind for kind, names in _KINDS.items() for name in names}


@dataclass(slots=True, eq=False)
class Track:
    """``box`` is the last observation; ``velocity`` in picture widths per second, per corner."""

    track_id: str
    box: Columns
    time_ns: int
    score: float
    votes: dict[str, float]
    first: TrackPoint
    velocity: Columns = field(default_factory=lambda: np.zeros(4, np.float32))
    hits: int = 1
    confirmed: bool = False
    unseen_s: float = 0.0  # weighed by ``STILL_AGEING``
    disturbed: bool = False  # something moved at its place since it was last seen
    still_box: Columns = field(default_factory=lambda: np.zeros(4, np.float32))
    still_since_ns: int = 0

    @property
    def class_name(self) -> str:
        """The class most of its observations voted for, by score."""
        return max(self.votes, key=lambda name: (self.votes[name], name))

    def stationary(self) -> bool:
        return self.time_ns - self.still_since_ns >= STILL_S * 1e9

    def convincing(self, score: float) -> bool:
        """``score`` is that of the newest observation."""
        if score >= SURE:
            return True
        first = _corners(self.first.bbox)
        # Both edges of a side, the same way: what is covered or uncovered in passing moves only one.
        edges = self.box - first
        same_way = edges[:2] * edges[2:] > 0
        shift = float((np.minimum(np.abs(edges[:2]), np.abs(edges[2:])) * same_way).max())
        if shift > CONFIRM_SHIFT * float((first[2:] - first[:2]).max()):
            return self.hits >= CONFIRM_HITS
        return self.hits >= CONFIRM_STILL_HITS and self.score >= CONFIRM_STILL_SCORE

    def predicted(self, time_ns: int) -> Columns:
        seconds = min(COAST_S, max(0.0, (time_ns - self.time_ns) / 1e9))
        moved: Columns = self.box + self.velocity * np.float32(seconds)
        # A box that would turn inside out keeps its shape and only its middle moves.
        if moved[2] <= moved[0] or moved[3] <= moved[1]:
            shift = (moved[:2] + moved[2:] - self.box[:2] - self.box[2:]) / 2
            moved = self.box + np.concatenate([shift, shift])
        return moved


class Tracker:
    """One camera's. ``next_id`` gives ids that are unique for ever."""

    def __init__(self, camera_id: str, next_id: Callable[[], str], min_confidence: float) -> None:
        self.camera_id = camera_id
        self.min_confidence = min_confidence
        self._next_id = next_id
        self._tracks: list[Track] = []
        self._time_ns: int | None = None

    @property
    def known(self) -> bool:
        return bool(self._tracks)

    @property
    def unsure(self) -> bool:
        """Some are so new that the next frame will tell what they are."""
        return any(not track.confirmed and track.hits < YOUNG_HITS for track in self._tracks)

    def seed(self, points: Iterable[TrackPoint]) -> None:
        """Take over tracks that another worker had begun: they wait to be seen again."""
        for point in points:
            box = _corners(point.bbox)
            track = Track(point.track_id, box, point.time_ns, point.confidence, {}, point)
            track.votes[point.class_name] = point.confidence * 5
            track.confirmed, track.hits = True, CONFIRM_HITS
            track.still_box = box
            # Given the benefit of the doubt: what it did while nobody looked is not known.
            track.still_since_ns = point.time_ns - round(STILL_S * 1e9) * int(point.stationary)
            self._tracks.append(track)

    def update(
        self, time_ns: int, found: Detections, labels: Sequence[str], motion: Motion | None = None
    ) -> list[TrackPoint]:
        """One look. ``motion`` None: everything may have moved. Returns what became known, each
        track's points in order of time; boxes weaker than ``min_confidence`` never begin a track."""
        if self._time_ns is None or not 0 < (time_ns - self._time_ns) < 3600 * 10**9:
            step_s = 0.0
        else:
            step_s = (time_ns - self._time_ns) / 1e9
        self._time_ns = time_ns
        found = found.only(~_shadowed(found))
        names = [labels[number] for number in found.classes]
        points: list[TrackPoint] = []
        pairs, free = self._associate(time_ns, found, names)
        for track, column in pairs:
            points += self._seen(
                track, time_ns, found.boxes[column], float(found.scores[column]), names[column]
            )
        matched = {id(track) for track, _ in pairs}
        points += self._age([t for t in self._tracks if id(t) not in matched], step_s, motion)
        for column in free:
            point = self._begin(time_ns, found, column, names[column], [track for track, _ in pairs])
            if point is not None:
                points.append(point)
        return points

    def finish(self) -> list[TrackPoint]:
        """The camera is no longer looked at: every open track ends."""
        ends = [self._point(track, "end") for track in self._tracks if track.confirmed]
        self._tracks = []
        return ends

    # -- association ------------------------------------------------------------------------

    def _associate(
        self, time_ns: int, found: Detections, names: list[str]
    ) -> tuple[list[tuple[Track, int]], list[int]]:
        """Pairs of track and detection, and the strong detections that are left."""
        strong = np.flatnonzero(found.scores >= self.min_confidence).tolist()
        weak = np.flatnonzero(found.scores < self.min_confidence).tolist()
        pairs: list[tuple[Track, int]] = []
        # The confirmed first: a twin box that began a track a moment ago must not take its place.
        confirmed = [track for track in self._tracks if track.confirmed]
        tentative = [track for track in self._tracks if not track.confirmed]
        confirmed, strong = self._round(pairs, confirmed, strong, found, names, time_ns, _buffered, 0.95)
        confirmed, strong = self._round(pairs, confirmed, strong, found, names, time_ns, _recovered, 1.0)
        tentative, strong = self._round(pairs, tentative, strong, found, names, time_ns, _buffered, 0.95)
        _, strong = self._round(pairs, tentative, strong, found, names, time_ns, _recovered, 1.0)
        self._round(pairs, confirmed, weak, found, names, time_ns, _overlapping, 0.6)
        return pairs, strong

    def _round(
        self,
        pairs: list[tuple[Track, int]],
        tracks: list[Track],
        columns: list[int],
        found: Detections,
        names: list[str],
        time_ns: int,
        costs: Callable[[list[Track], Columns, int], Matrix],
        limit: float,
    ) -> tuple[list[Track], list[int]]:
        if not tracks or not columns:
            return tracks, columns
        cost = costs(tracks, found.boxes[columns], time_ns)
        cost += _strangeness(tracks, found.boxes[columns], [names[column] for column in columns])
        chosen = assign(cost, limit)
        pairs += [(tracks[row], columns[column]) for row, column in chosen]
        rows, used = {row for row, _ in chosen}, {column for _, column in chosen}
        return (
            [track for row, track in enumerate(tracks) if row not in rows],
            [column for number, column in enumerate(columns) if number not in used],
        )

    # -- the life of a track ----------------------------------------------------------------

    def _begin(
        self, time_ns: int, found: Detections, column: int, name: str, seen: list[Track]
    ) -> TrackPoint | None:
        box, score = found.boxes[column], float(found.scores[column])
        if seen:
            twins = [track.box for track in seen if track.class_name == name]
            if twins and _same(box[None], np.stack(twins)).any():
                return None
        first = TrackPoint(self.camera_id, "", time_ns, name, score, _box(box), "start")
        track = Track("", box, time_ns, score, {name: score}, first)
        track.still_box, track.still_since_ns = box, time_ns
        self._tracks.append(track)
        if score < max(SURE, self.min_confidence):
            return None
        return self._confirm(track)

    def _confirm(self, track: Track) -> TrackPoint:
        track.confirmed = True
        track.track_id = self._next_id()
        return msgspec.structs.replace(track.first, track_id=track.track_id, class_name=track.class_name)

    def _seen(self, track: Track, time_ns: int, box: Columns, score: float, name: str) -> list[TrackPoint]:
        seconds = (time_ns - track.time_ns) / 1e9
        if 0.0 < seconds <= 2 * COAST_S:
            now = (box - track.box) / np.float32(seconds)
            track.velocity = track.velocity + np.float32(VELOCITY_GAIN) * (now - track.velocity)
        else:
            track.velocity = np.zeros(4, np.float32)
        wandered = np.abs((box + np.roll(box, 2)) - (track.still_box + np.roll(track.still_box, 2)))[:2] / 2
        if float(wandered.max()) > STILL_REACH * float((track.still_box[2:] - track.still_box[:2]).max()):
            track.still_box, track.still_since_ns = box, time_ns
        track.box, track.time_ns, track.unseen_s, track.disturbed = box, time_ns, 0.0, False
        track.score += 0.5 * (score - track.score)
        track.votes = {known: vote * 0.95 for known, vote in track.votes.items() if vote > 0.1}
        track.votes[name] = track.votes.get(name, 0.0) + score
        track.hits += 1
        points = []
        if not track.confirmed:
            if not track.convincing(score):
                return []
            points.append(self._confirm(track))
        return [*points, self._point(track, "update")]

    def _age(self, unseen: list[Track], step_s: float, motion: Motion | None) -> list[TrackPoint]:
        ended: list[TrackPoint] = []
        for track in unseen:
            x1, y1, x2, y2 = track.box.tolist()
            track.disturbed |= motion is None or motion.share(x1, y1, x2, y2) > MOVING_SHARE
            held = track.stationary() and not track.disturbed
            track.unseen_s += step_s * (STILL_AGEING if held else 1.0)
            if track.unseen_s > (MEMORY_S if track.confirmed else TENTATIVE_S):
                self._tracks.remove(track)
                if track.confirmed:
                    ended.append(self._point(track, "end"))
        return ended

    def _point(self, track: Track, phase: str) -> TrackPoint:
        return TrackPoint(
            self.camera_id,
            track.track_id,
            track.time_ns,
            track.class_name,
            round(min(1.0, track.score), 3),
            _box(track.box),
            "end" if phase == "end" else "update",
            track.stationary(),
        )


def _buffered(tracks: list[Track], boxes: Columns, time_ns: int) -> Matrix:
    """1 - IoU of predicted and found boxes, both grown with the time a track was not seen."""
    cost = np.full((len(tracks), len(boxes)), FORBIDDEN)
    for row, track in enumerate(tracks):
        seconds = max(0.0, (time_ns - track.time_ns) / 1e9)
        grow = min(0.5, 0.05 + 0.4 * seconds)
        cost[row] = 1.0 - iou(_grown(track.predicted(time_ns)[None], grow), _grown(boxes, grow))[0]
        cost[row] += LOST * min(MEMORY_S, seconds)  # a larger buffer must not win over a fresher track
    return cost


def _recovered(tracks: list[Track], boxes: Columns, time_ns: int) -> Matrix:
    """For what the prediction lost: how far from the last observation, in reach of a person who
    walks one and a half body heights a second, and alike in size."""
    cost = np.full((len(tracks), len(boxes)), FORBIDDEN)
    sides = boxes[:, 2:] - boxes[:, :2]
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    for row, track in enumerate(tracks):
        seconds = min(2 * COAST_S, max(0.0, (time_ns - track.time_ns) / 1e9))
        own = track.box[2:] - track.box[:2]
        away = np.abs(middles - (track.box[:2] + track.box[2:]) / 2)
        reach = float(own.max()) * (0.3 + 1.2 * seconds)
        alike = np.minimum(sides[:, 0] / own[0], own[0] / sides[:, 0]) > 0.45  # width: feet get cut off
        distance = np.hypot(away[:, 0], away[:, 1]) / reach
        cost[row] = np.where(alike & (distance < 1.0), distance, FORBIDDEN)
    return cost


def _overlapping(tracks: list[Track], boxes: Columns, time_ns: int) -> Matrix:
    return 1.0 - iou(np.stack([track.predicted(time_ns) for track in tracks]), boxes)


def _strangeness(tracks: list[Track], boxes: Columns, names: list[str]) -> Matrix:
    """Extra cost where a detection has another class than its track had so far."""
    other = np.array([[name not in track.votes for name in names] for track in tracks])
    if not other.any():
        return np.zeros(other.shape)
    kinds = [{KIND.get(name, name) for name in track.votes} for track in tracks]
    strange = np.array([[KIND.get(name, name) not in kind for name in names] for kind in kinds])
    apart = iou(np.stack([track.box for track in tracks]), boxes) < OTHER_KIND_IOU
    return np.where(strange & apart, FORBIDDEN, OTHER_CLASS * other)


def _shadowed(found: Detections) -> np.typing.NDArray[np.bool_]:
    """Boxes that lie on a better one: the same thing under another name, or a part of it that
    the model took for a second one of its kind."""
    if len(found) < 2:
        return np.zeros(len(found), np.bool_)
    better = np.tri(len(found), k=-1, dtype=np.bool_)  # scores fall: earlier rows are better
    same = found.classes[:, None] == found.classes[None, :]
    overlap = iou(found.boxes, found.boxes)
    twin = (overlap > 0.9) | (same & _same(found.boxes, found.boxes))
    shadowed: np.typing.NDArray[np.bool_] = (better & twin).any(axis=1)
    return shadowed


def _same(a: Columns, b: Columns) -> np.typing.NDArray[np.bool_]:
    """Boxes of one class that are one thing: they overlap a lot, or one is most of the other and
    lies inside it (models give a walking person twice, with and without a stretched leg)."""
    overlap = iou(a, b)
    nested = np.maximum(covered(a, b), covered(b, a).T) > 0.9
    same: np.typing.NDArray[np.bool_] = (overlap > DUPLICATE_IOU) | (nested & (overlap > 0.45))
    return same


def _grown(boxes: Columns, share: float) -> Columns:
    side = (boxes[:, 2:] - boxes[:, :2]) * np.float32(share)
    grown: Columns = np.concatenate([boxes[:, :2] - side, boxes[:, 2:] + side], axis=1)
    return grown


def _corners(box: Box) -> Columns:
    return np.array([box.x, box.y, box.x + box.width, box.y + box.height], np.float32)


def _box(corners: Columns) -> Box:
    x1, y1, x2, y2 = (round(float(value), 5) for value in corners)
    return Box(x1, y1, round(x2 - x1, 5), round(y2 - y1, 5))
