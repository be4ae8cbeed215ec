"""The second look: what is cut out, and how both looks become one."""

import av
import numpy as np
import pytest

from appliance.vision.decoding.planes import luma
from appliance.vision.detectors import Detections, Picture
from appliance.vision.looking.crops import Region
from appliance.vision.looking.gate import Motion
from appliance.vision.packs.catalogue import KNOWN
from appliance.vision.worker import closer
from appliance.vision.worker.closer import Closer, joined
from appliance.vision.worker.models import Loaded


def found(*rows):
    """(x1, y1, x2, y2, score, class) each."""
    table = np.array(rows, np.float32).reshape(len(rows), 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))


@pytest.fixture
def picture():
    """1920x1080 with a white square of 40x80 pixels at (1000, 500), where something moves."""

    def make(format_):
        rgb = np.full((1080, 1920, 3), 60, np.uint8)
        rgb[500:580, 1000:1040] = 255
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=format_)
        mask = np.zeros((54, 96), np.bool_)
        mask[25:29, 50:52] = True
        return Picture("yard", 1, frame, Motion(mask, mask))

    return make


class Finder:
    """Finds white things: their box, at most one per picture."""

    most = 1
    labels = ("thing",)
    name = "finder"

    def __init__(self):
        self.sizes = []

    def load(self, pack, threads): ...
    def close(self): ...

    def detect(self, batch):
        return [self._find(picture.frame) for picture in batch]

    def _find(self, frame):
        self.sizes.append((frame.width, frame.height))
        bright = luma(frame) > 150
        rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
        if frame.width > 1000:
            return found()  # too small for it
        box = (
            columns[0] / frame.width,
            rows[0] / frame.height,
            (columns[-1] + 1) / frame.width,
            (rows[-1] + 1) / frame.height,
        )
        return found((*box, 0.8, 0))


@pytest.mark.parametrize("format_", ["yuv420p", "yuvj420p", "nv12"])
def test_a_small_thing_is_found_at_its_place(picture, format_):
    finder = Finder()
    (seen,) = Closer(2).detect(Loaded("finder", finder, KNOWN[0], "", ""), [picture(format_)])
    assert finder.sizes == [(1920, 1080), (416, 416)]
    expected = np.array([[1000 / 1920, 500 / 1080, 1040 / 1920, 580 / 1080]])
    assert np.abs(seen.boxes - expected).max() < 1.5 / 1080
    assert np.all(picture(format_).frame.to_ndarray(format="rgb24")[540, 1020] > 200)  # untouched


@pytest.mark.parametrize("format_", ["yuv420p", "nv12"])
def test_a_part_has_the_colours_of_the_whole(picture, format_):
    whole = picture(format_)
    part = closer._cut(whole, Region(900, 400, 416, 416)).frame.to_ndarray(format="rgb24")
    cut = whole.frame.to_ndarray(format="rgb24")[400:816, 900:1316]
    assert np.abs(part.astype(int) - cut.astype(int))[8:-8, 8:-8].max() < 8


def test_without_time_to_spare_there_is_one_look(picture):
    finder, busy = Finder(), Closer(2)
    assert busy.spare
    busy.worked(4.0)
    assert not busy.spare
    busy.detect(Loaded("finder", finder, KNOWN[0], "", ""), [picture("yuv420p")])
    assert finder.sizes == [(1920, 1080)]


def test_what_both_saw_is_there_once_as_the_surer_saw_it():
    far = found((0.1, 0.1, 0.2, 0.3, 0.9, 0), (0.5, 0.5, 0.6, 0.6, 0.3, 1))
    near = found((0.11, 0.1, 0.2, 0.3, 0.5, 0), (0.5, 0.5, 0.6, 0.61, 0.8, 1), (0.8, 0.8, 0.9, 0.9, 0.6, 0))
    both = joined(far, near)
    assert both.scores.tolist() == pytest.approx([0.9, 0.8, 0.6])
    assert both.classes.tolist() == [0, 1, 0]
    assert len(joined(found(), near)) == 3 and len(joined(far, found())) == 2


def test_a_bag_on_a_person_stays_a_bag():
    both = joined(found((0.1, 0.1, 0.3, 0.9, 0.9, 0)), found((0.15, 0.4, 0.25, 0.6, 0.7, 1)))
    assert len(both) == 2
