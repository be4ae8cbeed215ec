"""What a model file says about itself: its inputs, outputs and notes; not its weights.

The backends could tell too, but they are imported in their own files only, run a stranger's whole
graph through a parser in C, and refuse what is newer than they are. A header is six small messages.
"""

from pathlib import Path

import msgspec

from appliance.base.errors import invalid

ONNX, OPENVINO = ".onnx", ".xml"
FLOATS = ("float32", "float16")


class Port(msgspec.Struct, frozen=True):
    """``shape``: None where a side is open. ``kind``: ``float32``, ``int64`` ..., empty if not said."""

    name: str
    shape: tuple[int | None, ...]
    kind: str = ""


class Header(msgspec.Struct, frozen=True):
    """``notes``: what the exporter wrote beside the graph (Ultralytics: names, stride, task ...)."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: dict[str, str] = {}


def read_header(path: Path) -> Header:
    """Raises ``invalid`` for anything but an ONNX model or an OpenVINO graph, ``OSError``."""
    if path.suffix.lower() == ONNX:
        from appliance.vision.packs.header_onnx import read
    elif path.suffix.lower() == OPENVINO:
        from appliance.vision.packs.header_openvino import read
    else:
        raise invalid(f"{path.name} is neither an .onnx nor an OpenVINO .xml", "export the model to ONNX")
    with path.open("rb") as file:
        return read(file, path.name)
