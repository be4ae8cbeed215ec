"""What the tests of the tracker show it: boxes of people and cars, one frame after the other."""

from collections.abc import Callable
from itertools import count

import numpy as np
import pytest

from appliance.base.model import TrackPoint
from appliance.vision.detectors import Detections, ordered
from appliance.vision.looking.gate import Motion
from appliance.vision.tracking.tracker import Tracker

Row = tuple[float, float, float, float, float, int]  # x1, y1, x2, y2, score, class

LABELS = ("person", "car", "truck", "chair")
START_NS = 1_768_919_400 * 10**9


def _found(*rows: Row) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return ordered(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))


def _person(x: float, y: float = 0.3, score: float = 0.8, width: float = 0.1, height: float = 0.4) -> Row:
    return (x, y, x + width, y + height, score, 0)


def _car(x: float, y: float = 0.5, score: float = 0.8, label: int = 1) -> Row:
    return (x, y, x + 0.3, y + 0.2, score, label)


class Watcher:
    """A tracker that is shown one frame after the other."""

    def __init__(self, step_s: float = 0.2, **options) -> None:
        numbers = count(1)
        self.tracker = Tracker("yard", lambda: f"t{next(numbers)}", 0.4, **options)
        self.step_ns = round(step_s * 1e9)
        self.time_ns = START_NS
        self.points: list[TrackPoint] = []

    def see(self, *rows: Row, motion: Motion | None = None) -> list[TrackPoint]:
        points = self.tracker.update(self.time_ns, _found(*rows), LABELS, motion)
        self.time_ns += self.step_ns
        self.points += points
        return [point for point in points if point.phase == "update"]

    def ids(self) -> set[str]:
        return {point.track_id for point in self.points}

    def wait(self, seconds: float) -> None:
        self.time_ns += round(seconds * 1e9)


# Of the session, all of them: hypothesis may ask a function-scoped one only once for many examples.


@pytest.fixture(scope="session")
def found() -> Callable[..., Detections]:
    """``found(*rows)``: what a detector would have said."""
    return _found


@pytest.fixture(scope="session")
def person() -> Callable[..., Row]:
    """``person(x, …)``: a standing box of class 0."""
    return _person


@pytest.fixture(scope="session")
def car() -> Callable[..., Row]:
    """``car(x, …)``: a lying box, of class 1 where ``label`` does not say another."""
    return _car


@pytest.fixture(scope="session")
def watching() -> type[Watcher]:
    """``watching(step_s, **options)``: a tracker and its frames."""
    return Watcher
