"""Reading what a model file says about itself.

The backends could tell too, but they are imported in their own files only, run a stranger's whole
graph through a parser in C, and refuse what is newer than they are. A header is six small messages.
"""

from pathlib import Path

from appliance.base.errors import invalid
from appliance.vision.packs import header_onnx, header_openvino
from appliance.vision.packs.header import Header

ONNX, OPENVINO = ".onnx", ".xml"
_READERS = {ONNX: header_onnx.read, OPENVINO: header_openvino.read}


def read_header(path: Path) -> Header:
    """Raises ``invalid`` for anything but an ONNX model or an OpenVINO graph, ``OSError``."""
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise invalid(f"{path.name} is neither an .onnx nor an OpenVINO .xml", "export the model to ONNX")
    with path.open("rb") as file:
        return read(file, path.name)
