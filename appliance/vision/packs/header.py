"""What a model file says about itself: its inputs, outputs and notes; not its weights."""

import msgspec

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
