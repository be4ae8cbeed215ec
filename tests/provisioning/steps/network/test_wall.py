"""Ports and firewall together, on a real box's folder: both are undone, or both stay."""

import asyncio
import dataclasses

import pytest

from appliance.cli import main
from appliance.system.firewall import nft
from appliance.system.network.settings import Port
from provisioning.steps.network import wall
from provisioning.steps.network.given import NetworkGiven
from provisioning.steps.network.step import Network
from provisioning.steps.storage import bootstrap

pytestmark = pytest.mark.long  # each of its commands starts the whole program


class Short(Network):
    confirm_s = 6.0  # the firewall's trial is 5 s at least


@pytest.fixture
def box(ground, tmp_path):
    """``ground`` on an initialised box."""
    if not ground.programs.has("nft"):
        pytest.skip("nft is not installed")
    if nft.in_force(ground.programs) is None and ground.programs.ask("nft", "list", "ruleset").status:
        pytest.skip("this kernel has no nftables")
    (tmp_path / "password").write_text("a walk in the harbour\n")
    (tmp_path / "password").chmod(0o600)
    folder = tmp_path / "box"
    assert main(["init", "--data", str(folder), "--admin-password-file", str(tmp_path / "password")]) == 0
    ground.daemon.is_box = True
    yield dataclasses.replace(ground, data_dir=folder)
    nft.remove(ground.programs)


def given(site, address="10.61.1.1/24", **more) -> NetworkGiven:
    cam = Port(site.cam, ("cameras",), address="192.168.50.1/24", pool="192.168.50.100-192.168.50.199")
    return NetworkGiven((Port(site.up, ("uplink",), address=address), cam), **more)


async def test_confirmed_both_stay_and_a_second_time_nothing_changes(site, box):
    step, wanted = Short(), given(site)
    plan = await step.plan(box, wanted)
    assert "firewall" in plan.changes[-1].text and "cameras reach nothing else" in plan.changes[-1].detail
    await step.apply(box, wanted, lambda text: None)
    assert site.reaches()
    assert all(check.ok for check in await step.verify(box, wanted))
    await step.confirm(box)
    assert (await step.plan(box, wanted)).changes == ()
    await asyncio.sleep(7)
    assert nft.in_force(box.programs) is not None and site.reaches()
    (off,) = (await step.plan(box, given(site, firewall=False))).changes
    assert off.text == "the firewall is switched off"


async def test_not_confirmed_both_go(site, box):
    before = site.kernel()
    await Short().apply(box, given(site, "10.16.1.1/24"), lambda text: None)
    assert nft.in_force(box.programs) is not None and not site.reaches()
    for _ in range(120):
        if site.reaches() and nft.in_force(box.programs) is None:
            break
        await asyncio.sleep(0.1)
    assert site.kernel() == before and nft.in_force(box.programs) is None
    assert wall.kept(box.data_dir) is None


async def test_rules_that_shut_the_screen_out_go_as_well(site, box):
    """The ports are right, and yet nobody gets in: the screen's port was set wrong."""
    bootstrap.write(box.data_dir, 'listen = "0.0.0.0:9443"\n')
    await Short().apply(box, given(site), lambda text: None)
    assert not site.reaches()
    for _ in range(120):
        if site.reaches():
            break
        await asyncio.sleep(0.1)
    assert site.reaches()
