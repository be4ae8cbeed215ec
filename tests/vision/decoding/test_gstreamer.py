"""The pipeline for the Jetson, with software elements in the places of its own. ``gi`` belongs to the
distribution's Python, so a child with its folder on the path does the work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path("/usr/lib/python3/dist-packages")
SAME = f"{sys.version_info.major}{sys.version_info.minor}"

PROGRAM = """
import json, sys
sys.path.append(sys.argv[1])
from functools import partial
from appliance.vision.decoding import probe
from appliance.vision.decoding.decoder import Software
from appliance.vision.decoding.gstreamer import Gstreamer, prepare
from appliance.vision.decoding.planes import luma

codec, element = sys.argv[2:]
if prepare().ElementFactory.find(element) is None:
    sys.exit(77)
clip = probe.make_clip(codec, (322, 182), 16)
software = Software(codec, clip.config)
frames = [f for body, at in clip.packets for f in software.decode(body, at, spare=False)]
truth = {f.pts: luma(f).copy() for f in frames}
found = probe.measure(element, partial(Gstreamer, element, "videoconvert"), clip, truth)

def refused(make):
    try:
        make()
    except RuntimeError as error:
        return str(error)

decoder = Gstreamer(element, "videoconvert", codec, clip.config)
first = decoder.decode(*clip.packets[0], spare=False)
kinds = [(f.format.name, f.width, f.height, f.pts == clip.packets[0][1]) for f in first]
spoilt = Gstreamer(element, "videoconvert", codec, b"nonsense")
def nonsense():
    for number in range(50):
        spoilt.decode(b"\\0\\0\\0\\x05hello", 10**9 + number, spare=False)
broken = refused(nonsense)
spoilt.close()
decoder.close()
decoder.close()
print(json.dumps({
    "reason": found.reason, "kinds": kinds, "broken": broken,
    "closed": refused(lambda: decoder.decode(*clip.packets[0], spare=False)),
    "missing": refused(lambda: Gstreamer("nosuchelement", "videoconvert", codec, clip.config)),
}))
"""


@pytest.mark.parametrize(("codec", "element"), [("h264", "openh264dec"), ("hevc", "libde265dec")])
def test_a_software_element_gives_the_pictures_that_libav_gives(codec, element):
    if not list(FOLDER.glob(f"gi/_gi.cpython-{SAME}-*.so")):
        pytest.skip("no gi for this Python: python3-gi and gir1.2-gst-plugins-base-1.0 bring it")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(FOLDER), codec, element],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 77 or "Namespace" in done.stderr:
        pytest.skip(f"no {element} here: gstreamer1.0-plugins-bad brings it")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["reason"] == ""
    assert said["kinds"] in ([], [["nv12", 322, 182, True]])
    assert said["broken"]
    assert said["closed"] == "the decoder is closed"
    assert "nosuchelement" in said["missing"]
