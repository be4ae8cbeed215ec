"""What an installer is told about a pack that cannot be used."""

import msgspec
import numpy as np
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.packs.pack import PackFile, sha256


def again(pack):
    """The pack with the right hash of whatever its file is now."""
    path = f"{pack.folder}/{pack.files[0].path}"
    with open(path, "rb"):
        pass
    from pathlib import Path

    return msgspec.structs.replace(pack, files=(PackFile(pack.files[0].path, sha256(Path(path))),))


def refused(backend, pack):
    with pytest.raises(ApplianceError) as caught:
        detectors.make(backend).load(pack, 1)
    assert caught.value.hint and len(str(caught.value)) < 600
    assert pack is None or pack.folder not in str(caught.value)
    return caught.value


def test_no_pack(backend):
    assert refused(backend, None).kind == "invalid"


def test_a_torn_file(backend, tiny):
    from pathlib import Path

    pack = tiny("yolox")
    path = Path(pack.folder, pack.files[0].path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refused(backend, pack).kind == "data_loss"  # the hash tells
    error = refused(backend, again(pack))
    assert error.kind == "data_loss" and "install tiny again" in error.hint


def test_an_unknown_operator(backend, graph):
    g = graph()
    end = g.op("CrystalBall", "images", domain="")
    error = refused(backend, g.pack("yolox", {"output": end}))
    assert error.kind == "invalid" and "operator" in error.message and backend in error.message


@pytest.mark.parametrize(
    ("layout", "field", "labels"),
    [("yolox", "labels", 4), ("yolo-v8", "labels", 7), ("yolo-v5", "labels", 4), ("nanodet", "labels", 4),
     ("picodet", "labels", 4), ("rf-detr", "labels", 2), ("detr", "labels", 1), ("ssd", "labels", 1)],
)  # fmt: skip
def test_labels_that_do_not_fit(backend, tiny, layout, field, labels):
    names = tuple(f"thing {number}" for number in range(labels))
    error = refused(backend, msgspec.structs.replace(tiny(layout), labels=names))
    assert error.kind == "invalid" and error.field == field


def test_another_size_than_the_model_s(backend, tiny):
    error = refused(backend, msgspec.structs.replace(tiny("yolox"), input_width=160, input_height=96))
    assert error.kind == "invalid" and error.field == "input_width"
    assert "128x64" in error.message and "160x96" in error.message


def test_another_family_than_the_model_s(backend, tiny):
    error = refused(backend, msgspec.structs.replace(tiny("nanodet"), family="detr"))
    assert error.kind == "invalid" and error.field == "family"
    error = refused(backend, msgspec.structs.replace(tiny("detr"), family="yolox"))
    assert "orig_target_sizes" in error.message and error.field == "family"


def test_answers_that_are_no_numbers(backend, graph, tiny):
    g = graph()
    rows = g.rows((8, 16, 32), 10, 1, 255.0)
    error = refused(backend, g.pack("yolox", {"output": g.op("Mul", rows, g.const(np.float32(np.nan)))}))
    assert error.kind == "invalid" and "no number" in error.message


def test_a_model_that_takes_no_picture(backend, graph):
    g = graph()
    g.input("more", (1, 3, 64, 64), np.float32)
    both = g.op("Add", g.op("ReduceSum", "images", keepdims=0), g.op("ReduceSum", "more", keepdims=0))
    assert "no picture" in refused(backend, g.pack("yolox", {"output": both})).message


def test_a_classifier_is_no_detector(backend, graph):
    g = graph()
    end = g.op("Flatten", g.op("GlobalAveragePool", "images"))
    assert (
        "finds nothing"
        in refused(backend, g.pack("classifier", {"output": end}, labels=("a", "b", "c"))).message
    )


def test_what_was_loaded_stays_loaded_when_another_is_refused(backend, tiny, loaded, drawn):
    pack = tiny("yolox")
    detector = loaded(backend, pack)
    with pytest.raises(ApplianceError):
        detector.load(msgspec.structs.replace(pack, labels=("one",)), 1)
    assert len(detector.detect(drawn[:1])) == 1
