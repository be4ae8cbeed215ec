"""The cameras as one meets them: found, asked, set, moved; each in a process of its own."""

import subprocess
import time

import pytest

_PROBE = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-analyzeduration", "400000", "-of", "csv=p=0"]


def video(url: str, user: str, password: str) -> str:
    """``h264,640,360,10/1``, by ffprobe."""
    url = url.replace("rtsp://", f"rtsp://{user}:{password}@")
    asked = ["-show_entries", "stream=codec_name,width,height,r_frame_rate", url]
    done = subprocess.run([*_PROBE, *asked], capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip() or done.stderr


def test_each_maker_is_found_and_says_who_it_is(six_cameras, ask, probe):
    found = probe(six_cameras.group, 6)
    assert sorted(found) == sorted(camera.address for camera in six_cameras.cameras)
    told = [answers[0] for answers in found.values()]
    assert len({answer.partition(b"Envelope")[0] for answer in told}) >= 3  # makers' own prefixes
    for camera in six_cameras.cameras:
        assert camera.url.encode() in found[camera.address][0]
        answer = ask(six_cameras, camera, "tds:GetDeviceInformation")
        assert (answer.status, answer.text("tds:SerialNumber")) == (200, camera.serial), camera.maker
        told_mac = ask(six_cameras, camera, "tds:GetNetworkInterfaces").text("tt:HwAddress")
        assert told_mac.replace("-", "").replace(".", "").replace(":", "").lower() == camera.mac.replace(
            ":", ""
        )


def test_a_probe_for_something_else_is_not_answered(six_cameras, probe):
    assert len(probe(six_cameras.group, 6, "n:NetworkVideoTransmitter")) == 6
    assert probe(six_cameras.group, 1, "n:Printer", wait_s=0.8) == {}


def test_every_maker_streams_what_it_tells(six_cameras, ask):
    for camera in six_cameras.cameras:
        profiles = ask(six_cameras, camera, "trt:GetProfiles").all("trt:Profiles")
        assert len(profiles) == (3 if camera.maker == "axis" else 2)
        token = next(p for p in profiles if p.find("{*}Name").text == "subStream").get("token")
        asked = f"<trt:ProfileToken>{token}</trt:ProfileToken>"
        assert ask(six_cameras, camera, "trt:GetStreamUri", asked).text("tt:Uri") == camera.sub
    first, last = six_cameras.cameras[0], six_cameras.cameras[-1]
    assert video(first.main, six_cameras.user, six_cameras.password) == "h264,640,360,10/1"
    assert video(last.sub, six_cameras.user, six_cameras.password) == "h264,320,180,5/1"
    assert "401" in video(last.sub, six_cameras.user, "wrong")


@pytest.mark.long
def test_a_camera_moves_and_is_the_same(start_fleet, ask, probe):
    fleet = start_fleet(6)
    camera = fleet.cameras[5]
    answer = fleet.order(camera.name, "move")
    assert answer["ok"] and answer["address"] != camera.address
    with pytest.raises(OSError, match="refused"):
        ask(fleet, camera, "tds:GetDeviceInformation")
    url = camera.url.replace(camera.address, answer["address"])
    told = ask(fleet, camera, "tds:GetDeviceInformation", url=url)
    assert told.text("tds:SerialNumber") == camera.serial
    found = probe(fleet.group, 6)
    assert camera.endpoint.encode() in found[answer["address"]][0] and camera.address not in found
    moved = camera.sub.replace(camera.address, answer["address"])
    assert video(moved, fleet.user, fleet.password) == "h264,320,180,5/1"


def test_an_order_that_makes_no_sense_is_refused_with_words(six_cameras):
    for words in (("cam99", "move"), ("cam01", "fly"), ("cam01", "move", "here"), ("cam06", "tamper", "on")):
        answer = six_cameras.order(*words)
        assert not answer["ok"] and answer["error"]["message"] and answer["error"]["hint"]
    taken = six_cameras.order("cam01", "move", six_cameras.cameras[1].address)
    assert taken["error"]["kind"] == "conflict"


def test_what_an_installer_meets_among_twelve(start_fleet, ask, probe):
    fleet = start_fleet(12, mixed=True)
    by_fault = {camera.faults[0]: camera for camera in fleet.cameras if camera.faults}
    elsewhere = by_fault["elsewhere"]
    assert sorted(probe(fleet.group, 11)) == sorted(c.address for c in fleet.cameras if c is not elsewhere)
    assert ask(fleet, elsewhere, "tds:GetDeviceInformation").status == 200
    other = by_fault["wrong-password"]
    assert ask(fleet, other, "tds:GetDeviceInformation").status == 401
    assert b"NotAuthorized" in ask(fleet, other, "tds:GetDeviceInformation", by="token").raw
    assert ask(fleet, other, "tds:GetDeviceInformation", password=fleet.password + "-other").status == 200
    early = ask(fleet, by_fault["clock-1970"], "tds:GetSystemDateAndTime", by="nothing")
    assert early.text("tt:UTCDateTime/tt:Date/tt:Year") == "1970"
    assert video(by_fault["h265-only"].sub, fleet.user, fleet.password).startswith("hevc,320,180")


@pytest.mark.long
def test_silent_slow_and_garbage(start_fleet, ask, probe):
    fleet = start_fleet(3, faults={1: "silent", 2: "slow", 3: "garbage"})
    silent, slow, garbage = fleet.cameras
    with pytest.raises(TimeoutError):
        ask(fleet, silent, "tds:GetSystemDateAndTime", by="nothing", timeout_s=0.5)
    began = time.monotonic()
    assert ask(fleet, slow, "tds:GetSystemDateAndTime", by="nothing").status == 200
    assert time.monotonic() - began >= 2.0
    assert ask(fleet, garbage, "tds:GetSystemDateAndTime", by="nothing").root is None
    assert sorted(probe(fleet.group, 2)) == sorted([slow.address, garbage.address])
    assert fleet.order(silent.name, "heal")["ok"]
    assert ask(fleet, silent, "tds:GetSystemDateAndTime", by="nothing").status == 200
