"""A change that locks the installer out undoes itself, whoever was killed meanwhile."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.system.network import trial
from appliance.system.network.settings import Port
from provisioning.steps.network.given import NetworkGiven
from provisioning.steps.network.step import Network

SAID: list[str] = []
SHORT_S = 3.0  # a busy machine needs some of it to look


def wrong(site) -> NetworkGiven:
    """A slip of the pen: 16 for 61."""
    up = Port(site.up, ("uplink",), address="10.16.1.1/24", gateway="10.16.1.2")
    return NetworkGiven((up, Port(site.cam, ("cameras",), address="192.168.50.1/24")))


class Short(Network):
    confirm_s = SHORT_S


async def until(true, within_s: float) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within_s, "it did not come back"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def test_it_comes_back_as_it_was(site, ground):
    before = site.kernel()
    await until(site.reaches, 5)
    applied = await Short().apply(ground, wrong(site), SAID.append)
    assert 0 < applied.confirm_within_s <= SHORT_S
    assert applied.address == "https://10.16.1.1:8443/"
    assert not site.reaches()
    await until(site.reaches, SHORT_S + 8)
    assert site.kernel() == before
    assert not (ground.root / "etc").exists()  # nothing was written that lasts
    with pytest.raises(ApplianceError, match="too late"):
        await Short().confirm(ground)


async def test_it_comes_back_though_the_wizard_is_killed(site, ground, tmp_path):
    """In a process of its own, killed with everything in its group the moment that it has changed things."""
    before = site.kernel()
    program = f"""
import asyncio, pathlib, sys, msgspec
from appliance.base.clock import BoxClock
from appliance.system.programs import Programs
from provisioning.ground import Ground
from provisioning.steps.network.step import Network
class NoDaemon: is_box = False
here = pathlib.Path({str(tmp_path)!r})
programs = Programs({site.programs.prefix!r})
ground = Ground(here / "data", BoxClock(), programs, NoDaemon(), here / "root", here / "run")
Network.confirm_s = {SHORT_S}
given = msgspec.json.decode({msgspec.json.encode(wrong(site))!r}, type=Network.given)
asyncio.run(Network().apply(ground, given, print))
print("changed", flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None
    while child.stdout.readline() not in ("changed\n", ""):
        pass
    assert not site.reaches()
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    shutil.rmtree(ground.run)  # as systemd does, when a service is gone
    child.stdin.close()
    child.stdout.close()
    await until(site.reaches, SHORT_S + 8)
    assert site.kernel() == before


async def test_confirmed_it_stays_and_a_second_time_nothing_changes(site, ground):
    cam = Port(site.cam, ("cameras",), address="192.168.50.1/24", pool="192.168.50.100-192.168.50.199")
    given = NetworkGiven((Port(site.up, ("uplink",), address="10.61.1.1/24", gateway="10.61.1.2"), cam))
    step = Network()
    plan = await step.plan(ground, given)
    assert len(plan.changes) == 3  # two ports, and the clock for the cameras
    await step.apply(ground, given, SAID.append)
    assert all(check.ok for check in await step.verify(ground, given))
    await step.confirm(ground)
    assert "192.168.50.1" in site.kernel()
    assert site.reaches()
    assert (await step.plan(ground, given)).changes == ()
    assert (await step.probe(ground)).now == given
    assert sorted(path.name for path in (ground.root / "etc/systemd/network").iterdir()) == [
        f"20-aries-{site.cam}.network", f"20-aries-{site.up}.network",
    ]  # fmt: skip


@pytest.mark.long
async def test_a_restart_of_the_machine_forgets_it(site, ground):
    """What is on trial is in /run and in the kernel only; both are new after a start."""
    step = Short()
    await step.apply(ground, wrong(site), SAID.append)
    assert not (ground.root / "etc").exists()
    shutil.rmtree(ground.run)
    site.reset()
    assert (await step.probe(ground)).seconds_left is None
    assert site.reaches()
    await asyncio.sleep(SHORT_S + 0.5)  # the guard, which a restart would have ended, has its turn


async def test_without_a_guard_nothing_is_changed(site, ground, monkeypatch):
    monkeypatch.setattr(trial, "leave_guard", lambda *_: None)
    monkeypatch.setattr(trial, "GUARD_COMES_S", 0.1)
    before = site.kernel()
    with pytest.raises(ApplianceError, match="does not start"):
        await Short().apply(ground, wrong(site), SAID.append)
    assert site.kernel() == before
    assert trial.pending(ground.run) is None


@pytest.mark.long
async def test_after_sixty_seconds_and_not_before(site, ground):
    before = site.kernel()
    await Network().apply(ground, wrong(site), SAID.append)
    assert not site.reaches()
    assert 55 < await until(site.reaches, 75) < 65
    assert site.kernel() == before
