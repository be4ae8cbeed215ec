"""The models of the box that browsers meet: a change goes through its phases as time passes."""

import math
from collections.abc import AsyncIterator

import msgspec

from appliance.base.clock import SECOND_NS, BoxClock
from appliance.store.model_health import Alarm
from appliance.vision.health.judge import Verdict
from appliance.vision.state import Activation, TrialPhase, VisionState
from appliance.web.ports import ModelEntry, ModelInstall

LOADING_S, TRIAL_S, INSTALL_S = 0.4, 2.0, 1.5
LABELS = ("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat")


def entry(name: str, family: str, licence: str, *, there: bool = True, known: bool = True) -> ModelEntry:
    return ModelEntry(
        name, "1", family, licence, f"example/{name}: {name}.onnx", LABELS, 416, 416, there, known
    )


class PlayedModels:
    def __init__(self, clock: BoxClock, cameras: list[str]) -> None:
        self._clock = clock
        because = "no GPU, no NPU; fastest of two that were measured here"
        self.now = VisionState(
            "running", clock.now_ns(), "deimv2-femto", "", 0, "ONNX Runtime on CPU", because
        )
        self.change: Activation | None = None
        self.install_now: ModelInstall | None = None
        self._began_ns = 0
        self._shadow_s = 0.0
        self._entries = [
            entry("deimv2-femto", "detr", "Apache-2.0"),
            entry("site-yolo11", "yolo", "AGPL-3.0", known=False),
            entry("yolox-nano", "yolox", "Apache-2.0", there=False),
            ModelEntry(
                "motion", "", "motion", "built in", "part of this box; finds what moves and needs no model",
                ("motion",), 0, 0, True, True,
            ),
        ]  # fmt: skip
        self.judged = dict(zip(cameras, self._verdicts(), strict=False))
        self.rung: dict[str, Alarm] = {}
        if cameras:
            detail = "the model's mean score fell to 0.46 within the hour, where 0.64 was expected"
            since_ns = clock.now_ns() - 1500 * SECOND_NS
            self.rung[cameras[0]] = Alarm(cameras[0], "deimv2-femto", "sub 0.40", "drop", since_ns, 0, detail)

    def _verdicts(self) -> list[Verdict]:
        steady = tuple(0.68 + 0.015 * math.sin(n) for n in range(7))
        falling = (0.66, 0.65, 0.66, 0.64, 0.65, 0.62, 0.52)
        young = (None, None, None, None, None, 0.71, 0.7)
        two = {"person": 46_000, "car": 2210}
        four = {"truck": 4000, "person": 3000, "car": 1000, "bus": 120}
        return [
            Verdict("drop", 0.46, 0.64, 0.72, 0, falling, 48_210, 90_000, 9.4, 31.0, two),
            Verdict("ok", 0.68, 0.67, 1.01, 0, steady, 8120, 70_000, 9.1, 22.0, four),
            Verdict("learning", 0.7, None, None, 0, young, 912, 9000, 9.0, 19.0, {"person": 912}),
            Verdict("silent"),
        ]  # fmt: skip

    def fixed(self) -> str | None:
        return None

    def installing(self) -> ModelInstall | None:
        now = self.install_now
        if now is not None and now.phase == "running":
            passed = (self._clock.now_ns() - now.at_ns) / SECOND_NS / INSTALL_S
            now = msgspec.structs.replace(now, done_bytes=int(min(1.0, passed) * now.total_bytes))
            if passed >= 1:
                now = msgspec.structs.replace(now, phase="done")
                name = now.name.removesuffix(".zip")
                self._entries = [e for e in self._entries if e.name != name]
                self._entries.insert(2, entry(name, "yolox", "Apache-2.0"))
            self.install_now = now
        return now

    def install(self, name: str, accepted: bool) -> ModelInstall:
        self.install_now = ModelInstall(name, "running", self._clock.now_ns(), 0, 3_700_000)
        return self.install_now

    async def receive(
        self, chunks: AsyncIterator[bytes], size_bytes: int | None, name: str, accepted: bool
    ) -> ModelInstall:
        size = sum([len(chunk) async for chunk in chunks])
        now_ns = self._clock.now_ns()
        self.install_now = ModelInstall(name, "running", now_ns, 0, size)
        if not accepted:
            text = "the licence of yard, AGPL-3.0, was not accepted"
            self.install_now = ModelInstall(
                name, "failed", now_ns, size, size, text, "accept it where you install it"
            )
        return self.install_now

    def state(self) -> VisionState:
        self.activation()
        return self.now

    def activation(self) -> Activation | None:
        change = self.change
        if change is None or change.phase in ("active", "refused", "rolled_back"):
            return change
        now_ns = self._clock.now_ns()
        passed_s = (now_ns - self._began_ns) / SECOND_NS
        ends: tuple[tuple[TrialPhase, float, float], ...] = (
            ("loading", 0, LOADING_S),
            ("shadow", LOADING_S, LOADING_S + self._shadow_s),
            ("trial", LOADING_S + self._shadow_s, LOADING_S + self._shadow_s + TRIAL_S),
        )
        phase, since_s = next(((p, a) for p, a, b in ends if passed_s < b), ("active", ends[2][2]))
        since_ns = self._began_ns + round(since_s * SECOND_NS)
        pictures = max(0, int((passed_s - LOADING_S) * 15))
        figures = {"pictures": pictures, "agreement": 0.934, "new_ms": 21.7, "old_ms": 9.3}
        self.change = msgspec.structs.replace(change, phase=phase, since_ns=since_ns, **figures)
        if phase in ("trial", "active"):
            name = "deimv2-femto" if change.wanted == "auto" else change.wanted
            self.now = msgspec.structs.replace(self.now, detector=name)
        return self.change

    async def activate(self, name: str, backend: str, shadow_s: float) -> Activation | None:
        self._began_ns, self._shadow_s = self._clock.now_ns(), shadow_s
        self.change = Activation(name, self.now.detector, "loading", self._began_ns, shadow_s=shadow_s)
        return self.change

    def end(self, phase: TrialPhase, reason: str) -> str:
        """Refused, or rolled back; who."""
        assert self.change is not None
        self.now = msgspec.structs.replace(self.now, detector=self.change.before)
        self.change = msgspec.structs.replace(
            self.change, phase=phase, since_ns=self._clock.now_ns(), reason=reason
        )
        return self.change.wanted

    async def entries(self) -> list[ModelEntry]:
        return self._entries

    def verdicts(self) -> dict[str, Verdict]:
        return self.judged

    def alarms(self) -> dict[str, Alarm]:
        return self.rung

    def confidence(self) -> dict[str, float]:
        return {}
