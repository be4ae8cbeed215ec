"""Which detector comes of a choice: the best backend that takes it, and in which words not a better one."""

import msgspec
import pytest

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.detectors import NOTHING
from appliance.vision.detectors.choice import Machine
from appliance.vision.detectors.failures import Lost, OutOfMemory, Unbuilt
from appliance.vision.messages import EngineLack, Hello
from appliance.vision.packs.pack import Pack, PackFile
from appliance.vision.worker import loading
from appliance.vision.worker.loading import load

PACK = Pack("mine", "1", "yolox", (PackFile("m.onnx", "0"),), 64, 64, ("goose",), "MIT", "me")
HELLO = Hello("e", "mine", (), 1)


class Told:
    """A detector that cannot be loaded, or can, on a device."""

    labels, most = ("goose",), 1

    def __init__(self, name, error=None, device="CPU"):
        self.name, self.error, self.device = name, error, device

    def load(self, pack, threads):
        if self.error is not None:
            raise self.error

    def detect(self, batch):
        return [NOTHING] * len(batch)

    def close(self): ...


@pytest.fixture
def box(monkeypatch):
    """Backend -> what it is; change it."""
    made = {
        "tensorrt": Told("tensorrt", device="NVIDIA Orin, compute 8.7, tensorrt 10.16, fp16"),
        "openvino": Told("openvino", device="GPU.0"),
        "onnxruntime": Told("onnxruntime"),
        "motion": Told("motion"),
    }
    machine = Machine(frozenset(made) - {"motion"}, True, "an Intel GPU")
    monkeypatch.setattr(loading.installed, "choose", lambda choice, folders: (PACK, ""))
    monkeypatch.setattr(loading, "this_machine", lambda: machine)
    monkeypatch.setattr(loading.detectors, "make", made.__getitem__)
    return made


def test_people_see_library_and_device(box):
    loaded = load(HELLO, "mine", "auto")
    assert loaded.runs_on == "tensorrt, NVIDIA Orin, compute 8.7, tensorrt 10.16, fp16"
    assert loaded.reason == "" and loaded.lack is None and "NVIDIA GPU" in loaded.because
    assert load(HELLO, "mine", "openvino").runs_on == "openvino, GPU.0"
    assert load(HELLO, "mine", "onnxruntime").runs_on == "onnxruntime, CPU"
    assert loading.motion(HELLO, "").runs_on == "built in"


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_while_its_engine_is_not_built_the_next_one_looks(box, backend):
    box["tensorrt"].error = Unbuilt("unavailable", "there is no engine", "later")
    loaded = load(HELLO, "mine", backend)
    assert (loaded.backend, loaded.reason, loaded.lack) == ("openvino", "", EngineLack("mine"))
    assert loaded.because == "tensorrt does not run it: there is no engine"
    box["tensorrt"].error = Unbuilt("data_loss", "refused", "", refused="x.engine")
    assert load(HELLO, "mine", backend).lack == EngineLack("mine", "x.engine")


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_while_the_chip_has_no_memory_the_next_one_looks(box, backend):
    box["tensorrt"].error = OutOfMemory("the GPU is out of memory")
    loaded = load(HELLO, "mine", backend)
    assert (loaded.backend, loaded.reason) == ("openvino", "")
    assert loaded.lack == EngineLack("mine", short=True) and "out of memory" in loaded.because


def test_what_cannot_is_passed_over_and_by_hand_it_is_said(box):
    box["tensorrt"].error = ApplianceError("unavailable", "the GPU does not answer")
    box["openvino"].error = invalid("no Frobnicate")
    loaded = load(HELLO, "mine", "auto")
    assert (loaded.backend, loaded.reason, loaded.lack) == ("onnxruntime", "", None)
    assert loaded.because == "tensorrt does not run it: the GPU does not answer"
    assert load(HELLO, "mine", "tensorrt").reason == loaded.because
    assert load(HELLO, "mine", "openvino").reason == "openvino does not run it: no Frobnicate"


def test_only_that_one(box):
    box["tensorrt"].error = Unbuilt("data_loss", "refused", "", refused="x.engine")
    with pytest.raises(Unbuilt):
        load(HELLO, "mine", "tensorrt", only=True)
    box["tensorrt"].error = None
    assert load(HELLO, "mine", "tensorrt", only=True).backend == "tensorrt"


@pytest.mark.parametrize("kind", ["data_loss", "exhausted"])
def test_what_no_other_would_mend_is_not_tried_again(box, kind):
    """A second runtime that reads a file of a hundred gigabytes is a second too late to say no."""
    box["openvino"].error = ApplianceError(kind, "no")
    with pytest.raises(ApplianceError, match="no"):
        load(HELLO, "mine", "openvino")


def test_a_card_without_memory_leaves_the_boxs(box):
    box["tensorrt"].error = OutOfMemory("no")
    assert load(HELLO, "mine", "tensorrt").backend == "openvino"


def test_where_nothing_runs_it_the_first_reason_is_raised(box):
    for name in ("tensorrt", "openvino", "onnxruntime"):
        box[name].error = invalid(f"{name} cannot")
    with pytest.raises(ApplianceError, match="tensorrt cannot"):
        load(HELLO, "mine", "auto")


def test_a_lost_device_is_nobody_s_fallback(box):
    box["tensorrt"].error = Lost("the GPU failed")
    with pytest.raises(Lost):
        load(HELLO, "mine", "auto")


def test_no_pack_is_motion_or_with_only_nothing(box, monkeypatch):
    monkeypatch.setattr(loading.installed, "choose", lambda choice, folders: (None, "there is none"))
    loaded = load(HELLO, "mine", "auto")
    assert (loaded.name, loaded.reason) == ("motion", "there is none")
    with pytest.raises(ApplianceError, match="mine"):
        load(HELLO, "mine", "tensorrt", only=True)


def test_openvino_files_have_one_backend(box, monkeypatch):
    pack = msgspec.structs.replace(PACK, files=(PackFile("m.xml", "0"), PackFile("m.bin", "0")))
    monkeypatch.setattr(loading.installed, "choose", lambda choice, folders: (pack, ""))
    box["openvino"].error = invalid("it is torn")
    with pytest.raises(ApplianceError, match="it is torn"):
        load(HELLO, "mine", "auto")


def test_it_is_timed_once_it_is_warm(box, monkeypatch):
    """What a model takes is known before anybody waits for it; reading and optimising it do not count."""
    now_s = iter((0.0, 7.0, 7.25, 7.5))  # begun; loaded; one picture later; told
    monkeypatch.setattr(loading.time, "monotonic", lambda: next(now_s))
    loaded = load(HELLO, "mine", "auto")
    assert (loaded.first_ms, loaded.load_ms) == (250.0, 7500.0)
