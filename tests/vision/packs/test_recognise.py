"""Families from graphs: each exporter's shapes, the real models, and what stays open."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.packs.header import Header, Port
from appliance.vision.packs.reading import read_header
from appliance.vision.packs.recognise import recognise

ULTRALYTICS = {
    "names": "{0: 'person', 1: 'car'}",
    "stride": "32",
    "task": "detect",
    "imgsz": "[480, 640]",
    "license": "AGPL-3.0 License (https://ultralytics.com/license)",
    "author": "Ultralytics",
}


def graph(size, *outputs, notes=None, inputs=()):
    ports = (Port("images", (1, 3, *size), "float32"), *inputs)
    return Header(ports, tuple(Port(name, shape) for name, shape in outputs), notes or {})


@pytest.mark.parametrize(
    ("size", "outputs", "found"),
    [
        ((640, 640), [("output0", (1, 25200, 85))], [("yolo", 80)]),
        ((640, 640), [("output0", (1, 84, 8400))], [("yolo", 80)]),
        ((480, 640), [("output0", (1, 6, 6300))], [("yolo", 2)]),
        ((640, 640), [("output0", (1, 300, 6))], [("yolo", None)]),
        ((416, 416), [("output", (1, 3549, 85))], [("yolox", 80), ("nanodet", 53)]),
        ((416, 416), [("output", (1, 3549, 8))], [("yolox", 3)]),
        ((416, 416), [("output", (1, 3598, 112))], [("nanodet", 80)]),
        ((320, 320), [("output", (1, 2125, 112))], [("nanodet", 80)]),
        ((None, None), [("output", (None, None, 85))], [("yolo", 80), ("yolox", 80)]),
        ((640, 640), [("labels", (1, 300)), ("boxes", (1, 300, 4)), ("scores", (1, 300))], [("detr", None)]),
        ((560, 560), [("dets", (1, 300, 4)), ("labels", (1, 300, 91))], [("detr", 91)]),
        ((640, 640), [("dets", (1, 100, 5)), ("labels", (1, 100))], []),
        ((320, 544), [("detection_out", (1, 1, 200, 7))], [("openvino-ssd", None)]),
        ((480, 864), [("boxes", (None, 5)), ("labels", (None,))], [("openvino-ssd", None)]),
        ((224, 224), [("logits", (1, 7))], [("classifier", 7)]),
        ((640, 640), [("anything", (1, 17, 17, 3))], []),
        ((640, 640), [("anything", (1, 4000, 85))], []),
    ],
)
def test_shapes(size, outputs, found):
    readings = recognise(graph(size, *outputs)).readings
    assert [(reading.family, reading.classes) for reading in readings] == found


def test_scores_and_distributions_at_each_stride():
    cells = [(1600, 80), (400, 80), (100, 80), (25, 80)]
    ports = [(f"cls{rows}", (1, rows, columns)) for rows, columns in cells]
    ports += [(f"reg{rows}", (1, rows, 32)) for rows, _ in cells]
    assert recognise(graph((320, 320), *ports)).readings[0].family == "picodet"
    older = [(name.replace("reg", "dis_pred_stride_"), shape) for name, shape in ports if "25" not in name]
    assert recognise(graph((320, 320), *older)).readings[0].family == "nanodet"


def test_what_ultralytics_writes_is_used():
    found = recognise(graph((None, None), ("output0", (1, 6, None)), notes=ULTRALYTICS))
    assert (found.width, found.height) == (640, 480)
    assert found.labels == ("person", "car") and found.licence.startswith("AGPL-3.0")
    assert [(reading.family, reading.classes) for reading in found.readings] == [("yolo", 2)]


def test_an_ultralytics_model_is_never_taken_for_another():
    found = recognise(graph((416, 416), ("output0", (1, 3549, 85)), notes=ULTRALYTICS))
    assert not {reading.family for reading in found.readings} & {"yolox", "nanodet"}


@pytest.mark.parametrize("task", ["segment", "pose", "obb"])
def test_another_task_is_refused(task):
    with pytest.raises(ApplianceError, match=task):
        recognise(graph((640, 640), ("output0", (1, 84, 8400)), notes=ULTRALYTICS | {"task": task}))


@pytest.mark.parametrize(
    "names", ["__import__('os')", "[" * 5000, "{0: 1", "{1: 'a'}", "5", "{0: ''}", "x" * 300_000]
)
def test_names_that_are_none_are_left_out(names):
    found = recognise(graph((640, 640), ("output0", (1, 6, 8400)), notes=ULTRALYTICS | {"names": names}))
    assert found.labels == ()


def test_the_number_of_labels_decides():
    found = recognise(graph((416, 416), ("output", (1, 3549, 112))))
    assert [reading.family for reading in found.fitting(80)] == ["nanodet"]
    assert [reading.family for reading in found.fitting(107)] == ["yolox"]
    assert found.fitting(5) == ()


def test_no_pictures_no_detector():
    with pytest.raises(ApplianceError, match="takes no pictures"):
        recognise(Header((Port("ids", (1, 128), "int64"),), (Port("logits", (1, 2)),)))


@pytest.mark.parametrize(
    ("file", "family", "size"),
    [
        ("deimv2_femto_416.onnx", "detr", (416, 416)),
        ("yolox_nano_416.onnx", "yolox", (416, 416)),
        ("person-vehicle-bike-detection-2003-FP16.xml", "openvino-ssd", (864, 480)),
        ("yunet_s_640.onnx", None, (640, 640)),
    ],
)
def test_real_models(assets, file, family, size):
    found = recognise(read_header(assets / "models" / file))
    assert (found.width, found.height) == size
    families = [reading.family for reading in found.fitting(80 if family == "yolox" else None)]
    assert families == ([family] if family else [])
