"""What answers and what was found make of the box's cameras; names that cameras have for themselves."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.onvif.details import Finding, StreamDetails
from provisioning.steps.cameras.given import CameraGiven, CamerasGiven, Credential, RecorderGiven
from provisioning.steps.cameras.naming import distinct, suggested
from provisioning.steps.cameras.seen import Looked
from provisioning.steps.cameras.wanted import all_wanted, body, change, has, known

MAIN = StreamDetails("main", "rtsp://10.0.0.5/main", "h265", 1920, 1080, 25.0, 4_096_000, 2.0)
SUB = StreamDetails("sub", "rtsp://10.0.0.5/sub", "h264", 640, 360, 10.0, 512_000, 1.0)
REFUSED = Finding("wrong_password", "the camera refuses the password", "enter another one", mendable=False)


def looked(address: str = "10.0.0.5", serial: str = "ds-2cd-1", **more) -> Looked:
    usable = more.pop("usable", True)
    streams = tuple(
        StreamDetails(s.profile, s.rtsp_url.replace("10.0.0.5", address), s.codec, s.width, s.height, s.fps,
                      s.bitrate_bps, s.key_frame_interval_s)
        for s in (MAIN, SUB)
    ) if usable else ()  # fmt: skip
    fields = {
        "key": serial, "address": address, "url": f"http://{address}/onvif", "name": "Hikvision 5",
        "maker": "Hikvision", "model": "DS", "firmware": "5", "serial": serial, "mac": "", "endpoint": "",
        "credential": 0 if usable else None, "streams": streams, "findings": () if usable else (REFUSED,),
        "has_picture": True, "usable": usable, "right": usable,
    }  # fmt: skip
    return Looked(**(fields | more))


def there(**more) -> dict:
    fields = {
        "id": "gate", "name": "Gate", "enabled": True, "rtsp_url": "rtsp://10.0.0.5/main",
        "sub_url": "rtsp://10.0.0.5/sub", "record": {"mode": "off"}, "retention_days": 3.0,
        "detect": {"fps": 2}, "identity": {"serial": "DS-2CD-1", "mac": None},
    }  # fmt: skip
    return fields | more


CREDENTIALS = (Credential("admin", "sesame"),)


def test_all_that_were_found_and_let_us_in_are_wanted_once_each() -> None:
    given = CamerasGiven(
        credentials=CREDENTIALS, add_found=True, camera=(CameraGiven(name="Gate", serial="DS-2CD-1"),)
    )
    found = (looked(), looked("10.0.0.6", "ds-2cd-2"), looked("10.0.0.7", "ds-2cd-3", usable=False))
    names = [one.name for one in all_wanted(given, found, [])]
    assert names == ["Gate", "Hikvision 5"]
    twins = (looked(), looked("10.0.0.6", "ds-2cd-2"))
    wanted = all_wanted(CamerasGiven(credentials=CREDENTIALS, add_found=True), twins, [])
    assert [one.name for one in wanted] == ["Hikvision 5", "Hikvision 5 2"]
    assert wanted[0].credentials.password == "sesame" and wanted[0].sub_url == SUB.rtsp_url


def test_a_camera_that_moved_is_followed_under_its_own_name_with_what_was_set_for_it() -> None:
    given = CamerasGiven(credentials=CREDENTIALS, add_found=True)
    (wanted,) = all_wanted(given, (looked("10.0.0.23"),), [there()])
    before = known(wanted, [there()])
    assert before is not None and change(wanted, before).text == "Gate: follow it to 10.0.0.23"
    sent = body(wanted, before)
    assert sent["name"] == "Gate" and sent["rtsp_url"] == "rtsp://10.0.0.23/main"
    assert sent["record"] == {"mode": "off"} and sent["retention_days"] == 3.0
    assert change(wanted, there(rtsp_url=wanted.rtsp_url, sub_url=wanted.sub_url)) is None


def test_the_box_is_told_which_device_it_is() -> None:
    own = CamerasGiven(credentials=CREDENTIALS, add_found=True)
    told = {"serial": "ds-2cd-1", "onvif_url": "http://10.0.0.5/onvif"}
    (wanted,) = all_wanted(own, (looked(),), [])
    assert body(wanted, None)["device"] == told
    page = CameraGiven("Gate", "10.0.0.5", rtsp_url=MAIN.rtsp_url, credential=0, **told)
    (wanted,) = all_wanted(CamerasGiven(credentials=CREDENTIALS, camera=(page,)), (), [])
    assert body(wanted, None)["device"] == told and wanted.serial == "ds-2cd-1"
    # a label that somebody has read is not what the device says itself
    label = CameraGiven("Gate", rtsp_url=MAIN.rtsp_url, serial="DS 1")
    (wanted,) = all_wanted(CamerasGiven(camera=(label,)), (), [])
    assert "device" not in body(wanted, None)
    # of a camera that the box has, only together with its password
    (wanted,) = all_wanted(CamerasGiven(add_found=True), (looked(),), [])
    assert "device" in body(wanted, None) and "device" not in body(wanted, there())


def test_the_pictures_of_a_recorder_are_one_device_and_several_cameras() -> None:
    found = tuple(looked(key=f"dvr/{number}", channel=number) for number in (1, 2))
    wanted = all_wanted(CamerasGiven(credentials=CREDENTIALS, add_found=True), found, [])
    page = CameraGiven("D", rtsp_url=MAIN.rtsp_url, serial="ds-2cd-1", onvif_url=found[0].url, channel=1)
    wanted += all_wanted(CamerasGiven(camera=(page,)), (), [])
    assert [body(one, None)["device"]["serial"] for one in wanted] == ["ds-2cd-1"] * 3
    assert known(wanted[1], [there(rtsp_url="rtsp://10.0.0.5/other")]) is None
    away = looked(url="http://10.0.0.6/onvif")
    (wanted,) = all_wanted(CamerasGiven(credentials=CREDENTIALS, add_found=True), (away,), [])
    assert "device" not in body(wanted, None)


def test_what_is_left_out_is_what_the_box_has_not() -> None:
    locked = looked(usable=False, mac="00:11:22:aa:bb:cc", serial="")
    assert not has([], locked) and not has([there(rtsp_url="rtsp://10.0.0.50/main", identity=None)], locked)
    assert has([there(identity=None)], locked)  # at its address: that camera's own check tells
    elsewhere = there(rtsp_url="rtsp://10.0.0.9/main", identity={"mac": locked.mac})
    assert has([elsewhere], locked)


def test_another_device_at_the_address_is_not_the_camera_that_was_there() -> None:
    given = CamerasGiven(
        credentials=CREDENTIALS, camera=(CameraGiven(serial="other-77", address="10.0.0.5"),)
    )
    with pytest.raises(ApplianceError) as caught:
        all_wanted(given, (looked(),), [])
    assert caught.value.kind == "not_found" and caught.value.field == "camera.0.address"


def test_one_that_refuses_the_password_is_named_with_its_next_step() -> None:
    given = CamerasGiven(credentials=CREDENTIALS, camera=(CameraGiven(name="Hall", address="10.0.0.7"),))
    with pytest.raises(ApplianceError, match="Hall: the camera refuses the password") as caught:
        all_wanted(given, (looked("10.0.0.7", usable=False),), [])
    assert caught.value.hint == "enter another one"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("Front gate", "Front gate"), ("IPCAM", "Dahua 17"), ("Network Camera", "Dahua 17"),
        ("", "Dahua 17"), ("Dahua", "Dahua 17"), ("IPC-HFW", "Dahua 17"), ("Camera 1", "Dahua 17"),
        ("Yard\n north ", "Yard north"), ("10.0.0.17", "Dahua 17"),
    ],
)  # fmt: skip
def test_a_name_is_the_cameras_own_where_it_says_something(name: str, suggestion: str) -> None:
    assert suggested(name, "Dahua", "IPC-HFW", "10.0.0.17") == suggestion


def test_names_are_distinct_whatever_their_case() -> None:
    assert distinct("Gate", ["gate", "GATE 2"]) == "Gate 3" and distinct("Gate", []) == "Gate"


def test_passwords_are_not_in_what_can_be_printed() -> None:
    given = CamerasGiven(credentials=CREDENTIALS, recorder=(RecorderGiven("DVR", "cp-plus", "10.0.0.9", 8),))
    assert "sesame" not in repr(given)
