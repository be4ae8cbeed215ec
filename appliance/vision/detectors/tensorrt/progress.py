"""How far a build is: TensorRT's tree of phases as one share of 0..1 that never falls."""

import threading
from collections.abc import Callable
from typing import Any

Tell = Callable[[float], None]


class CalledOff(Exception):
    """Raised by a ``Tell`` that wants the build to end."""


class Phases:
    """Each phase has steps; a phase inside another is a part of its current step. TensorRT calls from
    several threads."""

    def __init__(self, tell: Tell) -> None:
        self.off: BaseException | None = None  # why the build was called off
        self._tell = tell
        self._lock = threading.Lock()
        self._steps: dict[str, tuple[str | None, int, int]] = {}  # name -> (parent, done, of)
        self._share = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        with self._lock:
            self._steps[name] = (parent, 0, max(1, steps))

    def step(self, name: str, number: int) -> bool:
        """False: TensorRT shall stop. What ``tell`` raises must not pass through C++: it is kept."""
        with self._lock:
            if name in self._steps:
                parent, done, steps = self._steps[name]
                self._steps[name] = (parent, min(steps, max(done, number + 1)), steps)
                self._share = max(self._share, self._of(name))
            if self.off is None:
                try:
                    self._tell(self._share)
                except BaseException as error:  # an interrupt, too, must wait until TensorRT has stopped
                    self.off = error
            return self.off is None

    def finish(self, name: str) -> None:
        with self._lock:
            self._steps.pop(name, None)

    def _of(self, name: str) -> float:
        """The share of the whole that is done when ``name`` is where it is."""
        parent, done, steps = self._steps[name]
        share = done / steps
        while parent is not None and parent in self._steps:
            parent, done, steps = self._steps[parent]
            share = min(1.0, (done + share) / steps)
        return share


def monitor(trt: Any, phases: Phases) -> Any:
    """``phases`` as TensorRT wants to see it. Keep it as long as the build's configuration."""

    def begin(self: Any) -> None:
        trt.IProgressMonitor.__init__(self)

    return type(
        "Monitor",
        (trt.IProgressMonitor,),
        {
            "__init__": begin,
            "phase_start": lambda _, name, parent, steps: phases.start(name, parent, steps),
            "step_complete": lambda _, name, number: phases.step(name, number),
            "phase_finish": lambda _, name: phases.finish(name),
        },
    )()
