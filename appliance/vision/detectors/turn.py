"""One run of a model after another, with no time between them."""

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


class Run(Generic[Answer]):
    """Handed from the thread that asks to the one that runs, and back."""

    __slots__ = ("answer", "error", "over", "work")

    def __init__(self, work: Callable[[], Answer]) -> None:
        self.work = work
        self.answer: Answer
        self.error: BaseException | None = None
        self.over = threading.Lock()
        self.over.acquire()

    def do(self) -> None:
        try:
            self.answer = self.work()
        except BaseException as error:  # whatever it is, it belongs to the thread that asked
            self.error = error
        self.over.release()

    def wait(self) -> Answer:
        """What came of it. Raises what it raised."""
        with self.over:
            if self.error is not None:
                raise self.error
            return self.answer


class Turn:
    """A thread for runs that hold no GIL. It goes from one run straight to the next that waits: were the
    turn handed from thread to thread, the next one would have to wake and to wait for the GIL first,
    0.2 to 0.4 ms on a busy box, in which nobody uses the core."""

    def __init__(self) -> None:
        self._runs: queue.SimpleQueue[Run[Any] | None] = queue.SimpleQueue()
        threading.Thread(target=_serve, args=(self._runs,), name="model", daemon=True).start()

    def start(self, work: Callable[[], Answer]) -> Run[Answer]:
        """It runs after all that were started before. Not after ``close``."""
        run = Run(work)
        self._runs.put(run)
        return run

    def close(self) -> None:
        """The thread ends when it has done what was asked before."""
        self._runs.put(None)


def _serve(runs: "queue.SimpleQueue[Run[Any] | None]") -> None:
    while (run := runs.get()) is not None:
        run.do()
        del run  # it holds a picture and a model
