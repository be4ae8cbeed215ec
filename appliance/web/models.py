"""/models: which model looks, what else there is, how a change goes, how the model does on each camera."""

import difflib
import sqlite3
from typing import Annotated, Any

import msgspec
from aiohttp import web

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.model import User
from appliance.store.model_health import Alarm
from appliance.vision.health.judge import Verdict
from appliance.vision.packs import choice as choices
from appliance.vision.packs.choice import AUTO, LONGEST_SHADOW_S, Choice
from appliance.vision.state import Activation
from appliance.web.box import Box
from appliance.web.model_shapes import ActivationAnswer, ModelHealthAnswer, ModelsAnswer
from appliance.web.people.access import sees
from appliance.web.ports import ModelEntry, ModelInstall, VisionState
from appliance.web.routes import API, Call, Route, answer, there

NAMELESS = "analysis"  # the part's name where the box runs without it
LONGEST_NAME = 100


class ActivateBody(msgspec.Struct, forbid_unknown_fields=True):
    """``shadow_s``: how long both models look at the same pictures before the new one takes over;
    0: not at all. ``backend``: the library that runs it; ``auto``: what suits this box best."""

    shadow_s: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_SHADOW_S)] = 60
    backend: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_.:-]{0,39}$(?!\n)")] = AUTO


async def overview(box: Box) -> dict[str, Any]:
    """What ``GET /models`` answers; the page begins with the same."""
    models = there(box.models, NAMELESS)
    choice = await box.db.read(choices.read)
    state = models.state()
    return {
        "installing": install_json(models.installing()),
        "models": [model_json(entry, state) for entry in await models.entries()],
        "chosen": models.fixed() or choice.detector,
        "fixed": models.fixed() is not None,
        "activation": activation_json(models.activation()),
        "detector": {
            "name": state.detector,
            "backend": state.backend,
            "because": state.because,
            "state": state.state,
            "since": rfc3339(state.since_ns),
            "reason": state.reason,
        },
    }


def health_rows(box: Box, user: User) -> list[dict[str, Any]]:
    """One per analysed camera that ``user`` may see."""
    models = there(box.models, NAMELESS)
    alarms = models.alarms()
    return [
        verdict_json(camera_id, verdict, alarms.get(camera_id))
        for camera_id, verdict in sorted(models.verdicts().items())
        if sees(user, camera_id)
    ]


def model_json(entry: ModelEntry, state: VisionState) -> dict[str, Any]:
    return {
        "name": entry.name,
        "version": entry.version,
        "family": entry.family,
        "licence": entry.licence,
        "source": entry.source,
        "labels": list(entry.labels),
        "input": {"width": entry.width, "height": entry.height} if entry.width else None,
        "installed": entry.installed,
        "active": state.state == "running" and entry.name == state.detector,
        "known": entry.known,
    }


def activation_json(activation: Activation | None) -> dict[str, Any] | None:
    """``since`` is when the phase began; ``switches_at`` is known in a shadow only."""
    if activation is None:
        return None
    switches_ns = activation.since_ns + round(activation.shadow_s * SECOND_NS)
    return {
        "wanted": activation.wanted,
        "before": activation.before,
        "phase": activation.phase,
        "since": rfc3339(activation.since_ns),
        "reason": activation.reason,
        "pictures": activation.pictures,
        "agreement": round(activation.agreement, 4),
        "new_ms": round(activation.new_ms, 2),
        "old_ms": round(activation.old_ms, 2),
        "switches_at": rfc3339(switches_ns) if activation.phase == "shadow" else None,
    }


def install_json(install: ModelInstall | None) -> dict[str, Any] | None:
    if install is None:
        return None
    return {
        "name": install.name,
        "phase": install.phase,
        "since": rfc3339(install.at_ns),
        "done_bytes": install.done_bytes,
        "total_bytes": install.total_bytes,
        "reason": install.reason,
        "hint": install.hint,
    }


def verdict_json(camera_id: str, verdict: Verdict, alarm: Alarm | None) -> dict[str, Any]:
    return {
        "camera_id": camera_id,
        "state": verdict.state,
        "level": _rounded(verdict.level, 3),
        "usual": _rounded(verdict.usual, 3),
        "ratio": _rounded(verdict.ratio, 3),
        "trend": [_rounded(level, 3) for level in verdict.trend],
        "boxes": verdict.boxes,
        "looks": verdict.looks,
        "inference_ms": _rounded(verdict.inference_ms, 2),
        "inference_ms_max": _rounded(verdict.inference_ms_max, 2),
        "classes": verdict.classes,
        "alarm": None
        if alarm is None
        else {"kind": alarm.kind, "since": rfc3339(alarm.since_ns), "detail": alarm.detail},
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


async def list_models(call: Call) -> web.StreamResponse:
    return answer(await overview(call.box))


async def health(call: Call) -> web.StreamResponse:
    return answer({"cameras": health_rows(call.box, call.user)})


async def activate(call: Call) -> web.StreamResponse:
    """Stores the choice, then lets the analysis begin with it."""
    name, body = call.name("name"), await call.body(ActivateBody)
    models = there(call.box.models, NAMELESS)
    if models.fixed() is not None:
        hint = "start it without --detector to choose here"
        raise ApplianceError("conflict", f"this box was started with --detector {models.fixed()}", hint)
    entry = choosable(await models.entries(), name)
    choice, now_ns = Choice(name, body.backend, body.shadow_s), call.now_ns

    def work(conn: sqlite3.Connection) -> None:
        choices.write(conn, choice, now_ns, call.user, "api")

    await call.box.db.write(work)
    activation = await models.activate(name, body.backend, body.shadow_s)
    return answer(
        {
            "model": None if entry is None else model_json(entry, models.state()),
            "activation": activation_json(activation),
        }
    )


def choosable(entries: list[ModelEntry], name: str) -> ModelEntry | None:
    """The model of that name, None for ``auto``. Raises ``not_found`` with the nearest name,
    ``conflict`` for a known one that is not installed."""
    if name == AUTO:
        return None
    by_name = {entry.name: entry for entry in entries}
    entry = by_name.get(name)
    if entry is None:
        said = name[:LONGEST_NAME]
        near = difflib.get_close_matches(said, [*by_name, AUTO], n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join([*by_name, AUTO])}"
        raise ApplianceError("not_found", f"there is no model {said!r}", hint)
    if not entry.installed:
        hint = f"install it first, under Settings, Models, or on the box: appliance models install {name}"
        raise ApplianceError("conflict", f"the model {name} is not installed", hint)
    return entry


ROUTES = (
    Route("GET", f"{API}/models", "viewer", list_models, "Models, and which one looks", ModelsAnswer),
    Route(
        "GET", f"{API}/models/health", "viewer", health, "How the model does, by camera", ModelHealthAnswer
    ),
    Route(
        "POST",
        f"{API}/models/{{name}}/activate",
        "admin",
        activate,
        "Let this model look (also motion, and auto), after a shadow; how it goes is in GET /models",
        ActivationAnswer,
        ActivateBody,
        also=(409, 503),
    ),
)
