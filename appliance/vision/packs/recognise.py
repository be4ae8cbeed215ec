"""Which family a model is, from its header: the names and shapes of what goes in and comes out.

Several families share a shape, so the answer is a list of readings. One: it is that. More: a person
says which, or how many classes it has. None: not a detector that we can read. Shapes are those of the
families' own exporters: Ultralytics (v5: N x a x 5+C; v8, v9, 11: N x 4+C x a; end to end: N x 300 x 6),
YOLOX ``export_onnx.py``, NanoDet (C + 4 x 8 columns: its distribution has 8 bins), PaddleDetection
without post-processing, Open Model Zoo (1 x 1 x k x 7, or boxes and labels), D-FINE, DEIM,
RT-DETR and RF-DETR.
"""

import ast
from collections.abc import Iterator

import msgspec

from appliance.base.errors import invalid
from appliance.vision.packs.header import FLOATS, Header, Port

STRIDES = (8, 16, 32)
BINS = 32  # 4 sides x 8 bins (X. Li et al., "Generalized Focal Loss", 2020; NanoDet, PicoDet)
MOST_BOXES = 1000  # more rows than this are cells, not finished boxes
LONGEST_NAMES = 200_000


class Reading(msgspec.Struct, frozen=True):
    """One way to take the model. ``classes``: how many, None where the graph does not say."""

    family: str
    classes: int | None
    why: str


class Recognised(msgspec.Struct, frozen=True):
    """``width``, ``height``: None where the graph leaves them open. ``licence`` and ``labels`` are empty
    where the exporter did not say; ``source`` is who it says made it."""

    readings: tuple[Reading, ...]
    width: int | None
    height: int | None
    labels: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""

    def fitting(self, labels: int | None = None, family: str | None = None) -> tuple[Reading, ...]:
        """The readings that agree with what a person said."""
        return tuple(
            reading
            for reading in self.readings
            if family in (None, reading.family) and (labels is None or reading.classes in (None, labels))
        )


def recognise(header: Header, size: tuple[int, int] | None = None) -> Recognised:
    """``size`` (width, height): what a person says of an input that the graph leaves open.

    Raises ``invalid`` for a model that takes no pictures, or is trained for another task.
    """
    picture = _picture(header)
    height, width = picture.shape[2], picture.shape[3]
    notes = header.notes
    width, height = width or (size[0] if size else None), height or (size[1] if size else None)
    made_by_ultralytics = "names" in notes and ("stride" in notes or "task" in notes)
    if made_by_ultralytics:
        if width is None or height is None:
            height, width = _pair(notes.get("imgsz", "")) or (height, width)
        task = notes.get("task", "detect")
        if task not in ("detect", "classify"):
            raise invalid(f"this model is made for the task {task[:40]!r}", "use one that is made to detect")
    labels = _names(notes.get("names", "")) if made_by_ultralytics else ()
    found = tuple(_readings(header, width, height, made_by_ultralytics))
    licence = notes.get("license", "") or notes.get("licence", "")
    return Recognised(
        found, width, height, labels, licence.strip()[:200], notes.get("author", "").strip()[:200]
    )


def _picture(header: Header) -> Port:
    """The input that takes pictures: N x 3 x H x W."""
    for port in header.inputs:
        if len(port.shape) == 4 and port.shape[1] in (3, None) and port.kind in (*FLOATS, ""):
            return port
    shapes = ", ".join(f"{port.name[:40]} {list(port.shape)} {port.kind}" for port in header.inputs[:4])
    hint = "its input must be N x 3 x H x W, floating point; export it in that layout"
    raise invalid(f"this model takes no pictures that we can give: {shapes}", hint)


def _readings(header: Header, width: int | None, height: int | None, ultralytics: bool) -> Iterator[Reading]:
    outputs = {port.name.lower(): port for port in header.outputs}
    named = _by_name(outputs)
    if named is not None:
        yield named
        return
    if len(header.outputs) > 1:
        yield from _by_stride(header.outputs, width, height)
        return
    (shape,) = (port.shape for port in header.outputs)
    if len(shape) == 4 and shape[:2] == (1, 1) and shape[3] == 7:
        yield Reading("openvino-ssd", None, "one output 1 x 1 x k x 7: image, class, score, box")
    elif len(shape) == 2 and shape[1] is not None and shape[1] > 1:
        yield Reading("classifier", shape[1], f"one output of {shape[1]} scores per picture")
    elif len(shape) == 3:
        yield from _by_shape(shape, width, height, ultralytics)


def _by_name(outputs: dict[str, Port]) -> Reading | None:
    if {"labels", "boxes", "scores"} <= outputs.keys():
        return Reading("detr", None, "outputs labels, boxes and scores")
    boxes = outputs.get("dets") or outputs.get("pred_boxes")
    logits = outputs.get("labels") or outputs.get("logits")
    if boxes is not None and logits is not None and len(logits.shape) == 3 and _last(boxes) == 4:
        return Reading("detr", _last(logits), f"boxes and {_last(logits) or 'open'} scores per query")
    boxes, labels = outputs.get("boxes"), outputs.get("labels")
    if boxes is not None and labels is not None and len(outputs) == 2 and _last(boxes) == 5:
        return Reading("openvino-ssd", None, "outputs boxes (with their scores) and labels")
    return None


def _by_stride(outputs: tuple[Port, ...], width: int | None, height: int | None) -> Iterator[Reading]:
    """Per stride one output of scores and one of distributions."""
    if width is None or height is None or any(len(port.shape) != 3 for port in outputs):
        return
    cells = [_cells(width, height, (stride,)) for stride in (*STRIDES, 64)]
    wide = [port.shape[2] for port in outputs if port.shape[2] == BINS]
    classes = {port.shape[2] for port in outputs if port.shape[2] != BINS}
    rows = {port.shape[1] for port in outputs}
    strides = len(outputs) // 2
    if len(outputs) != 2 * strides or len(wide) != strides or len(classes) != 1 or strides not in (3, 4):
        return
    if rows <= {*cells, None}:
        family = "nanodet" if any("dis_pred" in port.name for port in outputs) else "picodet"
        yield Reading(family, next(iter(classes)), f"scores and distributions at {strides} strides")


def _by_shape(
    shape: tuple[int | None, ...], width: int | None, height: int | None, ultralytics: bool
) -> Iterator[Reading]:
    rows, columns = shape[1], shape[2]
    cells = _cells(width, height, STRIDES)
    four = _cells(width, height, (*STRIDES, 64))
    if columns == 6 and (rows is None or rows <= MOST_BOXES) and rows != cells:
        yield Reading("yolo", None, "rows of six: box, score, class; NMS is in the graph")
    if columns is not None and columns >= 6 and rows is not None and rows in (cells, four):
        if rows == cells and not ultralytics:
            yield Reading("yolox", columns - 5, f"{rows} cells of strides 8, 16, 32, each 5 + {columns - 5}")
        if columns > BINS and not ultralytics:
            yield Reading(
                "nanodet", columns - BINS, f"{rows} cells, each {columns - BINS} scores + {BINS} bins"
            )
    if columns is not None and columns >= 6 and (rows is None or rows == 3 * (cells or -1)):
        number = rows if rows is not None else "an open number of"
        yield Reading("yolo", columns - 5, f"{number} rows, three per cell, each 5 + {columns - 5} (YOLOv5)")
        if rows is None and not ultralytics:
            yield Reading("yolox", columns - 5, f"an open number of cells, each 5 + {columns - 5}")
    if rows is not None and rows >= 5 and (columns is None or columns == cells) and rows != cells:
        yield Reading("yolo", rows - 4, f"4 + {rows - 4} rows, a column per cell (YOLOv8 and later)")


def _cells(width: int | None, height: int | None, strides: tuple[int, ...]) -> int | None:
    if width is None or height is None:
        return None
    return sum(-(-width // stride) * -(-height // stride) for stride in strides)


def _last(port: Port) -> int | None:
    return port.shape[-1] if port.shape else None


def _pair(text: str) -> tuple[int, int] | None:
    """``[640, 640]``."""
    parts = text.strip(" []()").split(",")
    if len(parts) == 2 and all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        return int(parts[0][:6]), int(parts[1][:6])
    return None


def _names(text: str) -> tuple[str, ...]:
    """Ultralytics writes Python: ``{0: 'person', 1: 'bicycle'}``. Empty where it is anything else."""
    if len(text) > LONGEST_NAMES:
        return ()
    try:
        found = ast.literal_eval(text)  # literals only, no code
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return ()
    if isinstance(found, list):
        found = dict(enumerate(found))
    if not isinstance(found, dict):
        return ()
    names = [" ".join(str(found.get(number, "")).split())[:100] for number in range(len(found))]
    return tuple(names) if all(names) else ()
