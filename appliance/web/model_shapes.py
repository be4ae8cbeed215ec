"""The answers of /models as types: what openapi.json publishes."""

from typing import Literal

import msgspec

from appliance.vision.health.judge import State
from appliance.vision.state import TrialPhase
from appliance.web.ports import InstallPhase


class ModelInput(msgspec.Struct, forbid_unknown_fields=True):
    """Pixels."""

    width: int
    height: int


class Model(msgspec.Struct, forbid_unknown_fields=True):
    """``known``: its name is in the catalogue, so that it can be installed by it. ``input`` null: it
    takes pictures as they are."""

    name: str
    version: str
    family: str
    licence: str
    source: str
    labels: list[str]
    input: ModelInput | None
    installed: bool
    active: bool
    known: bool


class ModelActivation(msgspec.Struct, forbid_unknown_fields=True):
    """``since``: of the phase. ``agreement`` 0..1, on ``pictures`` that both models saw; milliseconds
    are means per picture. ``switches_at``: null but in a shadow."""

    wanted: str
    before: str
    phase: TrialPhase
    since: str
    reason: str
    pictures: int
    agreement: float
    new_ms: float
    old_ms: float
    switches_at: str | None


class DetectorNow(msgspec.Struct, forbid_unknown_fields=True):
    """``because``: why that backend. ``reason``: why not the chosen model, or why nothing looks."""

    name: str | None
    backend: str
    because: str
    state: Literal["starting", "running", "down", "off"]
    since: str
    reason: str | None


class ModelAlarm(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["low", "drop"]
    since: str
    detail: str


class CameraModelHealth(msgspec.Struct, forbid_unknown_fields=True):
    """Of the last 24 hours, under the model that looks now. ``level``: mean score, ``usual``: what it
    would be as before (same classes, same hours of the day); ``trend``: the mean score of each of seven
    days, oldest first; ``classes``: boxes by class. ``alarm`` stays until the camera has recovered."""

    camera_id: str
    state: State
    level: float | None
    usual: float | None
    ratio: float | None
    trend: list[float | None]
    boxes: int
    looks: int
    inference_ms: float | None
    inference_ms_max: float | None
    classes: dict[str, int]
    alarm: ModelAlarm | None


class ModelInstalling(msgspec.Struct, forbid_unknown_fields=True):
    """``name``: of the file, until the model in it is known. ``total_bytes`` 0: not known. ``reason`` and
    ``hint``: why it failed."""

    name: str
    phase: InstallPhase
    since: str
    done_bytes: int
    total_bytes: int
    reason: str
    hint: str


class InstallAnswer(msgspec.Struct):
    installing: ModelInstalling


class ModelsAnswer(msgspec.Struct):
    """``chosen``: what was asked for, which may be ``auto``. ``fixed``: by the box's command line.
    ``installing``: the last installation that was asked for here."""

    models: list[Model]
    chosen: str
    fixed: bool
    activation: ModelActivation | None
    detector: DetectorNow
    installing: ModelInstalling | None


class ActivationAnswer(msgspec.Struct):
    """``model`` is null for ``auto``; ``activation`` where nothing looks that it could be compared with."""

    model: Model | None
    activation: ModelActivation | None


class ModelHealthAnswer(msgspec.Struct):
    cameras: list[CameraModelHealth]
