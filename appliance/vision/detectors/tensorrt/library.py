"""The one place that imports TensorRT: ``tensorrt`` (10.x, 11.x) or ``tensorrt_rtx``, whichever is there.

Both are spoken to by what they share: strongly typed networks, named tensors, ``execute_async_v3``.
"""

from collections import deque
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from appliance.base.errors import ApplianceError

# The full library first: where it is, it knows the chip (Jetson, data centre). RTX's own package is a
# name for its bindings, which can be installed alone, as wheels.
_MODULES = (
    ("tensorrt", "tensorrt"),
    ("tensorrt_rtx", "tensorrt_rtx"),
    ("tensorrt_rtx", "tensorrt_rtx_bindings"),
)
_KEPT_LINES = 30


class Said:
    """What TensorRT said last: it answers a failed call with None and explains it here."""

    def __init__(self) -> None:
        self._errors: deque[str] = deque(maxlen=_KEPT_LINES)

    def error(self, text: str) -> None:
        self._errors.append(text)

    def forget(self) -> None:
        self._errors.clear()

    @property
    def last(self) -> str:
        return self._errors[-1] if self._errors else "it gave no reason"

    @property
    def out_of_memory(self) -> bool:
        said = " ".join([*self._errors]).lower()
        return "outofmemory" in said or "out of memory" in said


@dataclass(frozen=True, slots=True)
class Library:
    """``trt``: the module. ``flavour``: ``tensorrt`` or ``tensorrt_rtx``. ``logger`` must be the only
    one of the process, TensorRT keeps the first for ever; its errors are in ``said``."""

    trt: Any
    flavour: str
    version: str
    logger: Any
    said: Said

    @property
    def portable(self) -> bool:
        """Engines can be built without a GPU, and are finished by the one that runs them."""
        return self.flavour == "tensorrt_rtx"


@cache
def library() -> Library:
    """Raises ``not_found`` where neither is installed."""
    reasons = []
    for flavour, name in _MODULES:
        try:
            trt = import_module(name)
        except (ImportError, OSError) as error:  # OSError: the wheel is there, its .so cannot be loaded
            reasons.append(f"{name}: {error}")
            continue
        said = Said()
        return Library(trt, flavour, str(trt.__version__), _logger(trt, said), said)
    hint = "install TensorRT (on a Jetson it comes with JetPack), or use another detector"
    raise ApplianceError("not_found", f"TensorRT is not installed ({reasons[0]})", hint)


def _logger(trt: Any, said: Said) -> Any:
    severity = trt.ILogger.Severity

    def log(_: Any, level: Any, text: str) -> None:
        if level in (severity.ERROR, severity.INTERNAL_ERROR):
            said.error(text)

    def begin(self: Any) -> None:
        trt.ILogger.__init__(self)

    # made at run time, since its base is known only then
    return type("Logger", (trt.ILogger,), {"__init__": begin, "log": log})()
