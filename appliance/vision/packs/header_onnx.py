"""The header of an ONNX file, read from its protobuf without a protobuf library.

Formats: the protobuf encoding (protobuf.dev, "Encoding") and ``onnx.proto3`` (onnx/onnx). Weights are
stepped over, never read. Everything is bounded: fields walked, bytes of a name, ports, notes; so
random bytes cost milliseconds and a refusal.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO

from appliance.base.errors import invalid
from appliance.vision.packs.header import Header, Port

MOST_FIELDS = 300_000  # a graph of 20 000 nodes has 20 000
MOST_PORTS = 256
MOST_SIDES = 16
MOST_NOTES = 200
LONGEST_NAME_BYTES = 1_000
LONGEST_NOTE_BYTES = 1_000_000
MOST_TEXT_BYTES = 16_000_000  # of all names and notes together

_VARINT, _I64, _BYTES, _I32 = 0, 1, 2, 5  # wire types; 3 and 4, groups, are in no ONNX file
_KINDS = {
    1: "float32",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}

# onnx.proto3: field numbers
_MODEL_IR, _MODEL_GRAPH, _MODEL_NOTE = 1, 7, 14
_GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 5, 11, 12
_TENSOR_NAME = 8
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR = 1
_TENSOR_KIND, _TENSOR_SHAPE = 1, 2
_SHAPE_DIM = 1
_DIM_VALUE = 1
_NOTE_KEY, _NOTE_VALUE = 1, 2

Field = tuple[int, int, int, int]  # number, wire type, value or start, end


def read(file: BinaryIO, name: str) -> Header:
    """Raises ``invalid``, naming what is wrong, and ``OSError``."""
    reader = _Reader(file)
    try:
        return reader.model()
    except _NotOnnx as error:
        raise invalid(f"{name} is no ONNX model: {error}", "export it again, or get it again") from None


class _NotOnnx(Exception):
    pass


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._left = MOST_FIELDS
        self._text_left = MOST_TEXT_BYTES

    def model(self) -> Header:
        version = 0
        graph: tuple[int, int] | None = None
        notes: dict[str, str] = {}
        for number, wire, start, end in self._fields(0, self._size):
            if number == _MODEL_IR and wire == _VARINT:
                version = start
            elif number == _MODEL_GRAPH and wire == _BYTES:
                graph = (start, end)
            elif number == _MODEL_NOTE and wire == _BYTES and len(notes) < MOST_NOTES:
                key, value = self._note(start, end)
                notes[key] = value
        if not version or graph is None:
            raise _NotOnnx("it has no graph")
        inputs, outputs = self._graph(*graph)
        if not inputs or not outputs:
            raise _NotOnnx("its graph has no inputs or no outputs")
        return Header(inputs, outputs, notes)

    def _graph(self, start: int, end: int) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
        inputs: list[Port] = []
        outputs: list[Port] = []
        weights: set[str] = set()  # before IR version 4 they were listed as inputs too
        for number, wire, begin, stop in self._fields(start, end):
            if wire != _BYTES:
                continue
            if number == _GRAPH_INITIALIZER:
                weights.add(self._name_in(begin, stop, _TENSOR_NAME))
            elif number in (_GRAPH_INPUT, _GRAPH_OUTPUT):
                (inputs if number == _GRAPH_INPUT else outputs).append(self._port(begin, stop))
        inputs = [port for port in inputs if port.name not in weights]
        if len(inputs) > MOST_PORTS or len(outputs) > MOST_PORTS:
            raise _NotOnnx("it has too many inputs or outputs")
        return tuple(inputs), tuple(outputs)

    def _port(self, start: int, end: int) -> Port:
        name, kind = "", 0
        shape: tuple[int | None, ...] = ()
        for number, wire, begin, stop in self._fields(start, end):
            if number == _VALUE_NAME and wire == _BYTES:
                name = self._text(begin, stop, LONGEST_NAME_BYTES)
            elif number == _VALUE_TYPE and wire == _BYTES:
                kind, shape = self._type(begin, stop)
        return Port(name, shape, _KINDS.get(kind, ""))

    def _type(self, start: int, end: int) -> tuple[int, tuple[int | None, ...]]:
        kind = 0
        sides: list[int | None] = []
        for number, wire, begin, stop in self._fields(start, end):
            if number != _TYPE_TENSOR or wire != _BYTES:
                continue
            for inner, inner_wire, inner_begin, inner_stop in self._fields(begin, stop):
                if inner == _TENSOR_KIND and inner_wire == _VARINT:
                    kind = inner_begin
                elif inner == _TENSOR_SHAPE and inner_wire == _BYTES:
                    sides = self._sides(inner_begin, inner_stop)
        return kind, tuple(sides)

    def _sides(self, start: int, end: int) -> list[int | None]:
        sides: list[int | None] = []
        for number, wire, begin, stop in self._fields(start, end):
            if number == _SHAPE_DIM and wire == _BYTES:
                value = 0
                for inner, inner_wire, inner_value, _ in self._fields(begin, stop):
                    if inner == _DIM_VALUE and inner_wire == _VARINT:
                        value = inner_value
                sides.append(value if 0 < value < 1 << 31 else None)  # 0, -1 and a name mean: open
                if len(sides) > MOST_SIDES:
                    raise _NotOnnx("a tensor has too many sides")
        return sides

    def _note(self, start: int, end: int) -> tuple[str, str]:
        key = value = ""
        for number, wire, begin, stop in self._fields(start, end):
            if number == _NOTE_KEY and wire == _BYTES:
                key = self._text(begin, stop, LONGEST_NAME_BYTES)
            elif number == _NOTE_VALUE and wire == _BYTES:
                value = self._text(begin, stop, LONGEST_NOTE_BYTES)
        return key, value

    def _name_in(self, start: int, end: int, wanted: int) -> str:
        for number, wire, begin, stop in self._fields(start, end):
            if number == wanted and wire == _BYTES:
                return self._text(begin, stop, LONGEST_NAME_BYTES)
        return ""

    def _fields(self, start: int, end: int) -> Iterator[Field]:
        """The fields of one message: of numbers their value, of the rest where their bytes lie."""
        at = start
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise _NotOnnx("it has too many parts")
            tag, at = self._varint(at, end)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise _NotOnnx("a part has the number 0")
            value, length = at, 0
            if wire == _VARINT:
                value, at = self._varint(at, end)
            elif wire == _BYTES:
                length, at = self._varint(at, end)
                value = at
            elif wire in (_I64, _I32):
                length = 8 if wire == _I64 else 4
            else:
                raise _NotOnnx("a part is of no known kind")
            if length > end - at:
                raise _NotOnnx("a part is longer than what it lies in; the file may be cut short")
            at += length
            yield number, wire, value, at

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """Base-128, least significant group first, at most ten bytes."""
        self._file.seek(at)
        value = shift = 0
        for byte in self._file.read(min(10, end - at)):
            value |= (byte & 0x7F) << shift
            shift += 7
            at += 1
            if byte < 0x80:
                return value, at
        raise _NotOnnx("a number does not end; the file may be cut short")

    def _text(self, start: int, end: int, most: int) -> str:
        self._text_left -= end - start
        if end - start > most or self._text_left < 0:
            raise _NotOnnx("a name or a note is too long")
        self._file.seek(start)
        return self._file.read(end - start).decode("utf-8", "replace")
