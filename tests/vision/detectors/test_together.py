"""Several runs of one caller: all filled, all run, all read."""

import av
import numpy as np
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.detectors import Picture
from appliance.vision.detectors.model import ModelDetector, Port

FRAMES = 5


class Seat:
    """Tells what is done with it; ``fails``: its run does, with that."""

    def __init__(self, told, number):
        self.tensor = np.zeros((1, 3, 64, 128), np.float32)
        self._told, self.number, self.fails = told, number, None

    def start(self, count):
        assert count == 1
        self._told.append(("start", self.number))

    def answers(self):
        self._told.append(("answers", self.number))
        if self.fails:
            raise self.fails
        brightness = self.tensor.mean()
        return {
            "boxes": np.array([[[0.1, 0.1, 0.2, 0.4]]], np.float32),
            "scores": np.array([[brightness]], np.float32),
            "labels": np.array([[1.0]], np.float32),
        }


class Runner:
    device, batch, together = "CPU", 1, 3
    inputs = (Port("images", (None, 3, 64, 128), "float32"),)

    def __init__(self):
        self.told, self.seats = [], []

    def seat(self, extras):
        self.seats.append(Seat(self.told, len(self.seats)))
        return self.seats[-1]

    def close(self): ...


@pytest.fixture
def asked(graph, drawn):
    """A detector, its runner and pictures that differ."""
    g = graph()
    rows = g.rows((16,), 9, 1, 255.0)
    pack = g.pack("detr", {"boxes": g.take(rows, 0, 4), "scores": rows, "labels": rows})
    runner = Runner()
    detector = ModelDetector("told", lambda pack, threads: runner)
    detector.load(pack, 1)
    runner.told.clear()
    pictures = []
    for number in range(FRAMES):
        image = np.full((64, 128, 3), 60 + 40 * number, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        pictures.append(Picture("yard", number, frame, drawn[0].motion))
    return detector, runner, pictures


def test_each_gets_the_answer_to_its_own_picture_in_order(asked):
    detector, runner, pictures = asked
    sure = [found.scores[0] for found in detector.detect(pictures)]
    assert sure == pytest.approx([(60 + 40 * n) / 255 for n in range(FRAMES)], abs=0.01)
    together, rest = runner.told[:6], runner.told[6:]
    assert [what for what, _ in together] == ["start"] * 3 + ["answers"] * 3
    assert [what for what, _ in rest] == ["start"] * 2 + ["answers"] * 2
    assert len(runner.seats) == 3, "a seat for each that is on its way, and no more"


def test_none_of_them_runs_any_more_when_one_has_failed(asked):
    detector, runner, pictures = asked
    detector.detect(pictures[:3])
    runner.told.clear()
    runner.seats[1].fails = RuntimeError("bad_alloc")
    with pytest.raises(ApplianceError, match="needs more memory"):
        detector.detect(pictures[:3])
    assert {number for what, number in runner.told if what == "answers"} == {0, 1, 2}
    runner.seats[1].fails = None
    assert len(detector.detect(pictures[:3])) == 3 and len(runner.seats) == 3, "the seats were given back"
