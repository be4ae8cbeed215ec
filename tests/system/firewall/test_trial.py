"""Confirm or revert, with a clock that is told and rules that are real."""

import os
import subprocess
import sys
import time

import pytest

from appliance.base.errors import ApplianceError
from appliance.system.firewall import boot, nft, render
from appliance.system.firewall.settings import FirewallSettings
from appliance.system.firewall.trial import FILE, Trials


@pytest.fixture
def trials(networks, clock, tmp_path):
    return Trials(tmp_path, networks.programs, clock, "boot-1")


@pytest.fixture
def wanted(networks):
    names = networks.interfaces
    return FirewallSettings(enabled=True, lan=(names["lan"],), cameras=(names["cam"],))


def test_not_confirmed_it_goes_by_itself(networks, trials, wanted, clock):
    trials.begin(wanted, render.ruleset(wanted), 60)
    assert "tcp/22" not in networks.reaches("lan")
    clock.tick(59)
    assert not trials.revert_if_due()
    clock.tick(2)
    assert trials.revert_if_due()
    assert nft.in_force(networks.programs) is None
    assert "tcp/22" in networks.reaches("lan")
    assert trials.pending() is None


def test_what_comes_back_is_what_was_in_force(networks, trials, wanted, clock):
    first = FirewallSettings(enabled=True, lan=wanted.lan, ssh=True)
    nft.apply(render.ruleset(first), networks.programs)
    before = nft.in_force(networks.programs)
    trials.begin(wanted, render.ruleset(wanted), 10)
    trials.begin(wanted, None, 20)  # a second one over the first: the same comes back
    assert nft.in_force(networks.programs) is None
    clock.tick(21)
    assert trials.revert_if_due()
    assert nft.in_force(networks.programs) == before
    assert "tcp/22" in networks.reaches("lan")


def test_confirmed_it_stays_and_is_stored(networks, trials, wanted, clock):
    stored = []
    trials.begin(wanted, render.ruleset(wanted), 10)
    assert trials.confirm(stored.append) == wanted
    assert stored == [wanted]
    clock.tick(100)
    assert not trials.revert_if_due()
    assert nft.in_force(networks.programs) is not None


def test_too_late_is_undone_and_not_stored(trials, wanted, clock):
    stored = []
    trials.begin(wanted, render.ruleset(wanted), 10)
    clock.tick(11)
    with pytest.raises(ApplianceError, match="nothing to confirm"):
        trials.confirm(stored.append)
    assert stored == []
    assert trials.pending() is None


def test_one_that_nft_refuses_begins_nothing(networks, trials, wanted):
    with pytest.raises(ApplianceError):
        trials.begin(wanted, "table inet aries_edge { nonsense }", 10)
    assert trials.pending() is None
    assert nft.in_force(networks.programs) is None


def test_a_trial_of_before_the_restart_is_over(networks, trials, wanted, clock, tmp_path):
    trials.begin(wanted, render.ruleset(wanted), 10)
    after = Trials(tmp_path, networks.programs, clock, "boot-2")
    assert after.pending() is None
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("seconds", [0, 4.9, 3_601, float("nan")])
def test_times_that_help_nobody_are_refused(trials, wanted, seconds):
    with pytest.raises(ApplianceError) as caught:
        trials.begin(wanted, render.ruleset(wanted), seconds)
    assert caught.value.field == "seconds"


@pytest.mark.long
def test_the_command_undoes_it_after_its_terminal_is_gone(networks, box_dir):
    """The connection over which it was typed is cut: its whole session is killed."""
    words = ["ip", "netns", "exec", networks.box, sys.executable, "-m", "appliance", "firewall", "apply"]
    command = [*words, "--data", str(box_dir), "--lan", networks.interfaces["cam"], "--seconds", "5"]
    child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)
    out, _ = child.communicate(timeout=30)
    assert "--confirm" in out
    assert networks.reaches("lan") == set()  # the wrong interface: locked out
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 9)
    until = time.monotonic() + 15
    while nft.in_force(networks.programs) is not None:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert "tcp/22" in networks.reaches("lan")
    stored = subprocess.run([*words, "--data", str(box_dir), "--stored"], capture_output=True, text=True)
    assert "no firewall is set" in stored.stdout


def test_what_is_confirmed_is_what_the_start_of_the_machine_puts_in_force(networks, box_dir):
    """The commands, and then what the unit does."""
    words = ["ip", "netns", "exec", networks.box, sys.executable, "-m", "appliance", "firewall", "apply"]
    words += ["--data", str(box_dir)]
    file = box_dir / boot.FILE
    for given in (["--lan", networks.interfaces["lan"], "--seconds", "60"], ["--confirm"]):
        assert not file.exists()
        subprocess.run([*words, *given], check=True, capture_output=True)
    before = nft.in_force(networks.programs)
    nft.remove(networks.programs)  # the machine was switched off
    assert (file.stat().st_mode & 0o777, file.stat().st_uid) == (0o600, box_dir.stat().st_uid)
    networks.programs.must("nft", "-f", str(file))
    assert nft.in_force(networks.programs) == before
    for given in (["--off", "--seconds", "60"], ["--confirm"]):
        assert file.exists()
        subprocess.run([*words, *given], check=True, capture_output=True)
    assert not file.exists()
