"""``models add``: a bare file becomes a whole pack, or the option that is missing is named."""

import io
import json

import pytest

from appliance.vision.packs.pack import check_files, load_pack

FLOAT = 1
ULTRALYTICS = {
    "names": "{0: 'goose', 1: 'fox'}",
    "stride": "32",
    "task": "detect",
    "imgsz": "[640, 640]",
    "author": "Ultralytics",
    "license": "AGPL-3.0 License (https://ultralytics.com/license)",
}


@pytest.fixture
def model(tmp_path, onnx_bytes):
    def make(name, size, *outputs, notes=None, inputs=()):
        ports = [("images", (1, 3, *size), FLOAT), *inputs]
        (tmp_path / name).write_bytes(onnx_bytes(ports, [(*port, FLOAT) for port in outputs], notes))
        return tmp_path / name

    return make


@pytest.fixture
def add(appliance, box_dir, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())  # no terminal: nothing may be asked

    def run(*arguments):
        return appliance("models", "add", "--data", box_dir, *arguments)

    return run


def pack_of(box_dir, name):
    pack = load_pack(box_dir / "models" / name)
    check_files(pack)
    return pack


def test_a_yolox_with_its_labels(add, box_dir, model, tmp_path):
    (tmp_path / "yard.txt").write_text("goose\nfox\n\n")
    said = add(
        model("My Yard.onnx", (416, 416), ("output", (1, 3549, 7))),
        "--labels",
        tmp_path / "yard.txt",
        "--licence",
        "MIT",
    )
    assert said.status == 0, said.err
    assert "family yolox" in said.out and "licence MIT" in said.out
    pack = pack_of(box_dir, "my-yard")
    assert (pack.family, pack.labels, pack.colour_order) == ("yolox", ("goose", "fox"), "BGR")
    assert (pack.input_width, pack.input_height, pack.files[0].path) == (416, 416, "My-Yard.onnx")


def test_an_ultralytics_export_needs_the_owner_s_word(add, box_dir, model):
    path = model("y.onnx", (640, 640), ("output0", (1, 6, 8400)), notes=ULTRALYTICS)
    said = add(path)
    assert said.status == 1 and "source code" in said.out and "--accept-licence" in said.err
    assert not (box_dir / "models" / "y").exists()
    assert add(path, "--accept-licence").status == 0
    pack = pack_of(box_dir, "y")
    assert (pack.family, pack.labels, pack.colour_order) == ("yolo", ("goose", "fox"), "RGB")
    assert "AGPL-3.0" in pack.licence and pack.source == "Ultralytics y.onnx"


def test_a_pack_that_binds_its_owner_is_asked_about_on_install_too(appliance, add, box_dir, model, tmp_path):
    path = model("y.onnx", (640, 640), ("output0", (1, 6, 8400)), notes=ULTRALYTICS)
    assert add(path, "--accept-licence").status == 0
    stick = tmp_path / "stick"
    (box_dir / "models" / "y").rename(stick)
    assert appliance("models", "install", "--data", box_dir, stick).status == 1
    assert list((box_dir / "models").iterdir()) == []
    assert appliance("models", "install", "--data", box_dir, stick, "--accept-licence").status == 0


@pytest.mark.parametrize(
    ("size", "outputs", "options", "field"),
    [
        ((416, 416), [("output", (1, 3549, 7))], ["--licence", "MIT"], "[labels]"),
        ((640, 640), [("output", (1, 84, 8400))], [], "[licence]"),
        ((None, None), [("output", (1, 84, None))], ["--licence", "MIT"], "[size]"),
        ((None, None), [("output", (None, None, 85))], ["--licence", "MIT"], "[family]"),
        ((640, 640), [("odd", (1, 2, 3, 4))], ["--licence", "MIT"], "[family]"),
        ((640, 640), [("output", (1, 84, 8400))], ["--licence", "MIT", "--size", "320x320"], "[size]"),
        ((640, 640), [("output", (1, 84, 8400))], ["--licence", "MIT", "--size", "big"], "[size]"),
        ((640, 640), [("output", (1, 84, 8400))], ["--licence", "MIT", "--family", "yolox"], "[family]"),
        ((640, 640), [("output", (1, 84, 8400))], ["--licence", "MIT", "--mean", "1,2"], "[mean]"),
        ((640, 640), [("output", (1, 84, 8400))], ["--licence", "MIT", "--name", "auto"], "[name]"),
    ],
)
def test_what_is_missing_is_named(add, box_dir, model, size, outputs, options, field):
    said = add(model("m.onnx", size, *outputs), *options)
    assert said.status == 2 and field in said.err and "hint:" in said.err
    assert not (box_dir / "models" / "m").exists()


def test_labels_that_do_not_fit(add, model, tmp_path):
    (tmp_path / "three.txt").write_text("a\nb\nc")
    path = model("m.onnx", (640, 640), ("output", (1, 84, 8400)))
    said = add(path, "--labels", tmp_path / "three.txt", "--licence", "MIT")
    assert said.status == 2 and "3 labels" in said.err and "80 classes" in said.err


def test_an_open_size_and_an_ambiguous_graph_with_the_answers(add, box_dir, model):
    path = model("m.onnx", (None, None), ("output", (None, None, 85)))
    options = (
        "--licence",
        "MIT",
        "--size",
        "640x384",
        "--family",
        "yolo",
        "--colours",
        "BGR",
        "--std",
        "1,1,2",
    )
    said = add(path, *options)
    assert said.status == 0, said.err
    pack = pack_of(box_dir, "m")
    assert (pack.input_width, pack.input_height, pack.family) == (640, 384, "yolo")
    assert pack.colour_order == "BGR" and pack.std == (1.0, 1.0, 2.0) and len(pack.labels) == 80


def test_on_a_terminal_it_asks(appliance, box_dir, model, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal("2\nMIT\n"))
    path = model("m.onnx", (None, None), ("output", (None, None, 85)))
    said = appliance("models", "add", "--data", box_dir, path, "--size", "416x416")
    assert said.status == 0, said.err
    assert pack_of(box_dir, "m").family == "yolox" and pack_of(box_dir, "m").licence == "MIT"


def test_an_openvino_graph_needs_its_weights(add, box_dir, tmp_path):
    port = '<port id="0" precision="FP32"><dim>{}</dim></port>'
    (tmp_path / "v.xml").write_text(
        '<net><layers><layer name="image" type="Parameter"><output>'
        + port.format("1</dim><dim>3</dim><dim>480</dim><dim>864")
        + '</output></layer><layer name="boxes/sink_port_0" type="Result"><input>'
        + port.format("-1</dim><dim>5")
        + '</input></layer><layer name="labels/sink_port_0" type="Result"><input>'
        + port.format("-1")
        + "</input></layer></layers></net>"
    )
    (tmp_path / "l.txt").write_text("vehicle\nperson")
    options = ("--labels", tmp_path / "l.txt", "--licence", "Apache-2.0")
    assert "v.bin" in add(tmp_path / "v.xml", *options).err
    (tmp_path / "v.bin").write_bytes(b"weights")
    assert add(tmp_path / "v.xml", *options).status == 0
    pack = pack_of(box_dir, "v")
    assert pack.family == "openvino-ssd" and [entry.path for entry in pack.files] == ["v.xml", "v.bin"]


def test_each_column_of_scores_has_its_name(add, box_dir, model, tmp_path):
    (tmp_path / "l.txt").write_text("background\ngoose\nfox")
    path = model("m.onnx", (560, 560), ("dets", (1, 300, 4)), ("labels", (1, 300, 3)))
    assert add(path, "--labels", tmp_path / "l.txt", "--licence", "MIT", "--first-label", "1").status == 0
    pack = pack_of(box_dir, "m")
    assert (pack.family, pack.first_label, pack.mean[0]) == ("detr", 1, 0.485)
    (tmp_path / "l.txt").write_text("goose\nfox")
    assert "[labels]" in add(path, "--labels", tmp_path / "l.txt", "--licence", "MIT").err


def test_no_model_at_all(add, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"hello")
    assert add(tmp_path / "m.onnx").status == 2
    assert add(tmp_path / "gone.onnx").status == 1
    (tmp_path / "m.pt").write_bytes(b"PK")
    assert "ONNX" in add(tmp_path / "m.pt").err


def test_a_real_one_is_added_and_looks(appliance, add, box_dir, shared_data):
    said = add(shared_data / "models" / "deimv2_femto_416.onnx", "--name", "femto")
    assert said.status == 0, said.err  # by its content the catalogue knows labels and licence
    said = appliance(
        "models", "bench", "--data", box_dir, "femto", "--seconds", "0.1", "--json", "--threads", "1"
    )
    assert said.status == 0, said.err
    assert json.loads(said.out)["frames"] >= 1
