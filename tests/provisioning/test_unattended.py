"""From a file of answers: shown, done once, looked at, confirmed only when it holds."""

import pytest

from appliance.base.errors import ApplianceError
from provisioning import unattended
from provisioning.answers import Answers
from provisioning.record import Record
from provisioning.unattended import Task, carry_out


@pytest.fixture
def run(tiny, ground, clock, monkeypatch):
    """``await run(administrator={...}, ...)`` -> (outcome, what was told)."""

    class Box:
        def __init__(self, *_, **__):
            self.played = ground.daemon

        async def close(self): ...

        def __getattr__(self, name):
            return getattr(self.played, name)

    monkeypatch.setattr(unattended, "BoxDaemon", Box)
    step_given = {
        name: unattended.Wizard(ground, Record(ground.data_dir, clock)).step(name).given for name in tiny
    }

    async def go(*, go_on=False, told=None, **given):
        options = {key: given.pop(key) for key in ("dry_run", "yes_format") if key in given}
        answers = Answers({name: step_given[name](**fields) for name, fields in given.items()}, go_on)
        told = [] if told is None else told
        outcome = await carry_out(
            Task(ground.data_dir, answers, **options), clock, lambda what, it: told.append((what, it))
        )
        return outcome, told

    return go


ALL = {"administrator": {"word": "a"}, "middle": {"word": "b"}, "last": {"word": "c"}}


async def test_all_steps_then_a_second_time_nothing(run, tiny, ground):
    outcome, told = await run(**ALL)
    assert outcome.changed == 4 and outcome.failed == ()  # the fourth: it is provisioned
    assert [it for what, it in told if what == "step"] == ["Administrator", "Middle", "Last"]
    assert (ground.data_dir / "provisioned").exists()
    before = _tree(ground.data_dir)
    outcome, told = await run(**ALL)
    assert outcome.changed == 0
    assert [it for what, it in told if what == "same"] == ["nothing changes"] * 3
    assert [state.applied for state in tiny.values()] == [1, 1, 1]
    assert _tree(ground.data_dir) == before


async def test_a_look_changes_nothing(run, tiny, ground, daemon):
    daemon.is_box = False
    outcome, told = await run(**ALL, dry_run=True)
    assert outcome.changed == 1 and sum(what == "note" for what, _ in told) == 2
    daemon.is_box = True
    outcome, told = await run(**ALL, dry_run=True)
    assert outcome.changed == 3 and not ground.data_dir.exists()
    assert all(state.applied == 0 for state in tiny.values())


async def test_a_failed_check_stops_it(run, tiny, ground):
    tiny["middle"].ok = False
    with pytest.raises(ApplianceError) as caught:
        await run(**ALL)
    assert caught.value.kind == "conflict" and "Middle" in caught.value.message
    assert tiny["last"].applied == 0 and not (ground.data_dir / "provisioned").exists()


async def test_with_go_on_it_goes_on_and_says_so(run, tiny, clock, ground):
    tiny["middle"].ok = False
    outcome, _ = await run(**ALL, go_on=True)
    assert outcome.failed == ("word",) and tiny["last"].applied == 1
    assert Record(ground.data_dir, clock).of("middle").findings


async def test_a_change_on_trial_is_confirmed_only_if_it_holds(run, tiny):
    for state in tiny.values():
        state.confirm_within_s = 60.0
    tiny["last"].ok = False
    with pytest.raises(ApplianceError):
        await run(**ALL)
    assert [state.confirmed for state in tiny.values()] == [1, 1, 0]


async def test_what_cannot_be_undone_needs_its_serial(run, tiny):
    tiny["middle"].typed = "WD-123"
    with pytest.raises(ApplianceError) as caught:
        await run(**ALL, yes_format=("WD-124",))
    assert caught.value.kind == "invalid" and tiny["middle"].applied == 0
    await run(**ALL, yes_format=("WD-124", "WD-123"))
    assert tiny["middle"].applied == 1


async def test_what_a_step_refuses_names_its_section(run, tiny):
    with pytest.raises(ApplianceError) as caught:
        await run(administrator={"word": "a"}, middle={"word": "impossible"})
    assert caught.value.field == "middle.word" and tiny["administrator"].applied == 1


async def test_some_answers_are_a_beginning(run, ground):
    _, told = await run(administrator={"word": "a"})
    assert any(what == "note" and "Middle" in it for what, it in told)
    assert not (ground.data_dir / "provisioned").exists()


async def test_what_is_optional_and_not_answered_is_skipped(run, ground, clock):
    await run(administrator={"word": "a"}, middle={"word": "b"})
    assert Record(ground.data_dir, clock).of("last").state == "skipped"
    assert (ground.data_dir / "provisioned").exists()


def _tree(folder):
    return {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")
    }
