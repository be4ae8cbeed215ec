"""A scene through the real gate, a detector (the motion one, or ``Sight``) and the real tracker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from appliance.base.model import TrackPoint
from appliance.vision.detectors import Picture
from appliance.vision.detectors.motion import MotionDetector
from appliance.vision.looking.gate import Gate
from appliance.vision.tracking.tracker import Tracker
from drawn.actors import Truth
from drawn.scenes import Scene
from drawn.sight import LABELS, Sight

MIN_CONFIDENCE = 0.4  # as cameras have it unless said otherwise


@dataclass
class Played:
    """``said``: (seconds, points) of each look; ``truth`` by time_ns; ``awake``: shares of pictures that the
    gate wanted looked at, (with nobody moving, with somebody)."""

    said: list[tuple[float, list[TrackPoint]]] = field(default_factory=list)
    truth: dict[int, list[Truth]] = field(default_factory=dict)
    calm: list[bool] = field(default_factory=list)
    busy: list[bool] = field(default_factory=list)


def play(scene: Scene, sight: Sight | None = None, *, fps: float = 5.0, seed: int = 0) -> Played:
    numbers = count(1)
    gate, tracker = Gate(), Tracker("yard", lambda: f"t{next(numbers)}", MIN_CONFIDENCE)
    motions = MotionDetector()
    played = Played()
    for shot in scene.shots(fps, seed):
        motion = gate.look(shot.luma, shot.time_ns)
        played.truth[shot.time_ns] = shot.truth
        (played.busy if any(t.moves for t in shot.truth) else played.calm).append(motion.any)
        if sight is None:
            picture = Picture("yard", shot.time_ns, None, motion)  # type: ignore[arg-type]  # it looks at motion only
            found, labels = motions.detect([picture])[0], motions.labels
        else:
            found, labels = sight.detect(shot.truth, scene.lures, shot.t), LABELS
        points: Sequence[TrackPoint] = tracker.update(shot.time_ns, found, labels, motion)
        played.said.append((shot.t, list(points)))
    return played
