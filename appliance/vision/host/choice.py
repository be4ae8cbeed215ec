"""Which model the next worker loads, how a change to another goes, and what to do with one that
brings the worker down again and again."""

import logging
from collections.abc import Callable

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.vision.messages import Trial, Use
from appliance.vision.packs.choice import BACKENDS
from appliance.vision.state import Activation

log = logging.getLogger(__name__)

FAILURES = 3  # workers in a row that did not live: then another backend, then no model at all
RETRY_S = 600.0  # after so long with that, what was chosen is tried again, beside what looks
MEND = "it is tried again every 10 min; choose another model, or install this one again"
UNDER_WAY = ("loading", "shadow", "trial")


class Choice:
    """``name`` and ``backend`` are what people chose; ``now`` is what the next worker gets."""

    def __init__(
        self, clock: Clock, name: str, backend: str, on_activation: Callable[[Activation], None]
    ) -> None:
        self.name, self.backend = name, backend
        self.activation: Activation | None = None
        self.excuse = ""  # why something else than the chosen looks
        self._clock = clock
        self._on_activation = on_activation
        self._wanted = name, backend  # of the change under way
        self._instead: tuple[str, str] | None = None
        self._since_ns = 0
        self._failures = 0
        self._used = ""  # the backend of the last worker of which that was known

    @property
    def now(self) -> tuple[str, str]:
        return self._instead or (self.name, self.backend)

    def choose(self, name: str, backend: str) -> None:
        """From the next worker on."""
        self.name, self.backend = name, backend
        self._instead, self.excuse, self._failures = None, "", 0

    # -- a change under way -----------------------------------------------------------------

    def begin(self, name: str, backend: str, shadow_s: float, before: str) -> Use:
        """``before``: the model that looks now, by name."""
        return self._begin(Use(name, backend, shadow_s), (name, backend), before)

    def upgrade(self, name: str, backend: str, shadow_s: float, before: str) -> Use:
        """The same model on a better backend, or nothing at all; what people chose stays the choice."""
        order = Use(name, backend, shadow_s, only=True)
        return self._begin(order, (self.name, self.backend), before, own=True)

    def _begin(self, order: Use, wanted: tuple[str, str], before: str, *, own: bool = False) -> Use:
        """A model on trial that another change cuts short has looked well so far, and goes on looking until
        the new one does: it is the choice to come back to."""
        if (cut := self.activation) is not None and cut.phase == "trial":
            self.choose(*self._wanted)
            self._tell(msgspec.structs.replace(cut, phase="active", since_ns=self._clock.now_ns()))
        self._wanted = wanted
        at_ns, shadow_s = self._clock.now_ns(), order.shadow_s
        self._tell(Activation(order.choice, before, "loading", at_ns, own=own, shadow_s=shadow_s))
        return order

    @property
    def under_way(self) -> bool:
        return self.activation is not None and self.activation.phase in UNDER_WAY

    def heard(self, trial: Trial) -> None:
        """How it goes, from the worker."""
        activation = self.activation
        if activation is None or activation.phase not in UNDER_WAY or activation.wanted != trial.choice:
            return
        since_ns = activation.since_ns if activation.phase == trial.phase else self._clock.now_ns()
        if trial.phase == "active":
            self.choose(*self._wanted)
        self._tell(
            msgspec.structs.replace(
                activation,
                phase=trial.phase,
                since_ns=since_ns,
                reason=trial.reason,
                pictures=trial.pictures,
                agreement=trial.agreement,
                new_ms=trial.new_ms,
                old_ms=trial.old_ms,
            )
        )

    # -- workers that end -------------------------------------------------------------------

    def worker_failed(self, reason: str, *, lived: bool, backend: str = "", hopeless: bool = False) -> None:
        """A worker ended by itself; ``lived``: after it had looked for a while. ``backend``: which ran its
        model, where that is known; ``hopeless``: the next one with it would end in the same way."""
        self._used = backend or self._used
        activation = self.activation
        if activation is not None and activation.phase in UNDER_WAY:
            self._tell(
                msgspec.structs.replace(
                    activation,
                    phase="rolled_back",
                    since_ns=self._clock.now_ns(),
                    reason=f"it brought analysis down: {reason}",
                )
            )
            return  # it was that model's, and the one before is no worse than it was
        self._failures = 0 if lived else self._failures + 1
        if self._failures >= FAILURES or hopeless:
            times, self._failures = self._failures, 0
            self._step_down(reason, f"{times} times in a row" if times > 1 else "")

    def _step_down(self, reason: str, how_often: str) -> None:
        name, wanted = self.now
        if name == "motion":
            return
        backend = wanted if wanted != "auto" else self._used
        self._instead = ("motion", "auto") if backend == "onnxruntime" else (name, "onnxruntime")
        self._since_ns = self._clock.monotonic_ns()
        model = f"{name} on {backend}" if backend in BACKENDS else name
        self.excuse = f"{model} brought analysis down{how_often and ' ' + how_often}: {reason}; {MEND}"
        log.warning("%s; %s on %s looks instead", self.excuse, *self._instead)

    def retry(self, looking: str) -> Use | None:
        """Now and then, while something else is ``looking``: a try at what was chosen."""
        age_s = (self._clock.monotonic_ns() - self._since_ns) / SECOND_NS
        if self._instead is None or age_s < RETRY_S:
            return None
        self._since_ns = self._clock.monotonic_ns()
        chosen = self.name, self.backend
        return self._begin(Use(*chosen, 0.0), chosen, looking, own=True)

    def _tell(self, activation: Activation) -> None:
        self.activation = activation
        self._on_activation(activation)
