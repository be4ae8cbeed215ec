"""Pictures to look at, and tiny models of every family, whose answers depend on every part of a picture."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from appliance.base.errors import ApplianceError
from appliance.vision import detectors
from appliance.vision.detectors import Picture
from appliance.vision.looking.gate import Motion
from appliance.vision.packs import installed
from appliance.vision.packs.pack import Pack, PackFile, sha256

WIDE, HIGH = 128, 64  # of the tiny models
LABELS = ("cat", "dog", "cow", "goose", "mouse")
SIZES = ((768, 432), (640, 360), (320, 240), (240, 320), (101, 57), (128, 64), (1280, 720))
FORMATS = ("yuv420p", "yuvj420p", "nv12", "yuv420p10le", "rgb24")


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request) -> str:
    try:
        detectors.make(request.param)
    except ApplianceError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture(scope="session")
def drawn() -> list[Picture]:
    """56 pictures of coloured boxes over a gradient, in all sizes and formats that come in."""
    random = np.random.default_rng(7)
    pictures = []
    for number in range(56):
        wide, high = SIZES[number % len(SIZES)]
        image = np.zeros((high, wide, 3), np.uint8)
        image[..., 0] = np.linspace(20, 200, wide)
        image[..., 1] = np.linspace(180, 40, high)[:, None]
        image[..., 2] = random.integers(0, 255)
        for _ in range(6):
            x, y = random.integers(0, wide * 3 // 4), random.integers(0, high * 3 // 4)
            image[y : y + high // 3, x : x + wide // 4] = random.integers(0, 255, 3)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        pictures.append(look(frame.reformat(format=FORMATS[number % len(FORMATS)])))
    return pictures


@pytest.fixture(scope="session")
def filmed(assets) -> list[Picture]:
    """56 frames of the footage."""
    pictures = []
    for path in sorted((assets / "footage").glob("*.mp4")):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            length_s = float(stream.duration * stream.time_base)
            for number in range(14):
                container.seek(round(number * length_s / 14 / stream.time_base), stream=stream)
                pictures.append(look(next(container.decode(video=0))))
    return pictures


def look(frame: av.VideoFrame) -> Picture:
    empty = np.zeros((54, 96), np.bool_)
    return Picture("yard", 0, frame, Motion(empty, empty))


@pytest.fixture(scope="session")
def looked() -> Callable[[av.VideoFrame], Picture]:
    return look


@pytest.fixture(scope="session")
def known(assets) -> Callable[[str], Pack]:
    def find(name: str) -> Pack:
        pack, reason = installed.choose(name, [assets])
        if pack is None:
            pytest.skip(reason)
        return pack

    return find


@pytest.fixture
def loaded() -> Iterator[Callable[..., Any]]:
    made = []

    def load(backend: str, pack: Pack, lowest: float = detectors.LOWEST_SCORE) -> Any:
        detector = detectors.make(backend)
        made.append(detector)
        detector.lowest = lowest
        detector.load(pack, 1)
        return detector

    yield load
    for detector in made:
        detector.close()


class Graph:
    """ONNX, node by node. ``rows`` is a grid of cells that each see their own patch."""

    def __init__(self, folder: Path, batch: int | str) -> None:
        self.folder, self.batch = folder, batch
        self.inputs: list[Any] = []
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.random = np.random.default_rng(11)
        self.input("images", (batch, 3, HIGH, WIDE), np.float32)

    def input(self, name: str, shape: Any, dtype: Any) -> str:
        import onnx

        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.inputs.append(onnx.helper.make_tensor_value_info(name, kind, shape))
        return name

    def const(self, values: Any) -> str:
        import onnx

        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        import onnx

        name = name or f"n{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def rows(
        self, strides: tuple[int, ...], channels: int, per_cell: int, unit: float, gain: float = 3.0
    ) -> str:
        """N x cells x channels, of about -2..2. ``unit``: what the model takes white as."""
        grids = [self.cells(stride, channels, per_cell, unit, gain) for stride in strides]
        return self.op("Concat", *grids, axis=1) if len(grids) > 1 else grids[0]

    def cells(self, stride: int, channels: int, per_cell: int, unit: float, gain: float = 3.0) -> str:
        shape = (channels * per_cell, 3, stride, stride)
        # Each weight is a colour's, over the whole patch: smooth, so that scaling matters little.
        weights = self.random.normal(0, gain, (*shape[:2], 1, 1)) * np.ones(shape) / (stride * stride * unit)
        bias = -weights.sum(axis=(1, 2, 3)) * unit / 2
        grid = self.op(
            "Conv", "images", self.const(weights.astype(np.float32)), self.const(bias.astype(np.float32)),
            strides=[stride, stride], kernel_shape=[stride, stride],
        )  # fmt: skip
        last = self.op("Transpose", grid, perm=[0, 2, 3, 1])
        return self.op("Reshape", last, self.const(np.array([0, -1, channels], np.int64)))

    def take(self, name: str, start: int, stop: int) -> str:
        edges = [self.const(np.array([value], np.int64)) for value in (start, stop, 2)]
        return self.op("Slice", name, *edges)

    def corners(self, rows: str, wide: float, high: float) -> str:
        """Sigmoids of four columns -> x1, y1, x2, y2 within ``wide`` x ``high``."""
        part = self.op("Sigmoid", rows)
        half = self.op("Mul", self.take(part, 2, 4), self.const(np.float32(0.25)))
        middle = self.take(part, 0, 2)
        both = self.op("Concat", self.op("Sub", middle, half), self.op("Add", middle, half), axis=2)
        return self.op("Mul", both, self.const(np.array([wide, high, wide, high], np.float32)))

    def best(self, rows: str) -> tuple[str, str]:
        """Scores (N x cells x 1) and class numbers (int64, the same)."""
        return (
            self.op("ReduceMax", rows, axes=[2], keepdims=1),
            self.op("ArgMax", rows, axis=2, keepdims=1),
        )

    def pack(self, family: str, outputs: dict[str, str], **fields: Any) -> Pack:
        """``outputs``: name -> node. Written, hashed and described."""
        import onnx

        ends = []
        for name, node in outputs.items():
            self.op("Identity", node, name=name)
            ends.append(onnx.helper.make_empty_tensor_value_info(name))
        body = onnx.helper.make_graph(self.nodes, "tiny", self.inputs, ends, self.constants)
        model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        path = self.folder / f"{family}.onnx"
        onnx.save(model, path)
        given = {
            "name": "tiny", "version": "1", "family": family, "files": (PackFile(path.name, sha256(path)),),
            "input_width": WIDE, "input_height": HIGH, "labels": LABELS, "licence": "MIT", "source": "a test",
            "folder": str(self.folder),
        }  # fmt: skip
        return Pack(**{**given, **fields})


@pytest.fixture
def graph(tmp_path) -> Callable[..., Graph]:
    pytest.importorskip("onnx", reason="tiny models are made with onnx")
    return lambda batch="N": Graph(tmp_path, batch)


def _detr(g: Graph) -> Pack:
    sizes = g.input("orig_target_sizes", (g.batch, 2), np.int64)
    rows = g.rows((16, 32), 4 + len(LABELS), 1, 1.0)
    scores, labels = g.best(g.op("Sigmoid", g.take(rows, 4, 99)))
    scale = g.op("Cast", g.op("Concat", sizes, sizes, axis=1), to=1)
    scale = g.op("Unsqueeze", scale, g.const(np.array([1], np.int64)))
    boxes = g.op("Mul", g.corners(g.take(rows, 0, 4), 1, 1), scale)
    flat = g.const(np.array([2], np.int64))
    squeezed = {
        "labels": g.op("Squeeze", labels, flat),
        "boxes": boxes,
        "scores": g.op("Squeeze", scores, flat),
    }
    return g.pack("detr", squeezed)


def _rf_detr(g: Graph) -> Pack:
    rows = g.rows((16,), 5 + len(LABELS), 1, 4.0)
    mean_std = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return g.pack(
        "detr", {"dets": g.op("Sigmoid", g.take(rows, 0, 4)), "labels": g.take(rows, 4, 99)}, **mean_std
    )


def _yolox(g: Graph) -> Pack:
    rows = g.rows((8, 16, 32), 5 + len(LABELS), 1, 255.0)
    parts = [g.take(rows, 0, 4), g.op("Sigmoid", g.take(rows, 4, 99))]
    return g.pack("yolox", {"output": g.op("Concat", *parts, axis=2)}, colour_order="BGR")


def _centred(g: Graph, rows: str) -> str:
    """Four columns -> centre and size, in pixels, small enough to keep some apart."""
    size = g.const(np.array([WIDE, HIGH, WIDE / 3, HIGH / 3], np.float32))
    return g.op("Mul", g.op("Sigmoid", g.take(rows, 0, 4)), size)


def _yolo_v5(g: Graph) -> Pack:
    rows = g.rows((8, 16, 32), 5 + len(LABELS), 3, 1.0)
    parts = [_centred(g, rows), g.op("Sigmoid", g.take(rows, 4, 99))]
    return g.pack("yolo", {"output0": g.op("Concat", *parts, axis=2)})


def _yolo_v8(g: Graph) -> Pack:
    rows = g.rows((8, 16, 32), 4 + len(LABELS), 1, 1.0)
    parts = [_centred(g, rows), g.op("Sigmoid", g.take(rows, 4, 99))]
    return g.pack("yolo", {"output0": g.op("Transpose", g.op("Concat", *parts, axis=2), perm=[0, 2, 1])})


def _yolo_end(g: Graph) -> Pack:
    rows = g.rows((16, 32), 4 + len(LABELS), 1, 1.0)
    scores, labels = g.best(g.op("Sigmoid", g.take(rows, 4, 99)))
    parts = [g.corners(g.take(rows, 0, 4), WIDE, HIGH), scores, g.op("Cast", labels, to=1)]
    return g.pack("yolo", {"output0": g.op("Concat", *parts, axis=2)})


def _yolo_four(g: Graph) -> Pack:
    rows = g.rows((16, 32), 4 + len(LABELS), 1, 1.0)
    scores, labels = g.best(g.op("Sigmoid", g.take(rows, 4, 99)))
    flat = g.const(np.array([2], np.int64))
    many = g.op("Greater", scores, g.const(np.float32(-1)))
    count = g.op("ReduceSum", g.op("Cast", many, to=6), g.const(np.array([1], np.int64)), keepdims=0)
    outputs = {
        "num_dets": g.op("Sub", count, g.const(np.int32(3))),  # the last three are filling
        "det_boxes": g.corners(g.take(rows, 0, 4), WIDE, HIGH),
        "det_scores": g.op("Squeeze", scores, flat),
        "det_classes": g.op("Cast", g.op("Squeeze", labels, flat), to=6),
    }
    return g.pack("yolo", outputs)


def _nanodet(g: Graph) -> Pack:
    rows = g.rows((8, 16, 32, 64), len(LABELS) + 32, 1, 4.0)
    table = g.op("Sigmoid", g.take(rows, 0, len(LABELS)))
    mean_std = {"mean": (0.406, 0.456, 0.485), "std": (0.225, 0.224, 0.229), "colour_order": "BGR"}
    return g.pack(
        "nanodet", {"output": g.op("Concat", table, g.take(rows, len(LABELS), 99), axis=2)}, **mean_std
    )


def _picodet(g: Graph) -> Pack:
    tables, sides = {}, {}
    for stride in (8, 16, 32, 64):
        tables[f"scores_{stride}"] = g.op("Sigmoid", g.cells(stride, len(LABELS), 1, 4.0))
        sides[f"sides_{stride}"] = g.cells(stride, 32, 1, 4.0)
    mean_std = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return g.pack("picodet", {**tables, **sides}, **mean_std)


def _ssd(g: Graph) -> Pack:
    rows = g.rows((16,), 4 + len(LABELS), 1, 255.0)
    scores, labels = g.best(g.op("Sigmoid", g.take(rows, 4, 99)))
    labels = g.op("Add", g.op("Cast", labels, to=1), g.const(np.float32(1)))
    picture = np.zeros((1, 32, 1), np.float32)
    picture[:, 28:] = -1
    table = g.op("Concat", g.const(picture), labels, scores, g.corners(g.take(rows, 0, 4), 1, 1), axis=2)
    out = g.op("Unsqueeze", table, g.const(np.array([1], np.int64)))
    return g.pack("openvino-ssd", {"detection_out": out}, colour_order="BGR", first_label=1)


def _ssd_pair(g: Graph) -> Pack:
    rows = g.rows((16,), 4 + len(LABELS), 1, 255.0)
    scores, labels = g.best(g.op("Sigmoid", g.take(rows, 4, 99)))
    table = g.op("Concat", g.corners(g.take(rows, 0, 4), WIDE, HIGH), scores, axis=2)
    flat = g.op("Squeeze", table, g.const(np.array([0], np.int64)))
    numbers = g.op("Squeeze", labels, g.const(np.array([0, 2], np.int64)))
    return g.pack("openvino-ssd", {"boxes": flat, "labels": numbers}, colour_order="BGR")


MODELS = {
    "detr": _detr, "rf-detr": _rf_detr, "yolox": _yolox, "yolo-v5": _yolo_v5, "yolo-v8": _yolo_v8,
    "yolo-end": _yolo_end, "yolo-four": _yolo_four, "nanodet": _nanodet, "picodet": _picodet, "ssd": _ssd,
    "ssd-pair": _ssd_pair,
}  # fmt: skip


@pytest.fixture(params=sorted(MODELS))
def layout(request) -> str:
    return request.param


@pytest.fixture
def tiny(graph) -> Callable[..., Pack]:
    """``tiny(layout)``: a pack of that layout; its model takes any batch, where such models do."""

    def make(layout: str, batch: int | str = "N") -> Pack:
        return MODELS[layout](graph(1 if layout.startswith("ssd") else batch))

    return make
