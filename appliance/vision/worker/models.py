"""Which model looks: loading one beside the one that serves, comparing, switching, falling back.

A change never leaves the cameras blind: the new model is loaded while the old one looks, for a time
both see the same pictures (*shadow*), then the new one looks alone while the old one waits beside it
(*trial*); whatever goes wrong until then leaves, or brings back, the old one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from appliance.base.errors import ApplianceError
from appliance.vision.detectors import Detections, Picture
from appliance.vision.detectors.failures import Lost
from appliance.vision.messages import EngineLack, Hello, Ready, Trial, Use
from appliance.vision.state import TrialPhase
from appliance.vision.worker.comparison import Comparison, sure_of
from appliance.vision.worker.judging import AT_LEAST, LookedAt, Usual, blind_in_shadow, lost_its_way, too_slow
from appliance.vision.worker.loading import BUILT_IN, Loaded, lack_of, load, motion

log = logging.getLogger("appliance.vision.worker")

TRIAL_S = 30.0
LOAD_S = 120.0
LOOK_S = 10.0  # one batch, in the shadow


@dataclass
class _Change:
    """One ``Use`` on its way."""

    order: Use
    phase: TrialPhase = "loading"
    until_s: float = 0.0
    new: Loaded | None = None
    old: Loaded | None = None
    busy_since_s: float = 0.0  # its thread is in ``new``; 0: in nothing
    lack: EngineLack | None = None  # why the new one was refused
    shadow: Comparison = field(default_factory=Comparison)
    trial: Comparison = field(default_factory=Comparison)  # the new one alone: only its half is filled

    def hangs(self, now_s: float) -> bool:
        limit_s = LOAD_S if self.new is None else LOOK_S
        return self.busy_since_s > 0 and now_s - self.busy_since_s > limit_s


class Models:
    """``use`` and ``tick`` are called by the main thread, ``borrow``, ``looked`` and ``failed`` by the
    lookers, ``end`` in any thread that loses the device (``failures.Lost``): it ends the process."""

    def __init__(
        self, hello: Hello, report: Callable[[Ready | Trial], None], end: Callable[[Exception], None]
    ) -> None:
        self._hello, self._report, self._end_process = hello, report, end
        self._lock = threading.Lock()
        self._change: _Change | None = None
        self._serving: Loaded | None = None
        self._told_s = 0.0
        self._cameras = LookedAt()
        self._left: list[_Change] = []  # over, with a thread that is still in the model
        self.loading = "", ""  # the first pack, and what runs it

    def load_first(self) -> Loaded:
        """The chosen one; ``motion`` where it cannot be had, with the reason. Raises ``Lost``."""
        try:
            loaded = load(self._hello, self._hello.choice, self._hello.backend, self._load_begins)
        except Lost:
            raise
        except ApplianceError as error:
            loaded = motion(self._hello, f"{error}")
        self.loading = "", ""
        self._serving = loaded
        self._say_ready(loaded)
        return loaded

    def _load_begins(self, pack: str, backend: str) -> None:
        self.loading = pack, backend

    @property
    def most(self) -> int:
        """The largest batch that pays."""
        return 1 if self._serving is None else self._serving.detector.most

    @contextmanager
    def borrow(self) -> Iterator[Loaded]:
        """What serves now; it is not closed while somebody is in it."""
        with self._lock:
            assert self._serving is not None
            loaded = self._enter(self._serving)
        try:
            yield loaded
        finally:
            self._leave(loaded)

    def _enter(self, loaded: Loaded) -> Loaded:
        loaded.users += 1
        return loaded

    def _leave(self, loaded: Loaded) -> None:
        with self._lock:
            loaded.users -= 1
            over = loaded.retired and not loaded.users
        if over:
            loaded.detector.close()

    def use(self, order: Use) -> None:
        """Begin a change; an older one that has not come to its end is given up."""
        with self._lock:
            self._end(self._change)
            change = self._change = _Change(order, busy_since_s=time.monotonic())
        self._tell(change)
        threading.Thread(target=self._load, args=(change,), name="load", daemon=True).start()

    def _load(self, change: _Change) -> None:
        order = change.order
        try:
            new = load(self._hello, order.choice, order.backend, only=order.only)
            if new.reason:
                new.detector.close()
                raise ApplianceError("unavailable", new.reason)
            if slow := too_slow(new.first_ms, self._usual(self._serving), self._cameras.count()):
                new.detector.close()
                raise ApplianceError("exhausted", slow)
        except Lost as error:
            self._end_process(error)
            return
        except ApplianceError as error:
            change.lack = lack_of(order.choice, error)
            self._finish(change, "refused", str(error))
            return
        except Exception as error:  # drivers raise what they like; the one that looks is not touched
            log.exception("%s cannot be loaded", order.choice)
            self._finish(change, "refused", f"{type(error).__name__} while loading")
            return
        finally:
            change.busy_since_s = 0.0
        with self._lock:
            if self._change is not change:  # given up meanwhile
                new.detector.close()
                return
            change.new, change.old = new, self._serving
            if order.shadow_s > 0:
                change.phase, change.until_s = "shadow", time.monotonic() + order.shadow_s
                self._tell(change)
            else:
                self._switch(change)

    def tick(self) -> str:
        """What time alone decides. Why this process must end (a thread of it is lost in a model, and eats
        a core or the GPU for ever), or nothing."""
        if (change := self._change) is not None:
            self._tick(change, time.monotonic())
        with self._lock:
            self._left = [left for left in self._left if left.busy_since_s]
            lost = next((left for left in self._left if left.hangs(time.monotonic())), None)
        if lost is None:
            return ""
        doing = "while it was loaded" if lost.new is None else "on a picture"
        return f"{lost.order.choice} hung {doing}, and only a new process is rid of it"

    def _tick(self, change: _Change, now_s: float) -> None:
        if change.phase == "loading" and change.hangs(now_s):
            self._finish(change, "refused", f"it was not loaded within {LOAD_S:.0f} s")
        elif change.phase == "shadow" and change.hangs(now_s):
            self._finish(change, "refused", f"it has been at one picture for {LOOK_S:.0f} s")
        elif change.phase == "shadow" and now_s >= change.until_s:
            with self._lock:
                if self._change is change and change.phase == "shadow":
                    self._switch(change)
        elif change.phase == "trial" and now_s >= change.until_s:
            self._finish(change, "active", "")

    # -- after each look --------------------------------------------------------------------

    def looked(self, used: Loaded, batch: Sequence[Picture], found: list[Detections], took_ms: float) -> None:
        """What the serving model saw; the one in the shadow looks at the same."""
        used.usual.add(found, took_ms)
        self._cameras.add(batch)
        change = self._change
        if change is None or change.new is None:
            return
        if change.phase == "shadow" and used is change.old:
            self._show(change, used, batch, found, took_ms)
        elif change.phase == "trial" and used is change.new:
            each_ms = took_ms / len(batch)
            trial = change.trial
            trial.new_ms += (each_ms - trial.new_ms) / (trial.pictures + 1)
            trial.new_sure += sure_of(found)
            trial.pictures += len(batch)
            self._judge(change)

    def failed(self, used: Loaded, error: Exception) -> bool:
        """The serving model raised. True: another one serves now; False: nothing is left to serve."""
        change = self._change
        if change is None or change.phase != "trial" or used is not change.new:
            return False
        self._finish(change, "rolled_back", f"it failed: {reason_of(error)}")
        return True

    def _show(
        self, change: _Change, used: Loaded, batch: Sequence[Picture], found: list[Detections], took_ms: float
    ) -> None:
        """In a thread of its own: one that is slow, or hangs, must not keep the one that serves from its
        next picture. What comes while it is at a picture, it does not see."""
        with self._lock:
            if self._change is not change or change.busy_since_s or change.new is None:
                return
            change.busy_since_s = time.monotonic()
            args = (change, self._enter(change.new), used, batch, found, took_ms)
        threading.Thread(target=self._look_in_shadow, args=args, name="shadow", daemon=True).start()

    def _look_in_shadow(
        self,
        change: _Change,
        loaded: Loaded,
        used: Loaded,
        batch: Sequence[Picture],
        found: list[Detections],
        took_ms: float,
    ) -> None:
        new, began_s = loaded.detector, change.busy_since_s
        try:
            theirs = new.detect(batch)
        except Lost as error:  # to both of them, and to whatever comes after
            self._end_process(error)
            return
        except Exception as error:  # a model under test may do anything; it has not looked for anybody yet
            self._finish(change, "refused", f"it failed in the shadow: {reason_of(error)}")
            return
        finally:
            change.busy_since_s = 0.0
            self._leave(loaded)
        shadow = change.shadow
        with self._lock:
            if self._change is not change:
                return
            seen = shadow.pictures + len(batch)
            new_ms = (time.monotonic() - began_s) * 1000
            shadow.new_ms += (new_ms - shadow.new_ms * len(batch)) / seen
            shadow.old_ms += (took_ms - shadow.old_ms * len(batch)) / seen
            shadow.add(found, used.detector.labels, theirs, new.labels)
        slow = too_slow(shadow.new_ms, self._usual(used), self._cameras.count())
        if slow and shadow.pictures >= AT_LEAST:
            self._finish(change, "refused", slow)
        elif time.monotonic() - self._told_s > 1.0:
            self._tell(change)

    def _judge(self, change: _Change) -> None:
        """Of a model on trial: is it as quick and as sure of itself as it was beside the old one?"""
        shadow, trial, usual = change.shadow, change.trial, self._usual(change.old)
        slow = trial.pictures >= AT_LEAST and too_slow(trial.new_ms, usual, self._cameras.count())
        if reason := slow or lost_its_way(shadow, trial, usual):
            self._finish(change, "rolled_back", reason)

    @staticmethod
    def _usual(before: Loaded | None) -> Usual | None:
        """What moves is no measure for what a model finds, nor for how long it takes."""
        return None if before is None or before.backend == BUILT_IN else before.usual

    # -- ends -------------------------------------------------------------------------------

    def _switch(self, change: _Change) -> None:
        """Under the lock: the new one looks alone."""
        assert change.new is not None
        if blind_in_shadow(change.shadow):
            change.phase = "refused"
            self._end(change, "in the shadow it was sure of far fewer objects than the one that looks")
            return
        change.phase, change.until_s = "trial", time.monotonic() + TRIAL_S
        self._serving = change.new
        self._say_ready(change.new)
        self._tell(change)

    def _finish(self, change: _Change, phase: TrialPhase, reason: str) -> None:
        with self._lock:
            if self._change is not change:
                return
            change.phase = phase
            self._end(change, reason)

    def _end(self, change: _Change | None, reason: str = "") -> None:
        """Under the lock: give back what no longer serves."""
        self._change = None
        if change is None:
            return
        if change.phase == "rolled_back" and change.old is not None:
            self._serving = change.old
            self._say_ready(change.old)
        self._tell(change, reason)
        if change.busy_since_s:
            self._left.append(change)
        for loaded in (change.new, change.old):
            if loaded is not None and loaded is not self._serving:
                loaded.retired = True
                if not loaded.users:
                    loaded.detector.close()

    # -- telling ----------------------------------------------------------------------------

    def _say_ready(self, loaded: Loaded) -> None:
        self._report(
            Ready(
                loaded.name,
                loaded.detector.labels,
                loaded.reason,
                round(loaded.load_ms, 1),
                loaded.runs_on,
                loaded.because,
                loaded.lack,
            )
        )

    def _tell(self, change: _Change, reason: str = "") -> None:
        self._told_s = time.monotonic()
        shadow, trial = change.shadow, change.trial
        self._report(
            Trial(
                change.order.choice,
                change.phase,
                reason,
                shadow.pictures,
                round(shadow.agreement, 3),
                round(trial.new_ms or shadow.new_ms, 2),
                round(shadow.old_ms, 2),
                change.lack,
            )
        )


def reason_of(error: Exception) -> str:
    """For people: our own errors speak for themselves, others by their kind."""
    return str(error) if isinstance(error, ApplianceError) else type(error).__name__
