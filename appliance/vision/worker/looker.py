"""From a batch of pictures to points: two threads, so that one fills and reads while the other's
model runs."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from appliance.base.errors import ApplianceError
from appliance.vision.detectors import Detections, Picture
from appliance.vision.detectors.failures import Lost
from appliance.vision.detectors.model import RUNS_TOGETHER
from appliance.vision.looking.batcher import Batcher
from appliance.vision.messages import Watch
from appliance.vision.worker.closer import Closer
from appliance.vision.worker.loading import Loaded
from appliance.vision.worker.models import Models, reason_of

log = logging.getLogger("appliance.vision.worker")

THREADS = 2
GATHER_S = 0.02  # a batch that pays waits so long for more pictures
AT_ONCE_MS = 250.0  # what the looks that are asked for at once may take
FAILURES = 3  # one after the other: a runtime in such a state is only mended by a new process


def at_once(look_ms: float) -> int:
    """Looks that are asked for at once although a batch does not pay: while pictures wait, what surrounds the
    model is fetched into the caches once for all of them (see ``Model._read``). Where a look takes long that
    is nothing, and the first would only wait for the last. ``look_ms``: what one took; 0 is not known."""
    return max(1, min(RUNS_TOGETHER, int(AT_ONCE_MS / look_ms))) if look_ms else 1


class Judge(Protocol):
    """Whose pictures they are: a camera's lane, or a stretch of the past."""

    @property
    def watch(self) -> Watch: ...

    def judge(self, picture: Picture, found: Detections, labels: tuple[str, ...], took_ms: float) -> None:
        """In order of the pictures' times."""


class Lookers:
    """``judges`` is shared with the main thread under ``lock``: nothing may be said of a camera after
    it was closed. ``end`` ends the process."""

    def __init__(
        self,
        models: Models,
        batcher: Batcher[Picture],
        judges: Mapping[str, Judge],
        lock: threading.Lock,
        end: Callable[[Exception], None],
    ) -> None:
        self._models, self._batcher = models, batcher
        self._judges, self._lock = judges, lock
        self._end = end
        self._closer = Closer(THREADS)
        self._since_s = dict.fromkeys(range(THREADS), 0.0)
        self._inference_ms: list[float] = []
        self._look_ms = 0.0  # the last one's, or the mean of those that were asked for at once
        self._failures = 0

    def start(self) -> None:
        threading.Thread(target=self._first, name="look-0", daemon=True).start()

    def busy_s(self) -> float:
        """How long the slower of them is at one batch."""
        now_s = time.monotonic()
        return max((now_s - since_s for since_s in self._since_s.values() if since_s), default=0.0)

    def taken_ms(self) -> tuple[float, ...]:
        """Per picture, of the looks since the last call."""
        taken, self._inference_ms = self._inference_ms, []
        return tuple(taken)

    # -- the threads ------------------------------------------------------------------------

    def _first(self) -> None:
        self._for_ever(self._load)

    def _load(self) -> None:
        self._since_s[0] = time.monotonic()
        self._models.load_first()
        self._since_s[0] = 0.0
        for number in range(1, THREADS):
            work = partial(self._look, number)
            threading.Thread(target=self._for_ever, args=(work,), name=f"look-{number}", daemon=True).start()
        self._look(0)

    def _for_ever(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BrokenPipeError:
            os._exit(0)  # the daemon is gone
        except Exception as error:  # drivers and runtimes raise what they like; only a new process is clean
            self._end(error)  # the daemon starts another worker, with a fresh driver and heap

    def _look(self, number: int) -> None:
        while True:
            batch = self._take(self._models.most)
            if not batch:
                continue
            self._since_s[number] = began_s = time.monotonic()
            try:
                with self._models.borrow() as loaded:
                    self._judge(loaded, batch)
            finally:
                self._since_s[number] = 0.0
                self._batcher.done(batch)
                self._closer.worked(time.monotonic() - began_s)

    def _take(self, most: int) -> Sequence[Picture]:
        weights = {camera_id: judge.watch.weight for camera_id, judge in list(self._judges.items())}
        if most > 1:
            return self._batcher.take(most, 1.0, weights=weights, gather_s=GATHER_S)
        return self._batcher.take(at_once(self._look_ms), 1.0, weights=weights, sharers=THREADS)

    def _judge(self, loaded: Loaded, batch: Sequence[Picture]) -> None:
        began_s = time.monotonic()
        try:
            found = self._closer.detect(loaded, batch)
        except Lost:
            raise  # every other look would fail as well, on whichever model
        except Exception as error:  # a model on trial gives way to the one before; others end the process
            self._failures += 1
            if self._models.failed(loaded, error) or self._failures < FAILURES:
                log.warning("%s failed: %s", loaded.name, error)
                return
            text = f"{loaded.name} failed {FAILURES} times in a row, last with: {reason_of(error)}"
            raise ApplianceError("unavailable", text) from error
        self._failures = 0
        took_ms = (time.monotonic() - began_s) * 1000
        each_ms = self._look_ms = round(took_ms / len(batch), 3)
        with self._lock:
            for picture, one in zip(batch, found, strict=True):
                if (judge := self._judges.get(picture.camera_id)) is not None:
                    judge.judge(picture, one, loaded.detector.labels, each_ms)
        self._inference_ms += [each_ms] * len(batch)
        self._models.looked(loaded, batch, found, took_ms)
