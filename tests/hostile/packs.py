"""Packs that an installer may meet on a bad day, made with ``onnx``: whole, damaged, and made to do harm."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from appliance.vision.packs.pack import Pack
from appliance.vision.packs.placing import file_entry, write_pack

WIDE, HIGH = 320, 192
CELLS = sum((WIDE // stride) * (HIGH // stride) for stride in (8, 16, 32))
LABELS = ("person", "car", "dog")
DARK = 110.0  # grey value: the noise that a model is tried on is lighter, the scenes' pictures are darker
LONG = 2**62  # rounds


class Graph:
    """A yolox model, node by node: it takes ``images`` and finds one person, wherever it looks."""

    def __init__(self) -> None:
        import onnx

        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.batch: int | str = 1
        self.domains = [onnx.helper.make_opsetid("", 17)]

    def const(self, values: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def op(self, kind: str, *inputs: str, **more: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], **more))
        return name

    def light(self) -> str:
        """The mean grey value, a scalar."""
        return self.op("ReduceMean", "images", keepdims=0)

    def nothing(self, value: str) -> str:
        """0.0 that cannot be left out: it depends on ``value``, a scalar."""
        return self.op("Mul", value, self.const(np.float32(0.0)))

    def rows(self, classes: int = len(LABELS), cells: int = CELLS, found: float = 0.9) -> str:
        """1 x cells x (5 + classes): one sure box in the middle of the coarsest grid."""
        table = np.zeros((1, cells, 5 + classes), np.float32)
        table[0, -1, 4:6] = found, 1.0
        return self.const(table)

    def hang(self, wanted: str) -> str:
        """A loop that is as good as endless where ``wanted`` (a bool) holds; a scalar 0.0."""
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        scalar = [
            helper.make_tensor_value_info(*port)
            for port in (("i", kinds.INT64, []), ("go", kinds.BOOL, []), ("x", kinds.FLOAT, []))
        ]
        ends = [
            helper.make_tensor_value_info(*port) for port in (("on", kinds.BOOL, []), ("y", kinds.FLOAT, []))
        ]
        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Cos", ["x"], ["y"])],
            "body",
            scalar,
            ends,
        )
        start = self.light()
        end = self.op("Loop", self.const(np.int64(LONG)), wanted, start, body=body)
        return self.nothing(end)

    def save(self, path: Path, answer: str) -> None:
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        self.nodes.append(helper.make_node("Identity", [answer], ["output"]))
        body = helper.make_graph(
            self.nodes,
            "hostile",
            [helper.make_tensor_value_info("images", kinds.FLOAT, [self.batch, 3, HIGH, WIDE])],
            [helper.make_empty_tensor_value_info("output")],
            self.constants,
        )
        self.onnx.save(helper.make_model(body, opset_imports=self.domains, ir_version=8), path)


def _good(g: Graph) -> str:
    return g.op("Add", g.rows(), g.nothing(g.light()))


def _hangs_on_pictures(g: Graph) -> str:
    """Not on the noise that it is tried on when it is loaded."""
    return g.op("Add", g.rows(), g.hang(g.op("Less", g.light(), g.const(np.float32(DARK)))))


def _hangs_on_loading(g: Graph) -> str:
    return g.op("Add", g.rows(), g.hang(g.op("Greater", g.light(), g.const(np.float32(DARK)))))


def _unknown_operator(g: Graph) -> str:
    g.domains.append(g.onnx.helper.make_opsetid("com.vendor.magic", 1))
    return g.op("CrystalBall", g.op("Add", g.rows(), g.nothing(g.light())), domain="com.vendor.magic")


def _eats(g: Graph, megabytes: int, when: Callable[[str, str], str] | None = None) -> str:
    """Takes so much memory, and writes into all of it, in one run."""
    side = g.op("Cast", g.op("Mul", g.nothing(g.light()), g.const(np.float32(0))), to=7)
    many = g.op("Add", side, g.const(np.array([megabytes * (1 << 20) // 4], np.int64)))
    if when is not None:
        dark = g.op("Cast", g.op("Less", g.light(), g.const(np.float32(DARK))), to=7)
        many = g.op("Add", g.op("Mul", many, dark), g.const(np.array([1], np.int64)))
    heap = g.op("ConstantOfShape", many)
    return g.op("Add", g.rows(), g.nothing(g.op("ReduceMean", heap, keepdims=0)))


def _sized(cells: int, classes: int) -> Callable[[Graph], str]:
    return lambda g: g.op("Add", g.rows(classes, cells), g.nothing(g.light()))


def _many_at_once(g: Graph) -> str:
    g.batch = 1_000_000
    return _good(g)


KINDS: dict[str, Callable[[Graph], str]] = {
    "good": _good,
    "hangs-on-pictures": _hangs_on_pictures,
    "hangs-on-loading": _hangs_on_loading,
    "unknown-operator": _unknown_operator,
    "wrong-labels": _sized(CELLS, 80),
    "nonsense-shapes": _sized(7, 3),
    "scalar-answer": Graph.light,
    "many-at-once": _many_at_once,
    "eats-100-gb": lambda g: _eats(g, 100_000),
    "eats-3-gb": lambda g: _eats(g, 3_000),
    "eats-3-gb-of-pictures": lambda g: _eats(g, 3_000, when=Graph.op),
}


def put(folder: Path, kind: str, name: str = "") -> Pack:
    """A pack in ``folder``: of ``KINDS``, or ``truncated``, or ``wrong-hash``."""
    made = folder / f".making-{kind}"
    made.mkdir(parents=True)
    path, graph = made / "model.onnx", Graph()
    graph.save(path, KINDS.get(kind, _good)(graph))
    whole = path.read_bytes()
    if kind == "truncated":  # the hash is of what is left: only the backend can tell
        path.write_bytes(whole[: len(whole) * 2 // 3])
    files = (file_entry(path),)
    pack = Pack(name or kind, "1", "yolox", files, WIDE, HIGH, LABELS, "MIT", "a test", colour_order="BGR")
    write_pack(pack, {"model.onnx": path}, folder / pack.name)
    if kind == "wrong-hash":
        (folder / pack.name / "model.onnx").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    shutil.rmtree(made)
    return pack
