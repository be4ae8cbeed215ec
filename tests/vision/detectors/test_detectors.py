"""One contract for all detectors; the families' decoding against plain loops."""

import math

import av
import numpy as np
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.decoding.planes import luma, plane
from appliance.vision.detectors import LOWEST_SCORE, Picture, detr, motion, yolox
from appliance.vision.looking.gate import Gate, Motion
from appliance.vision.packs import catalogue, installed

NAMES = ("motion", "deimv2-femto", "yolox-nano")


@pytest.fixture(params=NAMES)
def detector(request):
    pack = None
    if request.param != "motion":
        pack, reason = installed.choose(request.param, [request.getfixturevalue("assets")])
        if pack is None:
            pytest.skip(reason)
    made = detectors.make("onnxruntime" if pack else "motion")
    made.load(pack, 1)
    yield made
    made.close()
    made.close()


def picture(width, height, pix_fmt="yuv420p", square=True):
    image = np.full((height, width, 3), 100, np.uint8)
    if square:
        image[height // 4 : height // 2, width // 4 : width // 2] = (250, 220, 30)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
    gate = Gate()
    empty = av.VideoFrame.from_ndarray(np.full_like(image, 100), format="rgb24").reformat(format=pix_fmt)
    gate.look(luma(empty), 0)
    return Picture("yard", 200_000_000, frame, gate.look(luma(frame), 200_000_000))


@pytest.mark.parametrize("size", [(768, 432), (320, 240), (432, 768), (101, 57), (16, 16)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj422p", "yuv420p10le"])
def test_contract(detector, size, pix_fmt):
    batch = [picture(*size, pix_fmt), picture(*size, pix_fmt, square=False)]
    answers = detector.detect(batch)
    assert len(answers) == 2
    assert detector.detect([]) == []
    for found in answers:
        assert found.boxes.shape == (len(found), 4) and found.boxes.dtype == np.float32
        assert np.all((found.boxes >= 0) & (found.boxes <= 1))
        assert np.all(found.boxes[:, 2:] > found.boxes[:, :2])
        assert np.all((found.scores >= LOWEST_SCORE) & (found.scores <= 1))
        assert np.all(np.diff(found.scores) <= 0)
        assert all(0 <= number < len(detector.labels) for number in found.classes)


def test_the_models_see_the_person_in_the_footage(detector, footage):
    if detector.name == "motion":
        pytest.skip("motion knows no persons")
    with av.open(str(footage)) as container:
        frame = next(f for f in container.decode(video=0) if f.time > 12.0)
    empty = np.zeros((54, 96), np.bool_)
    (found,) = detector.detect([Picture("hall", 0, frame, Motion(empty, empty))])
    assert detector.labels[found.classes[0]] == "person"
    assert found.scores[0] > 0.7
    assert found.boxes[0] == pytest.approx([0.5, 0.03, 0.68, 0.92], abs=0.06)  # by eye


def test_the_motion_detector_boxes_what_moved():
    (found,) = detectors.make("motion").detect([picture(960, 540)])
    assert found.boxes[0] == pytest.approx([0.25, 0.25, 0.5, 0.5], abs=0.03)


def test_an_unknown_backend_names_the_known_ones():
    with pytest.raises(ApplianceError, match="onnxruntime") as caught:
        detectors.make("crystal-ball")
    assert caught.value.kind == "not_found"


def test_labels_are_connected_blobs():
    mask = np.zeros((12, 12), np.bool_)
    mask[1:3, 1:4] = True
    mask[3, 4] = True  # over a corner
    mask[8:11, 6:8] = True
    mask[8:11, 9:11] = True  # a U: two towers ...
    mask[10, 6:11] = True  # ... on one floor
    assert sorted(motion.label(mask)) == [(1, 1, 5, 4, 7), (6, 8, 11, 11, 13)]
    assert motion.label(np.zeros((3, 3), np.bool_)) == []


def test_detr_decode_is_a_threshold():
    random = np.random.default_rng(3)
    labels = random.integers(0, 80, 300)
    boxes = random.random((300, 4)).astype(np.float32)
    scores = random.random(300).astype(np.float32) * 0.3
    found = detr.decode(labels, boxes, scores)
    plain = []
    for label, (x1, y1, x2, y2), score in zip(labels, boxes, scores, strict=True):
        if score >= LOWEST_SCORE and x2 - x1 > 1e-4 and y2 - y1 > 1e-4:
            plain.append((float(score), int(label), float(x1), float(y1), float(x2), float(y2)))
    plain.sort(key=lambda row: -row[0])
    rows = [
        (float(s), int(c), *map(float, b))
        for s, c, b in zip(found.scores, found.classes, found.boxes, strict=True)
    ]
    assert rows == plain


def plain_yolox(raw, wide, high):
    """Decode and NMS with loops, straight from the paper."""
    rows, index = [], 0
    for stride in (8, 16, 32):
        for y in range(high // stride):
            for x in range(wide // stride):
                cx, cy, w, h, objectness, *classes = (float(v) for v in raw[index])
                index += 1
                best = max(range(len(classes)), key=lambda c: classes[c])
                score = objectness * classes[best]
                if score >= LOWEST_SCORE:
                    cx, cy, w, h = (
                        (cx + x) * stride,
                        (cy + y) * stride,
                        math.exp(w) * stride,
                        math.exp(h) * stride,
                    )
                    rows.append((score, best, cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2))
    rows.sort(key=lambda row: -row[0])
    kept = []
    for row in rows:
        if all(row[1] != other[1] or plain_iou(row[2:], other[2:]) <= yolox.NMS_IOU for other in kept):
            kept.append(row)
    return kept


def plain_iou(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, wide) * max(0.0, high)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


@pytest.mark.parametrize("seed", range(5))
def test_yolox_decode_equals_loops(seed):
    random = np.random.default_rng(seed)
    wide, high, classes = 128, 96, 4
    corners, strides = yolox.grid(wide, high)
    raw = random.normal(0, 0.7, (len(corners), 5 + classes)).astype(np.float32)
    raw[:, 4:] = random.random((len(corners), 1 + classes)) ** 4
    boxes, scores, numbers = yolox.decode(raw, corners, strides)
    found = sorted(zip(scores.tolist(), numbers.tolist(), *boxes.T.tolist(), strict=True), reverse=True)
    plain = sorted(plain_yolox(raw, wide, high), reverse=True)
    assert len(found) == len(plain) > 5
    assert np.allclose(found, plain, atol=1e-3)


def test_the_letterbox_is_at_the_top_left():
    family = yolox.Yolox(catalogue.KNOWN[1])
    tensor = np.zeros((3, 416, 416), np.float32)
    image = np.zeros((432, 768, 3), np.uint8)
    image[..., 2] = 255  # blue
    scale = family.fill(av.VideoFrame.from_ndarray(image, format="rgb24"), tensor)
    assert scale == pytest.approx(416 / 768)
    assert tensor[0, 100, 100] > 250 and tensor[2, 100, 100] < 5  # BGR
    assert np.all(tensor[:, 235:] == 114)


def test_luma_of_deep_pictures_is_the_upper_bits():
    deep = av.VideoFrame.from_ndarray(np.full((64, 64), 200, np.uint8), format="gray").reformat(
        format="yuv420p10le"
    )
    flat = av.VideoFrame.from_ndarray(np.full((64, 64), 200, np.uint8), format="gray").reformat(
        format="yuv420p"
    )
    assert abs(int(luma(deep)[5, 5]) - int(plane(flat, 0)[5, 5])) <= 1
