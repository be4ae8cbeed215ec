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
