"""A change of models: beside, in the shadow, on trial, for good or back."""

import threading

import numpy as np
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.detectors import NOTHING, Detections, Picture
from appliance.vision.detectors.failures import Lost, Unbuilt
from appliance.vision.looking.gate import Motion
from appliance.vision.messages import EngineLack, Hello, Ready, Trial, Use
from appliance.vision.worker import judging, models
from appliance.vision.worker.loading import Loaded
from appliance.vision.worker.models import Models

EMPTY = np.zeros((2, 2), np.bool_)
LABELS = ("person", "car")


def detections(*boxes, score=0.9, class_=0):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(count, 4),
        np.full(count, score, np.float32),
        np.full(count, class_, np.int32),
    )


PERSON = detections((0.1, 0.1, 0.2, 0.4))


class Scripted:
    """A detector that answers what it is told to."""

    most = 1
    labels = LABELS
    device = ""

    def __init__(self, name, answer=PERSON):
        self.name, self.answer, self.closed, self.calls = name, answer, False, 0

    def load(self, pack, threads): ...

    def detect(self, batch):
        assert not self.closed, "used after its close"
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer] * len(batch)

    def close(self):
        self.closed = True


class Bench:
    """Models with scripted detectors, threads that run at once, and time that is set."""

    def __init__(self, monkeypatch):
        self.now_s = 1000.0
        self.told, self.ends, self.asked = [], [], []
        self.known = {"old": Scripted("old"), "new": Scripted("new")}
        self.first_ms = 10.0
        monkeypatch.setattr(models, "load", self._load)
        monkeypatch.setattr(models.time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(models.threading, "Thread", AtOnce)
        self.models = Models(Hello("e", "old", (), 1), self.told.append, self.ends.append)
        self.models.load_first()

    def _load(self, hello, choice, backend, begins=None, *, only=False):
        self.asked.append((choice, backend, only))
        found = self.known[choice]
        if isinstance(found, Exception):
            raise found
        return Loaded(choice, found, None, backend, "", first_ms=self.first_ms)

    def use(self, shadow_s, name="new"):
        self.models.use(Use(name, "auto", shadow_s))

    def look(self, times=1, took_ms=10.0, cameras=("yard",)):
        for number in range(times):
            picture = Picture(cameras[number % len(cameras)], 1, None, Motion(EMPTY, EMPTY))
            with self.models.borrow() as loaded:
                try:
                    found = loaded.detector.detect([picture])
                except Exception as error:
                    if not self.models.failed(loaded, error):
                        raise
                else:
                    self.models.looked(loaded, [picture], found, took_ms)
            self.now_s += 0.1

    def serves(self):
        with self.models.borrow() as loaded:
            return loaded.name

    @property
    def phases(self):
        found = [told.phase for told in self.told if isinstance(told, Trial)]
        return [phase for n, phase in enumerate(found) if n == 0 or found[n - 1] != phase]


class AtOnce:
    def __init__(self, target, args=(), **_):
        self.start = lambda: target(*args)


class Stuck:
    """A thread that is in a model and never comes out."""

    def __init__(self, target, args=(), **_): ...

    def start(self): ...


@pytest.fixture
def bench(monkeypatch):
    return Bench(monkeypatch)


def test_the_way_of_a_good_one(bench):
    bench.use(shadow_s=5.0)
    assert bench.serves() == "old"
    bench.look(40)
    assert bench.known["new"].calls == 40  # both look
    bench.now_s += 5
    bench.models.tick()
    assert bench.serves() == "new" and not bench.known["old"].closed
    bench.look(40)
    assert bench.known["old"].calls == 40
    bench.now_s += models.TRIAL_S
    bench.models.tick()
    assert bench.phases == ["loading", "shadow", "trial", "active"]
    assert bench.known["old"].closed and not bench.known["new"].closed
    last = [told for told in bench.told if isinstance(told, Trial)][-1]
    assert last.agreement == 1.0 and last.pictures == 40
    assert [told.detector for told in bench.told if isinstance(told, Ready)] == ["old", "new"]


def test_without_a_shadow_it_looks_at_once(bench):
    bench.use(0.0)
    assert bench.serves() == "new" and bench.phases == ["loading", "trial"]


@pytest.mark.parametrize("error", [ApplianceError("invalid", "unknown operator Foo"), RuntimeError("driver")])
def test_what_cannot_be_loaded_leaves_everything_as_it_was(bench, error, monkeypatch):
    bench.known["new"] = error
    bench.use(5.0)
    assert bench.serves() == "old" and bench.phases == ["loading", "refused"]
    assert bench.told[-1].reason and "driver" not in bench.told[-1].reason


def test_one_that_fails_in_the_shadow_is_refused(bench):
    bench.use(5.0)
    bench.known["new"].answer = ApplianceError("unavailable", "out of memory")
    bench.look(2)
    assert bench.serves() == "old" and bench.phases[-1] == "refused"
    assert "out of memory" in bench.told[-1].reason and bench.known["new"].closed


def test_a_device_lost_in_the_shadow_is_the_end_of_the_process(bench):
    """Never one failed look: whichever model is next would fail on it as well."""
    bench.use(5.0)
    bench.known["new"].answer = Lost("the GPU failed")
    bench.look(1)
    assert [str(error.message) for error in bench.ends] == ["the GPU failed"]
    assert bench.phases == ["loading", "shadow"]  # the daemon calls it off, when the worker is gone


def test_a_device_lost_while_loading_ends_the_process(bench):
    bench.known["new"] = Lost("the GPU failed")
    bench.use(5.0)
    assert [str(error.message) for error in bench.ends] == ["the GPU failed"]
    assert bench.phases == ["loading"]


def test_a_device_lost_at_the_first_load_is_no_reason_for_motion(monkeypatch):
    def lost(*_, **__):
        raise Lost("the GPU failed")

    monkeypatch.setattr(models, "load", lost)
    with pytest.raises(Lost):
        Models(Hello("e", "old", (), 1), lambda _: None, lambda _: None).load_first()


def test_an_engine_that_is_refused_is_said_as_such(bench):
    bench.known["new"] = Unbuilt("data_loss", "TensorRT refuses the engine", "again", refused="x.engine")
    bench.models.use(Use("new", "tensorrt", 5.0, only=True))
    last = bench.told[-1]
    assert (last.phase, last.lack) == ("refused", EngineLack("new", "x.engine")) and "refuses" in last.reason
    assert bench.asked[-1] == ("new", "tensorrt", True)
    bench.known["new"] = ApplianceError("exhausted", "no memory")
    bench.use(0.0)
    assert bench.told[-1].phase == "refused" and bench.told[-1].lack is None


def test_what_a_model_lacks_is_said_when_it_looks(monkeypatch, bench):
    lack = EngineLack("new")
    monkeypatch.setattr(
        models, "load", lambda *_, **__: Loaded("new", bench.known["new"], None, "openvino", "", lack=lack)
    )
    bench.known["new"].device = "GPU.0"
    bench.use(0.0)
    ready = [told for told in bench.told if isinstance(told, Ready)][-1]
    assert (ready.lack, ready.backend) == (lack, "openvino, GPU.0")


def test_one_that_fails_on_trial_gives_way_to_the_one_before(bench):
    bench.use(0.0)
    bench.look(2)
    bench.known["new"].answer = RuntimeError("lost")
    bench.look(1)
    assert bench.serves() == "old" and bench.phases[-1] == "rolled_back"
    bench.look(3)
    assert bench.known["new"].closed
    with pytest.raises(RuntimeError):  # the last one has nothing behind it
        bench.known["old"].answer = RuntimeError("too")
        bench.look(1)


def test_one_that_has_become_slow_gives_way(bench):
    bench.use(0.0)
    bench.look(5, took_ms=judging.SLOWEST_MS + 1)
    assert bench.serves() == "old" and bench.phases[-1] == "rolled_back"


THREE = ("yard", "gate", "dock")


def test_one_that_leaves_no_look_per_second_is_not_let_in(bench):
    """It is measured before anybody waits for it."""
    bench.look(30, cameras=THREE)
    bench.first_ms = 600.0
    bench.use(0.0)
    assert bench.serves() == "old" and bench.phases[-1] == "refused" and bench.known["new"].closed
    assert "600 ms" in bench.told[-1].reason and "each of 3 cameras" in bench.told[-1].reason


def test_one_that_leaves_no_look_per_second_is_taken_back(bench):
    bench.look(30, cameras=THREE)
    bench.use(0.0)
    bench.look(4, took_ms=600.0, cameras=THREE)
    assert bench.serves() == "old" and bench.phases[-1] == "rolled_back"
    assert "the one before it 10:" in bench.told[-1].reason


def test_one_far_too_slow_is_refused_while_it_is_loaded(bench):
    bench.first_ms = judging.SLOWEST_MS + 1
    bench.use(0.0)
    assert bench.phases == ["loading", "refused"] and bench.serves() == "old"


def test_without_a_shadow_one_that_is_blind_gives_way(bench):
    bench.look(40)
    bench.known["new"].answer = NOTHING
    bench.use(0.0)
    bench.look(judging.ENOUGH + 1)
    assert bench.serves() == "old" and bench.phases[-1] == "rolled_back"
    assert bench.told[-1].reason == "it sees next to nothing of what the one before it saw"


def test_what_moves_is_no_measure_for_a_model(bench, monkeypatch):
    with bench.models.borrow() as loaded:
        loaded.backend = models.BUILT_IN
    bench.look(40, took_ms=0.2, cameras=THREE)
    bench.known["new"].answer = NOTHING
    bench.first_ms = 600.0
    bench.use(0.0)
    bench.look(judging.ENOUGH + 1, took_ms=600.0, cameras=THREE)
    assert bench.serves() == "new"


def test_one_that_sees_far_less_is_refused(bench):
    bench.known["new"].answer = NOTHING
    bench.use(4.0)
    bench.look(40)
    bench.now_s += 4
    bench.models.tick()
    assert bench.serves() == "old" and bench.phases[-1] == "refused"
    assert bench.phases.count("trial") == 0


def test_one_that_goes_blind_on_trial_gives_way(bench):
    bench.use(4.0)
    bench.look(39)
    bench.now_s += 4
    bench.models.tick()
    assert bench.serves() == "new"
    bench.known["new"].answer = NOTHING
    bench.look(judging.ENOUGH + 1)
    assert bench.serves() == "old" and bench.phases[-1] == "rolled_back"


def test_an_empty_yard_proves_nothing_against_it(bench):
    bench.known["old"].answer = bench.known["new"].answer = NOTHING
    bench.use(4.0)
    bench.look(40)
    bench.now_s += 40
    bench.models.tick()
    bench.look(judging.ENOUGH + 1)
    bench.now_s += models.TRIAL_S
    bench.models.tick()
    assert bench.phases[-1] == "active"


def test_a_new_order_ends_the_one_before(bench):
    bench.known["third"] = Scripted("third")
    bench.use(50.0)
    bench.look(3)
    bench.use(0.0, "third")
    assert bench.known["new"].closed and bench.serves() == "third"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_thread_that_is_lost_in_loading_ends_the_process(bench, monkeypatch, replaced):
    """... also where somebody was impatient, and asked for another model meanwhile."""
    monkeypatch.setattr(models.threading, "Thread", Stuck)
    bench.use(5.0)
    if replaced:
        monkeypatch.setattr(models.threading, "Thread", AtOnce)
        bench.known["third"] = Scripted("third")
        bench.use(0.0, "third")
    bench.now_s += models.LOAD_S - 1
    assert not bench.models.tick()
    bench.now_s += 2
    assert "new hung while it was loaded" in bench.models.tick()
    assert bench.serves() == ("third" if replaced else "old")


def test_one_that_is_lost_in_the_shadow_keeps_nobody_waiting(bench, monkeypatch):
    bench.use(50.0)
    monkeypatch.setattr(models.threading, "Thread", Stuck)
    bench.look(40)
    assert bench.known["old"].calls == 40 and not bench.models.tick()
    bench.now_s += models.LOOK_S
    assert "new hung on a picture" in bench.models.tick()
    assert bench.serves() == "old" and bench.phases[-1] == "refused"
    assert not bench.known["new"].closed, "a thread is in it"


def test_what_hung_for_a_while_and_came_back_ends_nothing(bench, monkeypatch):
    began = []

    class Later(AtOnce):
        def __init__(self, target, args=(), **_):
            began.append(lambda: target(*args))
            self.start = lambda: None

    monkeypatch.setattr(models.threading, "Thread", Later)
    bench.use(5.0)
    monkeypatch.setattr(models.threading, "Thread", AtOnce)
    bench.known["third"] = Scripted("third")
    bench.use(0.0, "third")
    began[0]()
    bench.now_s += models.LOAD_S + 1
    assert not bench.models.tick()
    assert bench.known["new"].closed and bench.serves() == "third"


def test_nothing_is_closed_while_somebody_is_in_it(bench):
    """A looker that is in the old model when it retires comes out of it unharmed."""
    bench.use(0.0)
    with bench.models.borrow() as loaded:
        assert loaded.name == "new"
        bench.use(0.0, "old")  # ends the trial of "new": "old" serves again
        assert not bench.known["new"].closed
    assert bench.serves() == "old"


def test_two_lookers_and_a_change_under_load(monkeypatch):
    """Real threads: nobody is ever in a closed model, and somebody always looks."""
    monkeypatch.setattr(
        models, "load", lambda hello, name, *_, only=False: Loaded(name, Scripted(name), None, "", "")
    )
    monkeypatch.setattr(models, "TRIAL_S", 0.0)
    stop, failed = threading.Event(), []
    changing = Models(Hello("e", "old", (), 1), lambda _: None, failed.append)
    changing.load_first()

    def look():
        picture = Picture("yard", 1, None, Motion(EMPTY, EMPTY))
        try:
            while not stop.is_set():
                with changing.borrow() as loaded:
                    changing.looked(loaded, [picture], loaded.detector.detect([picture]), 1.0)
        except BaseException as error:
            failed.append(error)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    for number in range(100):
        name = ("new", "old")[number % 2]
        changing.use(Use(name, "", 0.001 if number % 3 else 0.0))
        for _ in range(3):
            changing.tick()
    stop.set()
    for looker in lookers:
        looker.join(10)
    assert not failed
