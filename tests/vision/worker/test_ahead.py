"""What is done before the sandbox closes, for which order, and in which order."""

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.decoding.paths import Measured
from appliance.vision.detectors.choice import Machine
from appliance.vision.messages import Hello
from appliance.vision.worker import ahead

JETSON = "nvv4l2decoder"


class Box:
    """Notes what is done; ``chips``, ``landlock``: what there is of them."""

    def __init__(self, monkeypatch):
        self.done, self.chips, self.landlock = [], [], True
        self.found = [Measured("cuda", "h264", 0.1)]
        self.backends = {}
        self.machine = Machine(frozenset({"tensorrt", "onnxruntime"}), True, "")
        for name in ("survey", "devices", "enclose", "confine"):
            monkeypatch.setattr(ahead, name, getattr(self, name))
        monkeypatch.setattr(ahead.detectors, "prepare", self.prepare)
        monkeypatch.setattr(ahead.gstreamer, "prepare", lambda: self.done.append("gstreamer"))
        real = ahead.candidates
        monkeypatch.setattr(ahead, "candidates", lambda wanted: real(wanted, self.machine))

    def survey(self):
        self.done.append("survey")
        return self.found

    def devices(self):
        return self.chips

    def enclose(self, read, write):
        self.done.append("landlock")
        self.read, self.write = list(read), list(write)
        return self.landlock

    def prepare(self, backend):
        self.done.append(backend)
        if (error := self.backends.get(backend)) is not None:
            raise error

    def confine(self, *, devices):
        self.done.append(f"confined, devices {devices}")
        return True

    def ready(self, choice="deimv2-femto", backend="auto", decoder="auto"):
        self.done.clear()
        return ahead.get_ready(Hello("e", choice, (), 1, backend, decoder))


@pytest.fixture
def box(monkeypatch):
    return Box(monkeypatch)


def test_a_gpu_is_opened_behind_landlock_and_before_the_filter(box):
    box.chips = ["/dev/nvidia0"]
    assert box.ready() == box.found
    assert box.done == ["survey", "landlock", "tensorrt", "onnxruntime", "confined, devices True"]


def test_without_landlock_the_filter_lets_nothing_pass(box):
    box.chips, box.landlock = ["/dev/nvidia0"], False
    box.ready()
    assert box.done[-1] == "confined, devices False"


def test_a_box_without_chips_prepares_what_it_uses(box):
    box.machine = Machine(frozenset({"tensorrt", "openvino", "onnxruntime"}), False, "")
    box.ready()
    assert box.done == ["survey", "landlock", "onnxruntime", "confined, devices False"]
    box.ready(backend="openvino")
    assert box.done == ["survey", "landlock", "openvino", "confined, devices False"]
    box.ready(choice="motion")
    assert box.done == ["survey", "landlock", "confined, devices False"]


@pytest.mark.parametrize(
    "error", [ImportError("no libcuda"), OSError("no .so"), ApplianceError("unavailable", "no answer")]
)
def test_what_cannot_be_prepared_stops_nothing(box, error):
    box.backends["tensorrt"] = error
    box.ready()
    assert box.done == ["survey", "landlock", "tensorrt", "onnxruntime", "confined, devices False"]


@pytest.mark.parametrize(
    ("reason", "decoder", "started"),
    [("", "auto", True), ("", JETSON, True), ("it hangs", "auto", False), ("", "cuda", False)],
)
def test_gstreamer_is_started_where_it_will_decode(box, reason, decoder, started):
    box.found = [Measured(JETSON, "h264", 0.1, reason=reason)]
    box.ready(decoder=decoder)
    assert ("gstreamer" in box.done) is started


def test_after_a_decoder_that_hung_no_driver_is_tried(box):
    assert box.ready(decoder="software") == [] and "survey" not in box.done


def test_motion_loads_no_library_of_any_model():
    code = (
        "import sys\n"
        "from appliance.vision.messages import Hello\n"
        "from appliance.vision.worker import ahead\n"
        "ahead.survey = lambda: []\n"
        "ahead.get_ready(Hello('e', sys.argv[1], (), 1, sys.argv[2]))\n"
        "print(sorted({'onnxruntime', 'openvino', 'tensorrt_rtx_bindings'} & set(sys.modules)))"
    )

    def loaded(*order):
        child = [sys.executable, "-c", code, *order]
        done = subprocess.run(child, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert loaded("motion", "auto") == "[]"
    assert loaded("deimv2-femto", "onnxruntime") == "['onnxruntime']"


def test_it_reads_its_program_and_its_models_and_those_may_come_later(box, tmp_path, monkeypatch):
    models, engines = tmp_path / "models", tmp_path / "engines"
    monkeypatch.setenv("ARIES_ENGINES", str(engines))
    ahead.get_ready(Hello("e", "motion", (str(models), "/nowhere/assets"), 1))
    assert models.is_dir() and engines.is_dir()  # else they could not be opened when they are made
    assert {models, engines, Path("/usr"), Path(sys.prefix)} <= set(box.read)
    assert not {Path("/"), Path("/etc"), Path("/etc/aries"), tmp_path, Path("/var")} & set(box.read)
    assert box.write == []
