"""What OpenVINO alone must be held to."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino")
ROOT = Path(__file__).resolve().parents[3]


def test_it_reports_to_nobody_and_leaves_nothing_at_home(tmp_path):
    """Its wheel brings a reporter, which would write an id as soon as openvino is imported."""
    program = (
        "import socket\n"
        "def refuse(*_): raise SystemExit('a socket was opened')\n"
        "socket.socket = refuse\n"
        "import appliance.vision.detectors.openvino as backend\n"
        "backend.openvino.Core().available_devices\n"
    )
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_signals_are_handled_after_models_came_and_went():
    """Each of its runtimes leaves a signal stack behind (see ``core``)."""
    program = (
        "import faulthandler, gc, os, signal\n"
        "faulthandler.enable()\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('handled'))\n"
        "import numpy, openvino\n"
        "from openvino import opset8\n"
        "from appliance.vision.detectors.openvino import core\n"
        "there = [core(), core()]\n"
        "port = opset8.parameter([1, 8], numpy.float32)\n"
        "made = [each.compile_model(openvino.Model([port], [port]), 'CPU') for each in there]\n"
        "while there:\n"
        "    del made[0], there[0]\n"
        "    gc.collect()\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_it_opens_a_model_beside_another_library_of_its_making(tmp_path):
    """Pulsar's client is made with pybind11, too, and its handler of exceptions is everybody's."""
    pytest.importorskip("pulsar")
    program = (
        "import pulsar\n"
        "import appliance.vision.detectors.openvino as backend\n"
        "shape = backend.openvino.PartialShape([1, -1, 8, 8])\n"
        "assert backend._shape(shape) == (1, None, 8, 8)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
