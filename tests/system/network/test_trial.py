"""A trial by itself: who is killed when, and what is so afterwards. A change is a file, the clock is told."""

import shutil

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.system import files
from appliance.system.files import MachineFile
from appliance.system.network import guard, trial
from appliance.system.network.steps import Steps
from appliance.system.network.trial import Trials, Waiting
from appliance.system.programs import Programs

STEPS = Steps(
    put=(MachineFile("/run/new", "new"),),
    run=(("true",),),
    undo_remove=("/run/new",),
    undo_run=(("false",), ("true",)),
)
KEEP = (MachineFile("/etc/one", "1"), MachineFile("/etc/two", "2"))


@pytest.fixture
def trials(tmp_path, clock, monkeypatch):
    """Its guard is one that says that it is there, and is dead."""

    def leave(run, root, programs, name):
        found = trial.pending(run)
        here = Waiting(found.id, clock.monotonic_ns() + round(found.seconds * 1e9))
        files.put(MachineFile(trial.GUARD, msgspec.json.encode(here).decode()), run)

    monkeypatch.setattr(trial, "leave_guard", leave)
    return Trials(tmp_path / "aries", tmp_path, Programs(), clock)


def there(root) -> set[str]:
    return {name for name in ("run/new", "etc/one", "etc/two") if (root / name).exists()}


async def test_confirmed_what_lasts_is_written_and_the_trial_is_gone(trials, tmp_path, clock):
    await trials.begin(STEPS, KEEP, 60)
    assert there(tmp_path) == {"run/new"} and trials.left_s() == 60
    clock.tick(59)
    trials.confirm()
    assert there(tmp_path) == {"etc/one", "etc/two"} and trials.left_s() is None
    clock.tick(10)
    assert not trials.look_after()
    with pytest.raises(ApplianceError):
        trials.confirm()


async def test_too_late_is_too_late_though_the_guard_is_slow(trials, tmp_path, clock):
    await trials.begin(STEPS, KEEP, 60)
    clock.tick(60)
    with pytest.raises(ApplianceError, match="too late"):
        trials.confirm()
    assert not there(tmp_path) & {"etc/one", "etc/two"}


async def test_a_guard_that_was_killed_is_stood_in_for(trials, tmp_path, clock):
    await trials.begin(STEPS, KEEP, 60)
    clock.tick(61)
    assert not trials.look_after()  # it may be at it
    clock.tick(2)
    assert trials.look_after()
    assert there(tmp_path) == set()


async def test_killed_while_it_was_being_confirmed_it_is_confirmed(trials, tmp_path, clock):
    """The name of the file is what decides: from then on it lasts."""
    await trials.begin(STEPS, KEEP, 60)
    run = tmp_path / "aries"
    (run / trial.FILE).rename(run / trial.CONFIRMED)
    files.put(KEEP[0], tmp_path)  # ... and here somebody pulled the plug of the wizard
    clock.tick(100)
    assert not trials.look_after()
    assert there(tmp_path) == {"etc/one", "etc/two"}


async def test_a_command_that_fails_undoes_all_of_it(trials, tmp_path):
    steps = msgspec.structs.replace(STEPS, run=(("true",), ("false",)))
    with pytest.raises(ApplianceError):
        await trials.begin(steps, KEEP, 60)
    assert there(tmp_path) == set() and trials.left_s() is None


async def test_two_do_not_wait_at_once(trials):
    await trials.begin(STEPS, KEEP, 60)
    with pytest.raises(ApplianceError, match="waits to be confirmed"):
        await trials.begin(STEPS, KEEP, 60)


async def test_one_that_was_killed_before_its_guard_came_is_in_nobody_s_way(trials, tmp_path):
    await trials.begin(STEPS, KEEP, 60)
    (tmp_path / "aries" / trial.GUARD).unlink()
    await trials.begin(STEPS, KEEP, 60)
    trials.confirm()


async def test_the_guard_goes_when_it_is_another_s_turn(trials, tmp_path, clock):
    await trials.begin(STEPS, KEEP, 1)
    run = tmp_path / "aries"

    class Sleeping(type(clock)):
        async def sleep(self, seconds):
            trials.confirm()

    standing = Sleeping()
    assert not await guard.stand(run, standing)
    assert there(tmp_path) == {"etc/one", "etc/two"}
    assert not await guard.stand(run, clock)  # nothing waits


@pytest.mark.parametrize("seconds", [0, 0.5, 601, float("nan")])
async def test_how_long_is_checked(trials, tmp_path, seconds):
    with pytest.raises(ApplianceError):
        await trials.begin(STEPS, KEEP, seconds)
    assert there(tmp_path) == set()


async def test_a_folder_that_is_taken_away_with_its_service_does_not_send_the_guard_home(
    trials, tmp_path, clock
):
    """RuntimeDirectory= (systemd.exec(5)): /run/aries goes when the wizard's service stops, or is killed."""
    await trials.begin(STEPS, KEEP, 60)
    run = tmp_path / "aries"

    class Sleeping(type(clock)):
        async def sleep(self, seconds):
            shutil.rmtree(run, ignore_errors=True)
            self.tick(seconds)

    assert await guard.stand(run, Sleeping())
    assert there(tmp_path) == set()
