"""Answers that are no numbers: left out, counted, and never taken for something seen."""

import warnings

import numpy as np
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.detectors import ordered
from appliance.vision.detectors.classifier import Classifier, Crop
from appliance.vision.detectors.failures import Lost
from appliance.vision.detectors.model import NUMBERLESS, Model, ModelDetector, Port

NAN, INF = np.nan, np.inf


class Told:
    """A runner whose model answers ``outputs``, with the batch first."""

    device, batch, together = "CPU", 4, 1
    inputs = (Port("images", (None, 3, 64, 128), "float32"),)

    def __init__(self, **outputs):
        self.good = {name: np.array(values, np.float32) for name, values in outputs.items()}
        self.outputs = self.good
        self.closed = False

    def seat(self, extras):
        self.tensor = np.zeros((self.batch, 3, 64, 128), np.float32)
        return self

    def start(self, count):
        self.count = count

    def answers(self):
        if isinstance(self.outputs, Exception):
            raise self.outputs
        return {name: np.repeat(values[None], self.count, axis=0) for name, values in self.outputs.items()}

    def close(self):
        self.closed = True

    def answer(self, **outputs):
        self.outputs = {**self.good, **{name: np.array(v, np.float32) for name, v in outputs.items()}}


@pytest.fixture
def detr(graph):
    """A detector and its runner: two boxes, of three and four sure."""
    g = graph()
    rows = g.rows((16,), 9, 1, 255.0)
    pack = g.pack("detr", {"boxes": g.take(rows, 0, 4), "scores": rows, "labels": rows})
    runner = Told(boxes=[[0.1, 0.1, 0.2, 0.4], [0.5, 0.5, 0.7, 0.9]], scores=[0.75, 0.5], labels=[1.0, 2.0])
    detector = ModelDetector("told", lambda pack, threads: runner)
    detector.load(pack, 1)
    return detector, runner


def scores(detector, drawn, count=1):
    return [found.scores.tolist() for found in detector.detect(drawn[:count])]


@pytest.mark.parametrize(
    ("outputs", "left"),
    [
        ({}, [0.75, 0.5]),
        ({"scores": [NAN, 0.5]}, [0.5]),
        ({"scores": [INF, 0.5]}, [0.5]),
        ({"boxes": [[0.1, NAN, 0.2, 0.4], [0.5, 0.5, 0.7, 0.9]]}, [0.5]),
        ({"boxes": [[0.1, 0.1, 0.2, 0.4], [0.5, 0.5, INF, 0.9]]}, [0.75]),
        ({"boxes": [[-INF, 0.1, 0.2, INF], [0.5, 0.5, 0.7, 0.9]]}, [0.5]),
        ({"scores": [NAN, NAN], "labels": [NAN, NAN]}, []),
    ],
)
def test_a_row_that_is_no_number_is_left_out(detr, drawn, outputs, left):
    detector, runner = detr
    runner.answer(**outputs)
    assert scores(detector, drawn) == [left]


def test_nothing_but_what_is_no_number_is_said_after_a_while(detr, drawn):
    detector, runner = detr
    runner.answer(scores=[NAN, NAN])
    for _ in range(NUMBERLESS - 1):
        assert scores(detector, drawn) == [[]]
    runner.answer()  # one picture with numbers: it was a glitch
    assert scores(detector, drawn) == [[0.75, 0.5]]
    runner.answer(scores=[NAN, NAN])
    for _ in range((NUMBERLESS - 1) // 4):
        scores(detector, drawn, 4)
    with pytest.raises(ApplianceError, match=r"answered \d+ pictures with what is no number") as caught:
        scores(detector, drawn, 4)
    assert caught.value.kind == "invalid" and "FP32" in caught.value.hint
    with pytest.raises(ApplianceError):  # and it does not take it back
        scores(detector, drawn)


def test_some_rows_of_it_and_an_empty_yard_are_no_fault(detr, drawn):
    detector, runner = detr
    runner.answer(scores=[NAN, 0.5])
    for _ in range(NUMBERLESS + 5):
        assert scores(detector, drawn) == [[0.5]]
    runner.answer(scores=[0.0, 0.0])
    for _ in range(NUMBERLESS + 5):
        assert scores(detector, drawn) == [[]]


def test_a_sum_that_overflows_is_no_fault(detr, drawn):
    detector, runner = detr
    runner.answer(boxes=[[0.1, 0.1, 3e38, 3e38], [0.5, 0.5, 0.7, 0.9]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(NUMBERLESS + 5):
            assert scores(detector, drawn) == [[0.75, 0.5]]


def test_an_overflow_is_not_sure_of_itself(graph, drawn):
    """Raw logits: infinity would be a probability of one."""
    g = graph()
    rows = g.rows((16,), 9, 1, 255.0)
    pack = g.pack("detr", {"dets": g.take(rows, 0, 4), "labels": rows})
    logits = np.full((2, len(pack.labels)), -9.0)
    logits[1, 3] = 0.0
    runner = Told(dets=[[0.3, 0.3, 0.2, 0.2], [0.6, 0.6, 0.2, 0.2]], labels=logits)
    detector = ModelDetector("told", lambda pack, threads: runner)
    detector.load(pack, 1)
    logits[0, 1] = INF
    runner.answer(labels=logits)
    assert scores(detector, drawn) == [[0.5]]


def test_ordered_keeps_what_is_sound():
    boxes = np.array([[0, 0, 1, 1], [0, 0, INF, 1], [NAN, 0, 1, 1], [0, 0, 0.5, 0.5]], np.float32)
    found = ordered(boxes, np.array([0.2, 0.9, 0.9, NAN], np.float32), np.arange(4, dtype=np.int32))
    assert found.classes.tolist() == [0]


def test_a_classifier_that_gives_no_numbers_is_not_believed(graph, drawn, monkeypatch):
    g = graph()
    pack = g.pack(
        "classifier", {"out": g.op("Flatten", g.op("GlobalAveragePool", "images"))}, labels=("a", "b")
    )
    runner = Told(out=[0.25, 0.75])
    classifier = Classifier("onnxruntime")
    monkeypatch.setattr(classifier, "_open", lambda pack, threads: runner)
    classifier.load(pack, 1)
    crop = Crop(drawn[0].frame, np.array([0, 0, 1, 1], np.float32))
    assert (classifier.classify([crop])[0].label, classifier.classify([crop])[0].score) == (1, 0.75)
    runner.answer(out=[NAN, 0.75])
    assert classifier.classify([crop])[0].score == 0.0


def test_what_a_backend_says_itself_is_not_put_in_other_words(detr, graph):
    """A lost device is no matter of the picture's size."""
    _, runner = detr
    runner.outputs = Lost("the GPU failed")
    g = graph()
    rows = g.rows((16,), 9, 1, 255.0)
    pack = g.pack("detr", {"boxes": g.take(rows, 0, 4), "scores": rows, "labels": rows})
    with pytest.raises(Lost, match="the GPU failed"):
        Model(pack, runner)
    runner.outputs = RuntimeError("bad shape")
    with pytest.raises(ApplianceError, match="does not run on a picture of 128x64"):
        Model(pack, runner)
