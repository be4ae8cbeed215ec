"""The header of an OpenVINO graph (.xml beside its .bin): layers ``Parameter`` and ``Result``.

Streamed through expat; only these layers are kept. A document type is refused, so that no entity
can grow or fetch anything.
"""

from typing import BinaryIO
from xml.parsers import expat

from appliance.base.errors import invalid
from appliance.vision.packs.header import Header, Port

LARGEST_BYTES = 64_000_000
MOST_PORTS = 256
MOST_SIDES = 16
MOST_NOTES = 200
LONGEST_NOTE = 100_000
CHUNK_BYTES = 1 << 16
_SINK = "/sink_port_"  # how OpenVINO names a Result: what feeds it, this, a number
_KINDS = {"f32": "float32", "f16": "float16", "i64": "int64", "i32": "int32", "u8": "uint8"}
_KINDS |= {"FP32": "float32", "FP16": "float16", "I64": "int64", "I32": "int32", "U8": "uint8"}


def read(file: BinaryIO, name: str) -> Header:
    """Raises ``invalid`` and ``OSError``."""
    graph = _Graph()
    parser = expat.ParserCreate()
    parser.StartElementHandler = graph.start
    parser.EndElementHandler = graph.end
    parser.CharacterDataHandler = graph.text
    parser.StartDoctypeDeclHandler = graph.doctype
    parser.buffer_text = True
    left = LARGEST_BYTES
    try:
        while chunk := file.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise _NotAGraph("it is too large")
            parser.Parse(chunk)
        parser.Parse(b"", True)
        return graph.header()
    except (expat.ExpatError, _NotAGraph) as error:
        raise invalid(f"{name} is no OpenVINO graph: {error}", "export it again, or get it again") from None


class _NotAGraph(Exception):
    pass


class _Graph:
    def __init__(self) -> None:
        self._path: list[str] = []
        self._layer: dict[str, str] | None = None  # a Parameter or a Result that is open
        self._kind = ""
        self._sides: list[int | None] = []
        self._dim = ""
        self._inputs: list[Port] = []
        self._outputs: list[Port] = []
        self._notes: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path and tag != "net":
            raise _NotAGraph(f"it begins with {tag[:40]!r}")
        self._path.append(tag)
        if len(self._path) > 64:
            raise _NotAGraph("it is nested too deeply")
        if tag == "layer" and len(self._path) == 3 and attributes.get("type") in ("Parameter", "Result"):
            self._layer, self._kind, self._sides = attributes, "", []
        elif self._layer is not None and tag in ("data", "port"):
            found = attributes.get("element_type") or attributes.get("precision") or ""
            self._kind = self._kind or _KINDS.get(found, "")
        elif tag == "dim":
            self._dim = ""
        elif self._path[:2] == ["net", "rt_info"] and "value" in attributes and len(self._notes) < MOST_NOTES:
            self._notes[tag] = attributes["value"][:LONGEST_NOTE]

    def text(self, text: str) -> None:
        if self._layer is not None and self._path[-1] == "dim" and len(self._dim) < 20:
            self._dim += text

    def end(self, tag: str) -> None:
        self._path.pop()
        if self._layer is None:
            return
        if tag == "dim":
            text = self._dim.strip()
            if not text.isascii() or not text.isdigit() or len(self._sides) >= MOST_SIDES:
                self._sides.append(None)  # -1, a range or "?": open
            else:
                self._sides.append(int(text) or None)
        elif tag == "layer":
            name = self._layer.get("name", "").partition(_SINK)[0]
            ports = self._inputs if self._layer["type"] == "Parameter" else self._outputs
            ports.append(Port(name, tuple(self._sides[:MOST_SIDES]), self._kind))
            self._layer = None
            if len(ports) > MOST_PORTS:
                raise _NotAGraph("it has too many inputs or outputs")

    def doctype(self, *_: object) -> None:
        raise _NotAGraph("it has a document type")

    def header(self) -> Header:
        if not self._inputs or not self._outputs:
            raise _NotAGraph("it has no inputs or no outputs")
        return Header(tuple(self._inputs), tuple(self._outputs), self._notes)
