"""A change of the model that failed is not taken again; a model that is less sure is said to people."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.base.clock import ManualClock
from appliance.base.config import load
from appliance.base.model import Event
from appliance.daemon.analysis import Analysis
from appliance.daemon.stores import Stores
from appliance.store import alerts, audit, events, journal
from appliance.store.alerts import AlertFilter
from appliance.store.events import EventFilter
from appliance.store.model_health import Alarm
from appliance.vision.messages import Trial
from appliance.vision.packs import choice as choices
from appliance.vision.packs.choice import Choice
from appliance.vision.state import Activation, VisionBeat, VisionState

BEFORE, WANTED = Choice("auto"), Choice("own-model", "openvino", 60.0)


@pytest.fixture
async def analysis(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Analysis]:
    config = load({}, data_dir=tmp_path)
    stores = Stores.open(config)
    found: Any = None  # nothing of the past is asked for here
    yield Analysis(config, clock, stores, "box-1", found, BEFORE)
    stores.close()


async def choose(analysis: Analysis) -> Any:
    """As the web does; then the box's databases."""
    db = analysis._db
    await db.write(lambda conn: choices.write(conn, WANTED, 1, None, "api"))
    await analysis.use(WANTED)
    return db


async def settled(db: Any) -> None:
    await db.write(lambda conn: None)
    await asyncio.sleep(0)


async def rows(db: Any, type_: str) -> list[Any]:
    return [row.data for row in await db.read(lambda c: journal.since(c, 0, 100)) if row.type == type_]


def phase(name: Any, reason: str = "") -> Activation:
    return Activation("own-model", "deimv2-femto", name, 1, reason)


@pytest.mark.parametrize("end", ["refused", "rolled_back"])
async def test_what_failed_is_not_the_choice_of_the_next_start(analysis, end):
    db = await choose(analysis)
    for change in (phase("loading"), phase("shadow"), phase("shadow"), phase(end, "it is too slow")):
        analysis._activation_changed(change)
    await settled(db)
    assert await db.read(choices.read) == BEFORE
    told = [(row["phase"], row["reason"]) for row in await rows(db, "system")]
    assert told == [("loading", ""), ("shadow", ""), (end, "it is too slow")]
    assert (await db.read(lambda c: audit.page(c, 1, None)))[0][0].detail["reason"] == "it is too slow"


async def test_what_succeeded_stays(analysis):
    db = await choose(analysis)
    for name in ("loading", "shadow", "trial", "active"):
        analysis._activation_changed(phase(name))
    await settled(db)
    assert await db.read(choices.read) == WANTED


async def test_a_later_try_at_it_that_fails_does_not_undo_what_people_accepted(analysis):
    db = await choose(analysis)
    for name in ("loading", "active", "loading", "rolled_back"):  # the host tries again by itself
        analysis._activation_changed(phase(name))
    await settled(db)
    assert await db.read(choices.read) == WANTED


async def test_a_try_of_the_box_s_own_that_fails_undoes_nothing(analysis):
    """Chosen while nothing looked: there was no change that could have proved itself."""
    db = await choose(analysis)
    for name in ("loading", "refused"):
        analysis._activation_changed(msgspec.structs.replace(phase(name), own=True))
    await settled(db)
    assert await db.read(choices.read) == WANTED


async def test_engines_are_kept_in_the_data_directory(analysis, tmp_path):
    assert analysis.vision._engines_dir == tmp_path / "engines"


async def test_the_finding_names_the_device(analysis):
    analysis.vision._state = VisionState("running", 1, "deimv2-femto", "", 0, "tensorrt, Orin, compute 8.7")
    assert ("analysis", "ok", "deimv2-femto on tensorrt, Orin, compute 8.7: running") in analysis.findings()


async def test_the_host_is_asked_once_with_backend_and_shadow(analysis, monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []

    async def use(*what: Any) -> None:
        asked.append(what)

    monkeypatch.setattr(analysis.vision, "use", use)
    await analysis.use(Choice("auto", "auto", 30.0))
    assert asked == []
    await choose(analysis)
    await analysis.use(WANTED)
    assert asked == [("own-model", "openvino", 60.0)]


async def test_the_same_again_is_asked_for_where_it_does_not_look_or_is_to_look_sooner(analysis, monkeypatch):
    asked: list[Any] = []

    async def use(*what: Any) -> None:
        asked.append(what)

    monkeypatch.setattr(analysis.vision, "use", use)
    await analysis.use(WANTED)
    analysis.vision._choice.activation = phase("shadow")
    await analysis.use(WANTED)
    assert len(asked) == 1
    await analysis.use(msgspec.structs.replace(WANTED, shadow_s=0.0))
    assert asked[1:] == [("own-model", "openvino", 0.0)]
    analysis.vision._choice.activation = phase("active")
    analysis.vision._choice.choose("own-model", "openvino")
    analysis.vision._state = VisionState("running", 1, "motion", "", 0)
    await analysis.use(msgspec.structs.replace(WANTED, shadow_s=0.0))
    assert len(asked) == 3
    assert ("analysis", "degraded", "motion: running") in analysis.findings()


async def test_a_change_that_cuts_a_trial_short_and_fails_leaves_what_was_on_trial(analysis, monkeypatch):
    """It looked well, and it looks still: neither the next worker nor the next start may go further back."""
    sent: list[Any] = []
    host = analysis.vision

    async def use(detector: str, backend: str, shadow_s: float) -> None:
        sent.append(host._choice.begin(detector, backend, shadow_s, "deimv2-femto"))

    monkeypatch.setattr(host, "use", use)
    db = await choose(analysis)
    for name in ("shadow", "trial"):
        host._choice.heard(Trial("own-model", name, ""))
    other = Choice("yolox-nano", "auto", 0.0)
    await db.write(lambda conn: choices.write(conn, other, 1, None, "api"))
    await analysis.use(other)
    assert host._choice.now == ("own-model", "openvino")
    host._choice.heard(Trial("yolox-nano", "refused", "no"))
    await settled(db)
    assert host._choice.now == ("own-model", "openvino") and await db.read(choices.read) == WANTED


async def test_beats_go_to_the_health_of_models_and_to_whoever_listens(analysis):
    heard: list[Any] = []
    analysis.on_beat = heard.append
    beat = VisionBeat({}, (), {})
    analysis._beat(beat)
    assert heard == [beat]


async def test_a_model_that_is_less_sure_is_a_warning_on_its_camera(analysis, clock):
    rung: list[int] = []
    listener: Callable[[], None] = lambda: rung.append(analysis.bell.newest)  # noqa: E731
    analysis.bell.listen(listener)
    alarm = Alarm("gate", "deimv2-femto", "sub 0.40", "drop", clock.now_ns(), 0, "fell to 0.46")
    analysis._model_alarm(alarm, True)
    analysis._model_alarm(alarm, False)
    db = analysis._db
    await settled(db)
    (event,), _, _ = await db.read(lambda c: events.page(c, EventFilter(), 10, None))
    assert (event.type, event.severity, event.camera_id) == ("model_drift", "warning", "gate")
    assert event.metadata["detail"] == "fell to 0.46" and "dirt" in event.metadata["hint"]
    (alert,), _, _ = await db.read(lambda c: alerts.page(c, AlertFilter(), 10, None))
    assert (alert.event_id, alert.severity, alert.status) == (event.id, "warning", "new")
    assert [(row["kind"], row["began"]) for row in await rows(db, "system")] == [
        ("drop", True), ("drop", False),
    ]  # fmt: skip
    assert rung


async def test_findings_say_it_without_names(analysis):
    assert ("model", "ok", "learning what is usual here") in analysis.findings()


async def test_at_the_start_nothing_of_before_stays_open_and_the_end_of_sight_is_heard(analysis):
    event = Event(
        id="e1", device_id="box-1", camera_id="yard", rule_id="r", type="zone_enter", severity="info",
        start_ns=5, end_ns=None, confidence=0.9, class_name="person", track_id="w1-1", bbox=None,
        zone_id="z", created_ns=6,
    )  # fmt: skip
    await analysis._db.write(lambda conn: events.insert(conn, event))
    async with AsyncExitStack() as stack:
        await analysis.start(stack)
        found = await analysis._db.read(lambda conn: events.get(conn, "e1"))
        assert found.end_ns == 5 and found.metadata == {"ended": "restart"}
        assert analysis.bell.newest == await analysis._db.read(journal.newest) > 0
        assert analysis.vision.on_blind == analysis.intake.blinded


async def test_a_model_that_came_in_gets_the_place_of_what_stands_in(analysis, monkeypatch):
    asked: list[tuple[str, str]] = []

    async def use(detector: str, backend: str, shadow_s: float = 0.0) -> None:
        asked.append((detector, backend))

    monkeypatch.setattr(analysis.vision, "use", use)
    looks = VisionState("running", 0, "deimv2-femto", "", 0)
    monkeypatch.setattr(analysis.vision, "state", lambda: looks)
    await analysis.look_again()
    assert asked == [], "the best that is installed looks already"
    looks = VisionState("running", 0, "motion", "no model pack is installed", 0)
    await analysis.look_again()
    assert asked == [(BEFORE.detector, BEFORE.backend)]
