"""Small ONNX models, made of their protobuf bytes (onnx.proto3): no converter is needed for ten nodes."""

import hashlib
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from appliance.base.errors import ApplianceError
from appliance.vision.detectors.tensorrt.library import Library, library
from appliance.vision.packs.pack import Pack, load_pack

FLOAT, INT8, INT64, HALF = 1, 3, 7, 10  # TensorProto.DataType


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    names = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs)
    return field(1, names + field(3, f"{operator}-1") + field(4, operator))


def value(number: int, name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in shape)
    return field(number, field(1, name) + field(2, field(1, field(1, kind) + field(2, dims))))


def constant(name: str, kind: int, data: bytes) -> bytes:
    return field(5, field(2, kind) + field(8, name) + field(9, data))


def model(nodes: bytes, shape: Sequence[int | str], kind: int = FLOAT) -> bytes:
    ends = value(11, "images", kind, shape) + value(12, "out", kind, shape)
    graph = nodes + field(2, "tiny") + ends
    return field(1, 8) + field(8, field(2, 17)) + field(7, graph)


def quantised(shape: Sequence[int | str]) -> bytes:
    nodes = node("QuantizeLinear", ["images", "scale", "zero"], ["q"])
    nodes += node("DequantizeLinear", ["q", "scale", "zero"], ["d"]) + node("Relu", ["d"], ["out"])
    return model(
        nodes + constant("scale", FLOAT, struct.pack("<f", 0.1)) + constant("zero", INT8, b"\0"), shape
    )


@pytest.fixture
def make_onnx() -> Callable[..., bytes]:
    """``make_onnx("Relu", shape=("N", 3, 8, 8), kind="fp32")``: ``images``, one operator, ``out``."""

    def make(
        operator: str = "Relu", shape: Sequence[int | str] = ("N", 3, 8, 8), kind: str = "fp32"
    ) -> bytes:
        if kind == "int8":
            return quantised(shape)
        number = {"fp32": FLOAT, "fp16": HALF}[kind]
        return model(node(operator, ["images"], ["out"]), shape, number)

    return make


@pytest.fixture
def make_pack(tmp_path: Path) -> Callable[..., Pack]:
    def make(data: bytes, name: str = "tiny", labels: Sequence[str] = ("person", "car")) -> Pack:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.onnx").write_bytes(data)
        listed = ", ".join(f'"{label}"' for label in labels)
        (folder / "model.toml").write_text(
            f'name = "{name}"\nversion = "1"\nfamily = "yolox"\ninput_width = 8\ninput_height = 8\n'
            f'labels = [{listed}]\nlicence = "none"\nsource = "a test"\n'
            f'[[files]]\npath = "{name}.onnx"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
        )
        return load_pack(folder)

    return make


@pytest.fixture(scope="session")
def rtx() -> Library:
    """A TensorRT that builds without a GPU."""
    try:
        found = library()
    except ApplianceError as error:
        pytest.skip(f"{error.message}; TensorRT for RTX needs no GPU to build: pip install tensorrt-rtx-cu13")
    if not found.portable:
        pytest.skip(f"{found.flavour} {found.version} builds on a GPU only: see test_gpu.py")
    return found
