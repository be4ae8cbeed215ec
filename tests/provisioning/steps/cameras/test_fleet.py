"""The cameras' step against simulated ONVIF cameras and a real daemon, from a file of answers."""

import dataclasses

import pytest

from appliance.system.programs import Programs
from provisioning.steps.cameras import Cameras
from provisioning.steps.cameras.given import CameraGiven, CamerasGiven, Credential

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
FAULTS = {2: "wrong-password", 3: "long-gop", 4: "clock-1970", 6: "h265-sub"}


@pytest.fixture
def ground(box_ground):
    """Programs that say nothing: only the fleet's network is searched, and not the machine's own."""
    return dataclasses.replace(box_ground, programs=Programs(prefix=("true",)))


@pytest.fixture
def fleet(start_fleet):
    return start_fleet(6, faults=FAULTS, words=["--main=320x180@5", "--sub=160x90@5"])


def answers(fleet, **more) -> CamerasGiven:
    own = (Credential("root", "not this one"), Credential(fleet.user, fleet.password))
    return CamerasGiven(networks=(fleet.network,), credentials=own, **more)


async def test_all_that_let_us_in_are_set_right_and_added_and_the_second_run_changes_nothing(
    ground, fleet
) -> None:
    step, said = Cameras(), []
    given = answers(
        fleet, add_found=True, set_right=True, camera=(CameraGiven("Gate", fleet.cameras[0].address),)
    )
    plan = await step.plan(ground, given)
    texts = [change.text for change in plan.changes]
    assert sum(text.startswith("add ") for text in texts) == 5 and texts[1].startswith("add Gate")
    assert any(text.startswith("set right") and "clock" in text for text in texts)
    locked_out = fleet.cameras[1].address
    assert any(locked_out in note and "no password of yours" in note for note in plan.notes)
    await step.apply(ground, given, said.append)
    checks = await step.verify(ground, given)
    assert [check.ok for check in checks] == [True] * 5 + [False], checks
    assert checks[-1].text.startswith("left out: ") and "password" in checks[-1].text and checks[-1].hint
    known = (await ground.daemon.ask("GET", "/camera-identities"))["identities"]
    assert {one["mac"] for one in known} == {one.mac for one in fleet.cameras if one.address != locked_out}
    assert fleet.password not in str(said) + str(plan) + str(checks)
    step = Cameras()
    again = await step.plan(ground, given)
    assert again.changes == ()
    assert [check.ok for check in await step.verify(ground, given)] == [True] * 5 + [False]
    assert not any("clock" in note or "key frame" in note or "H.265" in note for note in again.notes)


async def test_the_page_sees_them_one_by_one_and_another_password_opens_the_last(ground, fleet) -> None:
    step = Cameras()
    seen = {one.address: one for one in (await step.ask(ground, "scan", {"network": fleet.network})).seen}
    assert set(seen) == {camera.address for camera in fleet.cameras}
    hall = seen[fleet.cameras[1].address]
    body = {"seen": {name: getattr(hall, name) for name in hall.__struct_fields__}}
    right = {"username": fleet.user, "password": fleet.password}
    (refused,) = (await step.ask(ground, "inspect", body | {"credentials": [right]})).cameras
    assert not refused.usable and refused.findings[0].code == "wrong_password"
    slow = seen[fleet.cameras[2].address]
    body = {"seen": {name: getattr(slow, name) for name in slow.__struct_fields__}, "credential": right}
    found = await step.ask(ground, "set_right", body)
    assert found.mended and all(one.ok for one in found.mended) and found.cameras[0].right
    picture = await step.ask(
        ground, "snapshot", {"url": seen[fleet.cameras[0].address].url, "credential": right}
    )
    assert picture.content_type == "image/jpeg" and picture.body.startswith(b"\xff\xd8")
