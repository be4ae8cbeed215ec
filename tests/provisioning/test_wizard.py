"""The way of a step: shown before it is done, done only as shown, marked only when it holds."""

import asyncio

import pytest

from appliance.base.errors import ApplianceError
from provisioning.record import Record
from provisioning.wizard import Wizard


@pytest.fixture
def wizard(tiny, ground, clock):
    return Wizard(ground, Record(ground.data_dir, clock))


async def go(wizard: Wizard, name: str, typed=None, **given):
    planned = await wizard.plan(name, given)
    await wizard.apply(name, given, planned["digest"], typed or {})
    await asyncio.wait([wizard._running[name].task])
    return await wizard.look(name)


async def refused(awaitable, kind: str) -> ApplianceError:
    with pytest.raises(ApplianceError) as caught:
        await awaitable
    assert caught.value.kind == kind
    return caught.value


async def test_a_step_is_planned_done_and_marked(wizard, tiny):
    assert wizard.current == "administrator"
    found = await go(wizard, "administrator", word="new")
    assert tiny["administrator"].word == "new"
    assert found["running"]["lines"] == ["writing new"] and found["running"]["done"]
    assert found["step"].state == "done" and found["found"].word == "new"
    assert wizard.current == "middle"


async def test_done_twice_the_second_plan_is_empty(wizard):
    await go(wizard, "administrator", word="new")
    assert (await wizard.plan("administrator", {"word": "new"}))["plan"].changes == ()


async def test_only_the_plan_that_was_shown_is_carried_out(wizard, tiny):
    planned = await wizard.plan("administrator", {"word": "new"})
    tiny["administrator"].word = "something else"
    await refused(wizard.apply("administrator", {"word": "new"}, planned["digest"], {}), "conflict")
    assert tiny["administrator"].applied == 0


async def test_what_cannot_be_undone_needs_its_name(wizard, tiny):
    tiny["administrator"].typed = "WD-123"
    planned = await wizard.plan("administrator", {})
    for typed in ({}, {"WD-123": "WD-124"}, {"WD-124": "WD-123"}):
        error = await refused(wizard.apply("administrator", {}, planned["digest"], typed), "invalid")
        assert error.field == "typed.WD-123"
    assert tiny["administrator"].applied == 0
    await go(wizard, "administrator", {"WD-123": "WD-123"})
    assert tiny["administrator"].applied == 1


async def test_answers_that_cannot_be_name_their_field(wizard):
    assert (await refused(wizard.plan("administrator", {"word": "impossible"}), "invalid")).field == "word"
    assert (await refused(wizard.plan("administrator", {"word": 5}), "invalid")).field == "word"
    assert (await refused(wizard.plan("administrator", {"wrod": "x"}), "invalid")).field == "wrod"
    nested = {"parts": [{"label": 5}]}
    assert (await refused(wizard.plan("administrator", nested), "invalid")).field == "parts[0].label"


async def test_a_failed_check_is_not_done_until_a_person_says_so(wizard, tiny):
    tiny["administrator"].ok = False
    found = await go(wizard, "administrator")
    assert found["step"].state == "todo" and not found["running"]["checks"][0].ok
    await wizard.confirm("administrator")
    line = wizard.lines()[0]
    assert line.state == "done" and line.findings


async def test_on_trial_it_is_done_only_when_it_is_confirmed(wizard, tiny, clock):
    tiny["administrator"].confirm_within_s = 60.0
    found = await go(wizard, "administrator")
    assert found["trial"]["seconds_left"] == 60.0 and found["step"].state == "todo"
    clock.tick(59)
    assert (await wizard.look("administrator"))["trial"]["seconds_left"] == 1.0
    await wizard.confirm("administrator")
    assert tiny["administrator"].confirmed == 1 and wizard.lines()[0].state == "done"


async def test_a_trial_that_nobody_confirmed_is_over(wizard, tiny, clock):
    tiny["administrator"].confirm_within_s = 60.0
    await go(wizard, "administrator")
    clock.tick(60)
    found = await wizard.look("administrator")
    assert found["trial"] is None and "undone" in found["running"]["error"]["message"]
    await refused(wizard.confirm("administrator"), "conflict")
    assert tiny["administrator"].confirmed == 0 and wizard.lines()[0].state == "todo"


async def test_a_late_confirm_without_a_look_is_too_late_as_well(wizard, tiny, clock):
    tiny["administrator"].confirm_within_s = 60.0
    await go(wizard, "administrator")
    clock.tick(61)
    await refused(wizard.confirm("administrator"), "conflict")
    assert tiny["administrator"].confirmed == 0


async def test_a_failure_is_told_and_can_be_tried_again(wizard, tiny):
    tiny["administrator"].error = ApplianceError("unavailable", "no disk", "plug one in", field="word")
    found = await go(wizard, "administrator")
    assert found["running"]["error"] == {
        "kind": "unavailable", "message": "no disk", "hint": "plug one in", "field": "word",
    }  # fmt: skip
    await refused(wizard.confirm("administrator"), "conflict")
    tiny["administrator"].error = None
    assert (await go(wizard, "administrator"))["step"].state == "done"


async def test_a_fault_of_ours_is_told_without_its_text(wizard, tiny, caplog):
    tiny["administrator"].error = RuntimeError("password=hunter2 in here")
    found = await go(wizard, "administrator")
    assert found["running"]["error"]["kind"] == "internal"
    assert "hunter2" not in str(found["running"]["error"])


async def test_one_step_at_a_time(wizard, tiny):
    await go(wizard, "administrator")
    tiny["middle"].gate = asyncio.Event()
    planned = await wizard.plan("middle", {})
    await wizard.apply("middle", {}, planned["digest"], {})
    other = await wizard.plan("last", {})
    error = await refused(wizard.apply("last", {}, other["digest"], {}), "conflict")
    assert "middle" in error.message
    found = await wizard.look("middle")
    assert found["found"] is None and not found["running"]["done"]
    with pytest.raises(ApplianceError):
        wizard.must_be_whole()
    tiny["middle"].gate.set()
    await asyncio.wait([wizard._running["middle"].task])
    assert (await wizard.look("middle"))["step"].state == "done"


async def test_two_applies_at_once_are_one(wizard, tiny):
    tiny["administrator"].gate = asyncio.Event()
    planned = await wizard.plan("administrator", {})
    outcomes = await asyncio.gather(
        *(wizard.apply("administrator", {}, planned["digest"], {}) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(one, dict) for one in outcomes) == 1
    tiny["administrator"].gate.set()
    await asyncio.wait([wizard._running["administrator"].task])
    assert tiny["administrator"].applied == 1


async def test_only_what_is_optional_is_skipped(wizard):
    await refused(wizard.skip("administrator"), "conflict")
    await wizard.skip("last")
    assert wizard.lines()[2].state == "skipped" and wizard.current == "administrator"


async def test_the_end_needs_every_step(wizard):
    for name in ("administrator", "middle"):
        with pytest.raises(ApplianceError):
            wizard.must_be_whole()
        await go(wizard, name)
    await wizard.skip("last")
    wizard.must_be_whole()
    assert wizard.current is None


async def test_before_there_is_a_box_there_is_only_the_first_step(wizard, daemon):
    daemon.is_box = False
    await refused(wizard.look("middle"), "conflict")
    await refused(wizard.plan("middle", {}), "conflict")
    assert (await wizard.look("administrator"))["step"].state == "todo"


async def test_no_such_step(wizard):
    await refused(wizard.look("nothing"), "not_found")


async def test_a_question_that_nobody_knows(wizard):
    await refused(wizard.ask("middle", "riddle", {}), "not_found")


async def test_a_wizard_that_begins_again_is_at_its_step(wizard, ground, clock, tiny):
    await go(wizard, "administrator")
    tiny["middle"].gate = asyncio.Event()
    planned = await wizard.plan("middle", {})
    await wizard.apply("middle", {}, planned["digest"], {})
    await wizard.close()  # killed while it works
    again = Wizard(ground, Record(ground.data_dir, clock))
    assert again.current == "middle" and (await again.look("middle"))["running"] is None
    tiny["middle"].gate = None
    assert (await go(again, "middle"))["step"].state == "done"


async def test_the_record_holds_no_answers(wizard, ground):
    await go(wizard, "administrator", word="sesame", password="open it please")
    found = b"".join(path.read_bytes() for path in ground.data_dir.rglob("*") if path.is_file())
    assert b"sesame" not in found and b"open it" not in found
