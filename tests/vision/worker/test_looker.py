"""Which failure of a detector is one failed look, and which is the end of the process."""

import socket
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from appliance.vision.detectors import NOTHING, Picture
from appliance.vision.detectors.failures import Lost
from appliance.vision.looking.batcher import Batcher
from appliance.vision.looking.gate import Motion
from appliance.vision.messages import Gone, Hello, Unframer, report_decoder
from appliance.vision.worker import models
from appliance.vision.worker.loading import Loaded
from appliance.vision.worker.looker import Lookers, at_once
from appliance.vision.worker.models import Models

EMPTY = np.zeros((2, 2), np.bool_)
PICTURE = Picture("yard", 1, None, Motion(EMPTY, EMPTY))


class Failing:
    labels, most, device, name = ("person",), 1, "", "failing"

    def __init__(self):
        self.error, self.calls = None, 0

    def detect(self, batch):
        self.calls += 1
        raise self.error

    def close(self): ...


def test_a_lost_device_ends_the_process_at_the_first_look(monkeypatch):
    detector, ended, gone = Failing(), [], threading.Event()
    monkeypatch.setattr(models, "load", lambda *_, **__: Loaded("failing", detector, None, "onnxruntime", ""))

    def end(error):
        ended.append(error)
        gone.set()

    detector.error = Lost("the GPU failed in cuStreamSynchronize")
    batcher = Batcher()
    loaded = Models(Hello("e", "failing", (), 1), lambda _: None, end)
    Lookers(loaded, batcher, {}, threading.Lock(), end).start()
    batcher.put(PICTURE)
    assert gone.wait(10)
    assert detector.calls == 1 and ended == [detector.error]


class Counting:
    """The first look waits for ``go``; ``asked``: how many pictures each look was for."""

    labels, most, device, name = ("person",), 1, "CPU", "counting"

    def __init__(self):
        self.asked, self.begun, self.go = [], threading.Semaphore(0), threading.Event()

    def detect(self, batch):
        self.asked.append(len(batch))
        self.begun.release()
        self.go.wait(10)
        return [NOTHING] * len(batch)

    def close(self): ...


def test_pictures_that_wait_are_asked_for_together_where_a_look_is_short(monkeypatch):
    detector = Counting()
    monkeypatch.setattr(
        models, "load", lambda *_, **__: Loaded("counting", detector, None, "onnxruntime", "")
    )
    batcher = Batcher()
    loaded = Models(Hello("e", "counting", (), 1), lambda _: None, lambda _: None)
    lookers = Lookers(loaded, batcher, {}, threading.Lock(), lambda _: None)
    lookers._look_ms = 20.0
    lookers.start()
    for number in range(2):  # both are at work, one picture each
        batcher.put(replace(PICTURE, camera_id=f"first-{number}"))
        assert detector.begun.acquire(timeout=10)
    for number in range(9):
        batcher.put(replace(PICTURE, camera_id=f"c{number}"))
    detector.go.set()
    for _ in range(3):
        assert detector.begun.acquire(timeout=10)
    assert detector.asked[:3] == [1, 1, 3]
    batcher.close()


@pytest.mark.parametrize(
    ("look_ms", "most"), [(0.0, 1), (9.0, 3), (83.0, 3), (84.0, 2), (126.0, 1), (2e4, 1)]
)
def test_a_long_look_is_asked_for_alone(look_ms, most):
    assert at_once(look_ms) == most


END = """
import socket, sys
from appliance.vision.detectors.failures import Lost
from appliance.vision.worker.worker import Worker
Worker(socket.socket(fileno=int(sys.argv[1])), lambda hello: [])._end(Lost("the GPU failed"))
"""


def test_the_last_word_of_a_worker_is_why():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = [sys.executable, "-c", END, str(theirs.fileno())]
        done = subprocess.run(child, pass_fds=(theirs.fileno(),), capture_output=True, text=True, check=False)
        (body,) = Unframer().feed(ours.recv(1 << 16))
    said = report_decoder.decode(body)
    assert isinstance(said, Gone) and said.reason.startswith("the GPU failed")
    assert done.returncode == 1 and "the GPU failed" in done.stderr
