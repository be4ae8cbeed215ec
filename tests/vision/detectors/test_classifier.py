"""Names for boxes that others found."""

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from appliance.base.errors import ApplianceError
from appliance.vision.detectors.classifier import Classifier, Crop
from appliance.vision.detectors.crop import crop

EXACT = Interpolation.AREA | Interpolation.ACCURATE_RND
COLOURS = ("red", "green", "blue")


def pack(graph, softmax):
    """The mean of each channel decides."""
    g = graph()
    means = g.op("Flatten", g.op("GlobalAveragePool", "images"))
    logits = g.op("Mul", means, g.const(np.float32(8)))
    return g.pack("classifier", {"out": g.op("Softmax", logits) if softmax else logits}, labels=COLOURS)


def painted(pix_fmt="yuv420p"):
    """Three fields, red, green and blue, on grey."""
    image = np.full((120, 200, 3), 90, np.uint8)
    for number in range(3):
        image[40:80, 20 + 60 * number : 60 + 60 * number] = np.eye(3, dtype=np.uint8)[number] * 220
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)


def field(number):
    return np.array([20 + 60 * number, 40, 60 + 60 * number, 80], np.float32) / np.array([200, 120] * 2)


@pytest.mark.parametrize("softmax", [False, True])
def test_each_crop_gets_its_name(backend, graph, softmax):
    classifier = Classifier(backend)
    classifier.load(pack(graph, softmax), 1)
    verdicts = classifier.classify([Crop(painted(), field(number)) for number in (2, 0, 1, 0)])
    assert [classifier.labels[verdict.label] for verdict in verdicts] == ["blue", "red", "green", "red"]
    assert all(0.9 < verdict.score <= 1 for verdict in verdicts)
    assert classifier.classify([]) == []
    classifier.close()
    classifier.close()
    with pytest.raises(ApplianceError):
        classifier.classify([])


def test_a_detector_s_pack_is_refused(backend, tiny):
    with pytest.raises(ApplianceError, match="no classifier"):
        Classifier(backend).load(tiny("yolox"), 1)


def test_motion_classifies_nothing():
    with pytest.raises(ApplianceError, match="runs no models"):
        Classifier("motion")


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuvj422p", "yuv444p", "nv12", "yuv420p10le", "rgb24", "gbrp"]
)
def test_a_crop_is_the_part_of_the_picture(pix_fmt):
    frame = painted(pix_fmt)
    whole = frame.reformat(format="gbrp", interpolation=EXACT).to_ndarray().astype(int)
    for box, (left, top, right, bottom) in [
        ((0.1, 1 / 3, 0.3, 2 / 3), (20, 40, 60, 80)),
        ((0.105, 0.34, 0.299, 0.66), (20, 40, 60, 80)),
        ((-1.0, -1.0, 2.0, 2.0), (0, 0, 200, 120)),
        ((0.995, 0.995, 1.0, 1.0), (192, 112, 200, 120)),
    ]:
        part = crop(frame, np.array(box))
        assert (part.width, part.height, part.format.name) == (right - left, bottom - top, frame.format.name)
        inner = part.reformat(format="gbrp", interpolation=EXACT).to_ndarray().astype(int)[2:-2, 2:-2]
        assert np.abs(inner - whole[top + 2 : bottom - 2, left + 2 : right - 2]).max() <= 2
