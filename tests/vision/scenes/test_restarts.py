"""What stands still is the same after any number of restarts: saved and restored, or seeded."""

from collections.abc import Callable, Iterator
from itertools import count, pairwise

import pytest
from drawn.actors import standing
from drawn.backdrop import car, person
from drawn.camera import Camera, day, night
from drawn.scenes import START_NS, Scene
from drawn.sight import LABELS, Sight

from appliance.base.model import TrackPoint
from appliance.vision.looking.gate import Gate
from appliance.vision.tracking.tracker import Tracker

SESSION_S = 8.0
BLIND_S = 3.0  # after a restart the detector misses most of what stands
GAPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 3 * 3600, 8 * 3600)
RESTARTS = 20
STANDING = (
    standing("car", "car", car(11, 150), 130, 215, 0, 1e9),
    standing("van", "car", car(12, 60), 330, 215, 0, 1e9),
    standing("statue", "person", person(20, 150), 560, 240, 0, 1e9),
)


class Box:
    """A worker that is ended and begun again, and the daemon, which keeps what it last heard."""

    def __init__(self) -> None:
        numbers = count(1)
        self.next_id: Callable[[], str] = lambda: f"t{next(numbers)}"
        self.tracker = Tracker("yard", self.next_id, 0.4)
        self.open: dict[str, TrackPoint] = {}
        self.starts: list[TrackPoint] = []
        self.ends: list[TrackPoint] = []

    def look(self, scene: Scene, start_ns: int, seed: int, blind: bool) -> None:
        gate, sure, poor = Gate(), Sight(seed), Sight(seed + 1, miss=0.8)
        for shot in scene.shots(5.0, seed, start_ns):
            motion = gate.look(shot.luma, shot.time_ns)
            sight = poor if blind and shot.t < BLIND_S else sure
            found = sight.detect(shot.truth, scene.lures, shot.t)
            for point in self.tracker.update(shot.time_ns, found, LABELS, motion):
                self.hear(point)

    def hear(self, point: TrackPoint) -> None:
        if point.phase == "end":
            self.ends.append(point)
            self.open.pop(point.track_id, None)
        else:
            self.starts += [point] if point.phase == "start" else []
            self.open[point.track_id] = point

    def restart(self, how: str) -> None:
        new = Tracker("yard", self.next_id, 0.4)
        if how == "saved":
            assert new.restore(self.tracker.save())
        else:
            new.seed(self.open.values())
        self.tracker = new


def sessions() -> Iterator[tuple[int, Scene]]:
    """Day and night in turn, each with its own noise."""
    start_ns = START_NS
    for number in range(RESTARTS + 1):
        dark = number % 2 == 1
        light = Camera(night if dark else day, 5.0 if dark else 2.5)
        yield start_ns, Scene("standing", SESSION_S, list(STANDING), camera=light)
        start_ns += round((SESSION_S + GAPS_S[number % len(GAPS_S)]) * 1e9)


@pytest.mark.parametrize("how", ["saved", "seeded"])
def test_no_new_track_after_twenty_restarts(how: str) -> None:
    box = Box()
    for number, (start_ns, scene) in enumerate(sessions()):
        if number:
            box.restart(how)
        box.look(scene, start_ns, number, blind=number > 0)
    assert len(box.starts) == len(STANDING) and not box.ends
    assert sorted(point.class_name for point in box.open.values()) == ["car", "car", "person"]
    assert all(point.stationary for point in box.open.values())


@pytest.mark.parametrize("how", ["saved", "seeded"])
def test_one_that_left_meanwhile_ends_and_one_that_came_is_new(how: str) -> None:
    box = Box()
    (first_ns, scene), (second_ns, other) = next(pairwise(sessions()))
    box.look(scene, first_ns, 0, blind=False)
    left, known = "statue", set(box.open)
    other.seconds = 100.0  # what stood there is waited for, since nothing was seen to leave
    other.actors = [actor for actor in other.actors if actor.name != left]
    other.actors.append(standing("new", "car", car(14, 220), 450, 330, 0, 1e9))
    box.restart(how)
    box.look(other, second_ns, 1, blind=False)
    assert [point.class_name for point in box.ends] == ["person"]
    assert len(set(box.open) - known) == 1 and len(box.open) == 3
