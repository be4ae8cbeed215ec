"""The cameras' step on a real daemon: simulated cameras are added, recorded, followed, left out."""

import pytest

from appliance.base.errors import ApplianceError
from provisioning.steps.cameras import Cameras
from provisioning.steps.cameras.given import CameraGiven, CamerasGiven, Credential, LeftGiven

ONE = (Credential("admin", "sesame"),)
SIM = "sim://{name}?fps=5&size=160x90&gop=5"


def camera(name: str, **more) -> CameraGiven:
    return CameraGiven(name=name, rtsp_url=SIM.format(name=name.lower()), **more)


async def test_cameras_are_added_and_recorded_and_not_added_again(box_ground, twice) -> None:
    given = CamerasGiven(camera=(camera("Gate"), camera("Yard")))
    planned, said, checks = await twice(Cameras(), given)
    assert [text.partition(" (")[0] for text in planned] == ["add Gate", "add Yard"]
    assert "adding Gate" in said and any(line.startswith("Yard records: H.264 160x90") for line in said)
    assert all(check.ok for check in checks) and {check.name for check in checks} == {"Gate", "Yard"}


async def test_one_that_cannot_be_reached_is_said_by_name_and_keeps_no_other_away(box_ground, twice) -> None:
    dead = CameraGiven(name="Roof", rtsp_url="rtsp://127.0.0.1:9/none")
    left = LeftGiven("Hall", "the camera refuses the password", "enter another one")
    spare = LeftGiven("Attic", "not chosen", by_choice=True)
    _, _, checks = await twice(Cameras(), CamerasGiven(camera=(dead, camera("Gate")), left=(left, spare)))
    assert next(check.ok for check in checks if check.name == "Attic")
    found = {check.name: check for check in checks}
    assert found["Gate"].ok and not found["Roof"].ok and found["Roof"].hint
    assert "does not answer" in found["Roof"].text
    assert not found["Hall"].ok and "refuses the password" in found["Hall"].text


async def test_nothing_but_the_daemon_is_needed_to_look_again_after_a_restart(box_ground, twice) -> None:
    await twice(Cameras(), CamerasGiven(camera=(camera("Gate"),)))
    (check,) = await Cameras().verify(box_ground, None)
    assert check.ok and check.text.startswith("records")
    found = await Cameras().probe(box_ground)
    assert [one["name"] for one in found.cameras] == ["Gate"]


async def test_a_camera_is_renamed_and_its_second_stream_changed(box_ground, twice) -> None:
    await twice(Cameras(), CamerasGiven(camera=(camera("Gate"),)))
    again = CameraGiven(
        name="Front gate", rtsp_url=SIM.format(name="gate"), sub_url=SIM.format(name="gate-sub")
    )
    planned, _, _ = await twice(Cameras(), CamerasGiven(camera=(again,)))
    assert planned == ["Gate: change its second stream, call it Front gate"]


async def test_a_login_in_an_address_is_kept_apart_and_found_again(box_ground, twice) -> None:
    url = "rtsp://admin:sesame@127.0.0.1:9/cam?channel=1"
    planned, _, _ = await twice(Cameras(), CamerasGiven(camera=(CameraGiven(name="DVR", rtsp_url=url),)))
    (kept,) = (await box_ground.daemon.ask("GET", "/cameras"))["cameras"]
    assert "sesame" not in str(planned) + str(kept) and kept["username"] == "admin"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (CamerasGiven(camera=(CameraGiven(name="x"),)), "camera.0.address"),
        (CamerasGiven(camera=(CameraGiven(rtsp_url="rtsp://h/s"),)), "camera.0.name"),
        (
            CamerasGiven(camera=(camera("A", credential=1),), credentials=(Credential("a", "b"),)),
            "camera.0.credential",
        ),
        (CamerasGiven(camera=(camera("A"), camera("A"))), "camera.1.name"),
        (CamerasGiven(networks=("10.0.0.0/8",)), "networks.0"),
        (CamerasGiven(networks=("kitchen",)), "networks.0"),
    ],
)
async def test_answers_that_cannot_be_are_refused_with_their_field(box_ground, given, field) -> None:
    with pytest.raises(ApplianceError) as caught:
        await Cameras().plan(box_ground, given)
    assert caught.value.field == field and caught.value.hint


async def test_the_page_learns_what_an_address_sends(box_ground) -> None:
    body = {"rtsp_url": SIM.format(name="gate"), "sub_url": "rtsp://127.0.0.1:9/none"}
    (found,) = (await Cameras().ask(box_ground, "address", body)).cameras
    (main,) = found.streams
    assert (main.codec, main.width, main.height) == ("h264", 160, 90) and main.key_frame_interval_s
    assert found.usable and not found.right and "sub" in str(found.findings)


async def test_a_question_that_there_is_not_is_refused(box_ground) -> None:
    with pytest.raises(ApplianceError, match="no question"):
        await Cameras().ask(box_ground, "colour", {})
    with pytest.raises(ApplianceError) as caught:
        await Cameras().ask(box_ground, "discover", {"networks": "all"})
    assert caught.value.kind == "invalid"
