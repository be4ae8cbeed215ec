"""FP16 models against the FP32 ones they are made of, in average precision.

There are no pictures here with boxes drawn by people, so what the FP32 model is sure of is the truth: FP32
scores 100 against it, and FP16 must come within half a point, from IoU 0.5 to 0.95 as COCO counts.
"""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from appliance.vision.boxes import iou
from appliance.vision.packs.pack import PackFile, sha256

SURE = 0.3


def average_precision(truths, answers, limit):
    """COCO's: 101 points of the envelope of precision over recall, for one class. ``truths``: boxes of each
    picture; ``answers``: (score, picture, box)."""
    total = sum(map(len, truths))
    taken = [np.zeros(len(boxes), np.bool_) for boxes in truths]
    hits = []
    for _, number, box in sorted(answers, key=lambda answer: -answer[0]):
        shared = iou(box[None], truths[number])[0] if len(truths[number]) else np.zeros(0)
        shared = np.where(taken[number], -1, shared)
        hit = bool(len(shared)) and shared.max() >= limit
        if hit:
            taken[number][shared.argmax()] = True
        hits.append(hit)
    right = np.cumsum(hits)
    recall, precision = right / total, right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    where = np.searchsorted(recall, np.linspace(0, 1, 101) - 1e-9)
    return float(np.mean([envelope[at] if at < len(envelope) else 0.0 for at in where]))


def mean_ap(truth, found):
    """Over classes and IoU .50:.05:.95, in points."""
    classes = {int(number) for each in truth for number in each.classes}
    points = []
    for number in classes:
        boxes = [each.boxes[each.classes == number] for each in truth]
        answers = [
            (float(score), picture, box)
            for picture, each in enumerate(found)
            for score, box, label in zip(each.scores, each.boxes, each.classes, strict=True)
            if label == number
        ]
        points += [average_precision(boxes, answers, limit) for limit in np.arange(0.5, 0.96, 0.05)]
    return 100 * float(np.mean(points))


def test_the_measure_itself():
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    first, second = (0.9, 0, boxes[0]), (0.8, 0, boxes[1])
    stray = (0.85, 0, np.array([50, 50, 60, 60], np.float32))
    assert average_precision([boxes], [first, second], 0.5) == pytest.approx(1.0)
    assert average_precision([boxes], [first], 0.5) == pytest.approx(51 / 101)
    assert average_precision([boxes], [first, stray, second], 0.5) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert average_precision([boxes], [first, first], 0.5) == pytest.approx(51 / 101)  # twice is once


@pytest.mark.parametrize("name", ["deimv2-femto", "yolox-nano"])
def test_half_precision_keeps_the_average_precision(backend, name, known, loaded, filmed, tmp_path):
    pytest.importorskip("onnx", reason="FP16 models are written with onnx")
    from appliance.vision.detectors.half import halve

    pack = known(name)
    path = tmp_path / "half.onnx"
    halve(pack.file(".onnx"), path)
    assert path.stat().st_size < 0.6 * Path(pack.folder, pack.files[0].path).stat().st_size
    half = msgspec.structs.replace(pack, files=(PackFile(path.name, sha256(path)),), folder=str(tmp_path))
    assert len(filmed) >= 50
    full = loaded(backend, pack).detect(filmed)
    truth = [each.above(SURE) for each in full]
    assert sum(map(len, truth)) > 50
    best = mean_ap(truth, full)
    assert best > 99.9
    assert mean_ap(truth, loaded(backend, half).detect(filmed)) > best - 0.5


def test_a_pack_that_lets_the_chip_round_keeps_its_average_precision(known, loaded, filmed):
    pytest.importorskip("openvino", reason="only OpenVINO rounds by itself")
    pack = known("pvb-2003")
    assert pack.precision == "half"
    full = loaded("openvino", msgspec.structs.replace(pack, precision="f32")).detect(filmed)
    truth = [each.above(SURE) for each in full]
    best = mean_ap(truth, full)
    assert best > 99.9
    assert mean_ap(truth, loaded("openvino", pack).detect(filmed)) > best - 0.5
