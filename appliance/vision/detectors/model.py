"""Where backends and families meet: a model that can be asked from several threads.

A backend gives a ``Runner``: one model on one device. A runner gives ``Seat``s: the tensors of one
thread and the way to run them. While one thread's model runs, another fills its tensors and reads its
answers; only the run itself is exclusive, and only the runner knows how.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import av
import numpy as np

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.detectors import LOWEST_SCORE, Detections, Picture, families
from appliance.vision.detectors.families import Family, Outputs
from appliance.vision.detectors.filling import Filler, Placed, Tensor
from appliance.vision.packs.pack import Pack

Answer = TypeVar("Answer")
T = TypeVar("T")

RUNS_TOGETHER = 3  # of one picture each, on a CPU
MOST_AT_ONCE = 64  # pictures in one run, of models whose batch is fixed
_WANTS_MEMORY = ("bad_alloc", "bad allocation", "failed to allocate", "out of memory", "allocateraw")
_OWN_WORDS = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from \S+ failed: ?)?(Fatal error: ?)?"
)
NUMBERLESS = 30  # pictures: a glitch is over sooner, and a trial does not end before
DAMAGED = "its weights are damaged or overflow in half precision: install it again, or its FP32 model"


@dataclass(frozen=True, slots=True)
class Port:
    """An input of a model. ``shape``: None where it may vary. ``dtype``: numpy's name."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Seat(Protocol):
    """One thread's place at a model. ``tensor``: ``batch`` x 3 x height x width, where pictures are
    written; it stays the same array."""

    tensor: Tensor

    def start(self, count: int) -> None:
        """The first ``count`` pictures are to be run. Raises what the runtime raises."""

    def answers(self) -> Mapping[str, Tensor]:
        """Of the run that was started, once it is over: by output name with the batch first. They hold until
        this seat's next run. Raises what the runtime raises."""


class Runner(Protocol):
    """``batch``: pictures that fit one run; ``together``: runs of one caller that are on their way at once,
    of which each needs a seat; ``device``: what really runs, in the runtime's words."""

    inputs: tuple[Port, ...]
    batch: int
    together: int
    device: str

    def seat(self, extras: Mapping[str, Tensor]) -> Seat:
        """``extras``: what the other inputs are fed with, constant, ``batch`` rows each."""

    def close(self) -> None: ...


Place = tuple[Seat, Filler]
OpenRunner = Callable[[Pack, int], Runner]  # pack, threads; raises ApplianceError


class Model(Generic[Answer]):
    """A loaded pack: checked against its files, run once, ready for any thread."""

    def __init__(self, pack: Pack, runner: Runner, lowest: float = LOWEST_SCORE) -> None:
        self._pack, self._runner = pack, runner
        self._port = picture_port(pack, runner.inputs)
        self._family: Family[Answer] = families.make(pack, lowest)
        others = [port.name for port in runner.inputs if port is not self._port]
        self._extras = self._family.extras(others, runner.batch)
        if missing := [name for name in others if name not in self._extras]:
            raise invalid(
                f"the model of {pack.name} wants an input {missing[0]!r}, unknown to family {pack.family}",
                "check family in model.toml",
                field="family",
            )
        self._free: deque[Place] = deque()
        self._blank = 0  # pictures in a row of which nothing could be read for want of numbers
        self._try()

    @property
    def device(self) -> str:
        return self._runner.device

    def ask(self, frames: Sequence[av.VideoFrame]) -> list[Answer]:
        """One answer per frame, in order, in as few runs as the model allows."""
        answers: list[Answer] = []
        runs = list(_parts(frames, self._runner.batch))
        for together in _parts(runs, self._runner.together):
            with self._seats(len(together)) as places:
                answers += self._read(places, together)
        return answers

    def _read(self, places: Sequence[Place], runs: Sequence[Sequence[av.VideoFrame]]) -> list[Answer]:
        """All are filled, then all run, then all are read: a model drives whatever is not its own out of the
        caches, and what fills and reads is fetched again once and not for each."""
        filled: list[list[Placed]] = []
        for (seat, filler), frames in zip(places, runs, strict=True):
            filled.append([filler.fill(frame, seat.tensor, number) for number, frame in enumerate(frames)])
        run = self._run([seat for seat, _ in places], map(len, runs))
        answers = self._family.read_all(list(zip(run, filled, strict=True)))
        for outputs, read in zip(run, answers, strict=True):
            self._count(outputs, read)
        return [answer for read in answers for answer in read]

    def _run(self, seats: Sequence[Seat], counts: Iterable[int]) -> list[Outputs]:
        """Raises ``exhausted`` where memory is what is missing, and else what the runtime raises: the first
        that fails, once none of them runs any more."""
        outputs: list[Outputs] = []
        begun: list[Seat] = []
        failure: Exception | None = None
        try:
            for seat, count in zip(seats, counts, strict=True):
                seat.start(count)
                begun.append(seat)
        except Exception as error:  # runtimes' own types are not public
            failure = error
        for seat in begun:
            try:
                outputs.append(seat.answers())
            except Exception as error:
                failure = failure or error
        if failure is None:
            return outputs
        if wants_memory(failure):
            raise too_large(self._pack) from failure
        raise failure

    def _count(self, outputs: Outputs, read: Sequence[Answer]) -> None:
        """Raises ``invalid`` where for ``NUMBERLESS`` pictures in a row nothing could be read although
        something may be there. A sum tells whether any number is none."""
        if not all(_is_blank(answer) for answer in read):
            self._blank = 0
            return
        with np.errstate(all="ignore"):
            totals = [np.sum(v, dtype=np.float32) for v in outputs.values() if v.dtype.kind == "f"]
        if np.isfinite(totals).all():
            self._blank = 0
            return
        self._blank += len(read)
        if self._blank >= NUMBERLESS:
            raise invalid(
                f"the model of {self._pack.name} has answered {self._blank} pictures with what is no number",
                DAMAGED,
            )

    def close(self) -> None:
        self._free.clear()
        self._runner.close()

    @contextmanager
    def _seats(self, count: int) -> Iterator[list[Place]]:
        """As many as are taken at once, by all threads: they are made when first missed."""
        places: list[Place] = []
        try:
            for _ in range(count):
                places.append(self._place())
            yield places
        finally:
            self._free.extend(places)

    def _place(self) -> Place:
        try:
            return self._free.pop()
        except IndexError:
            return self._runner.seat(self._extras), Filler(self._family.feeding)

    def _try(self) -> None:
        """The slow first run, on a picture with everything in it; its answers must fit the pack."""
        random = np.random.default_rng(1)
        noise = random.integers(0, 256, (self._pack.input_height, self._pack.input_width, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
        with self._seats(1) as ((seat, filler),):
            placed = filler.fill(frame, seat.tensor, 0)
            try:
                (outputs,) = self._run([seat], [1])
            except ApplianceError:
                raise  # it says itself what is wrong, and a lost device is no matter of the picture's size
            except Exception as error:  # runtimes' own types are not public
                size = f"{self._pack.input_width}x{self._pack.input_height}"
                raise invalid(
                    f"the model of {self._pack.name} does not run on a picture of {size}: {said(error)}",
                    "check input_width and input_height in model.toml",
                    field="input_width",
                ) from error
            finite(self._pack, outputs)
            try:
                self._family.check(outputs)
                self._family.read_all([(outputs, [placed])])
            except ApplianceError:
                raise
            except Exception as error:  # a stranger's numbers may break any step of the reading
                name, family = self._pack.name, self._pack.family
                text = f"the answers of {name} are not those of family {family}: {said(error)}"
                raise invalid(text, "check family in model.toml", field="family") from error


class ModelDetector:
    """What every backend is to the rest of the house: a ``Detector`` around ``open_runner``."""

    name = ""
    most = 1

    def __init__(self, name: str, open_runner: OpenRunner, most: int = 1) -> None:
        self.name, self.most = name, most
        self.labels: tuple[str, ...] = ()
        self.device = ""
        self.lowest = LOWEST_SCORE
        self.open_runner = open_runner
        self._model: Model[Detections] | None = None

    def load(self, pack: Pack | None, threads: int) -> None:
        if pack is None:
            raise invalid(f"the {self.name} detector needs a model pack", "run `appliance models list`")
        if pack.family == "classifier":
            raise invalid(f"{pack.name} names what others have found: it finds nothing", "choose a detector")
        model = open_model(
            pack, threads, self.open_runner, self.lowest
        )  # what is refused leaves the one before
        self.close()
        self._model = model
        self.labels, self.device = pack.labels, self._model.device

    def detect(self, batch: Sequence[Picture]) -> list[Detections]:
        model = self._model
        if model is None:
            raise ApplianceError("internal", "detect before load")
        return model.ask([picture.frame for picture in batch])

    def close(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            model.close()


def _parts(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (things[start : start + size] for start in range(0, len(things), size))


def open_model(pack: Pack, threads: int, open_runner: OpenRunner, lowest: float = LOWEST_SCORE) -> Model[Any]:
    """Open and check. Nothing stays open where the pack is refused."""
    runner = open_runner(pack, threads)
    try:
        return Model(pack, runner, lowest)
    except BaseException:  # refused, out of memory or interrupted: nobody else knows of the runner yet
        runner.close()
        raise


def picture_port(pack: Pack, inputs: Sequence[Port]) -> Port:
    """The input that takes the picture; it must be of the pack's size. Raises ``invalid``."""
    pictures = [port for port in inputs if len(port.shape) == 4]
    if len(pictures) != 1 or pictures[0].shape[1] not in (3, None):
        shapes = ", ".join(f"{port.name} {list(port.shape)}" for port in inputs)
        hint = "only models with one input N x 3 x height x width can be used: export it again as NCHW"
        raise invalid(f"the model of {pack.name} takes no picture (its inputs: {shapes})", hint)
    (port,) = pictures
    if (port.shape[0] or 0) > MOST_AT_ONCE:
        hint = f"export it again for any number of pictures, or for 1 to {MOST_AT_ONCE}"
        raise invalid(f"the model of {pack.name} takes {port.shape[0]} pictures at a time", hint)
    if port.dtype not in ("float32", "float16"):
        hint = "export it again with a float32 or float16 input"
        raise invalid(f"the model of {pack.name} takes {port.dtype} pictures", hint)
    high, wide = port.shape[2:]
    if (wide or pack.input_width) != pack.input_width or (high or pack.input_height) != pack.input_height:
        raise invalid(
            f"the model of {pack.name} takes pictures of {wide}x{high}, "
            f"model.toml says {pack.input_width}x{pack.input_height}",
            f"set input_width = {wide} and input_height = {high} in model.toml",
            field="input_width",
        )
    return port


def finite(pack: Pack, outputs: Outputs) -> None:
    """Raises ``invalid`` for answers that are no numbers."""
    for name, values in outputs.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise invalid(f"the model of {pack.name} answers what is no number (output {name!r})", DAMAGED)


def _is_blank(answer: object) -> bool:
    """No boxes, or a classifier's table without numbers."""
    if isinstance(answer, Detections):
        return len(answer) == 0
    return not np.isfinite(np.asarray(answer)).all()


def wants_memory(error: Exception) -> bool:
    """Whether a runtime's error is about memory, by what it says."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(part in text for part in _WANTS_MEMORY)


def too_large(pack: Pack) -> ApplianceError:
    hint = "choose a smaller model pack, or one for smaller pictures"
    return ApplianceError("exhausted", f"{pack.name} needs more memory than analysis may take here", hint)


def said(error: Exception) -> str:
    """The first line of what a runtime says, which may be long, without this machine's folders and
    without the runtime's own numbers and words for what kind of error it is."""
    lines = _OWN_WORDS.sub("", str(error).strip()).splitlines()
    return re.sub(r"\S*/", "", lines[0])[:200] if lines else type(error).__name__
