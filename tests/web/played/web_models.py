"""The models of a box, as the web's tests play them."""

from typing import Any

from appliance.base.clock import ManualClock
from appliance.store.model_health import Alarm as ModelAlarm
from appliance.vision.health.judge import Verdict
from appliance.vision.state import Activation, VisionState
from appliance.web.ports import ModelEntry, ModelInstall


class PlayedModels:
    """Two installed models, one known one; a change goes into a shadow at once."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.now = VisionState(
            "running", clock.now_ns(), "deimv2-femto", "", 0, "onnxruntime, CPU", "no GPU here"
        )
        self.change: Activation | None = None
        self.fixed_to: str | None = None
        self.install_now: ModelInstall | None = None
        self.installed: list[tuple[str, bool, bytes]] = []
        self.asked: list[tuple[str, str, float]] = []
        both = {"version": "1", "source": "", "labels": ("person", "car"), "width": 416, "height": 416}
        free, agpl = {"licence": "Apache-2.0", "known": True}, {"licence": "AGPL-3.0", "known": False}
        self.found = [
            ModelEntry("deimv2-femto", family="detr", installed=True, **free, **both),
            ModelEntry("own-model", family="yolo", installed=True, **agpl, **both),
            ModelEntry("yolox-nano", family="yolox", installed=False, **free, **both),
            ModelEntry("motion", "", "motion", "built in", "", ("motion",), 0, 0, True, True),
        ]
        self.judged = {
            "gate": Verdict("drop", 0.41, 0.62, 0.66, boxes=900, classes={"person": 900}),
            "yard": Verdict("learning", boxes=3, classes={"car": 3}),
        }

    def fixed(self) -> str | None:
        return self.fixed_to

    def installing(self) -> ModelInstall | None:
        return self.install_now

    def install(self, name: str, accepted: bool) -> ModelInstall:
        self.installed.append((name, accepted, b""))
        self.install_now = ModelInstall(name, "running", self._clock.now_ns(), 5, 10)
        return self.install_now

    async def receive(self, chunks: Any, size_bytes: int | None, name: str, accepted: bool) -> ModelInstall:
        body = b"".join([chunk async for chunk in chunks])
        assert size_bytes == len(body)
        self.installed.append((name, accepted, body))
        self.install_now = ModelInstall(name, "running", self._clock.now_ns())
        return self.install_now

    def state(self) -> VisionState:
        return self.now

    def activation(self) -> Activation | None:
        return self.change

    async def activate(self, name: str, backend: str, shadow_s: float) -> Activation | None:
        self.asked.append((name, backend, shadow_s))
        self.change = Activation(
            name, "deimv2-femto", "shadow", self._clock.now_ns(), pictures=7, shadow_s=shadow_s
        )
        return self.change

    async def entries(self) -> list[ModelEntry]:
        return self.found

    def verdicts(self) -> dict[str, Verdict]:
        return self.judged

    def alarms(self) -> dict[str, ModelAlarm]:
        return {
            "gate": ModelAlarm("gate", "deimv2-femto", "sub 0.40", "drop", self._clock.now_ns(), 0, "0.41")
        }

    def confidence(self) -> dict[str, float]:
        return {"gate": 0.41}
