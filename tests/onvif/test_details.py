"""Everything of a camera: of the simulated fleet, which shares no code with this, and of odd ones."""

import asyncio

import aiohttp
import pytest

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.onvif.details import details
from appliance.onvif.discovery import discover
from appliance.onvif.identity import identity, same
from appliance.onvif.mend import mend

PROFILES = (
    '<trt:Profiles token="{0}"><tt:VideoSourceConfiguration><tt:SourceToken>{1}</tt:SourceToken>'
    '</tt:VideoSourceConfiguration><tt:VideoEncoderConfiguration token="e{0}"><tt:Encoding>H264</tt:Encoding>'
    "<tt:Resolution><tt:Width>{2}</tt:Width><tt:Height>100</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration>"
    "</trt:Profiles>"
)


async def all_of(fleet, tries, session, clock):
    """{address: Details}, as discovery found them."""
    found = await discover(["127.0.0.1"], window_s=1.5, group=fleet.group)
    told = await asyncio.gather(*(details(one.urls[0], tries, session=session, clock=clock) for one in found))
    return {one.address: one for one in told}, {one.address: one for one in found}


async def test_twelve_cameras_of_six_makers_are_found_told_and_mended(start_fleet) -> None:
    """... and the last moves to another address half-way."""
    fleet = start_fleet(12, mixed=True)
    clock = BoxClock()
    right = Credentials(fleet.user, fleet.password)
    wanted = {camera.address: camera for camera in fleet.cameras}
    async with aiohttp.ClientSession() as session:
        told, found = await all_of(fleet, [Credentials(fleet.user, "not this one"), right], session, clock)
        elsewhere = {address for address, camera in wanted.items() if "elsewhere" in camera.faults}
        assert set(told) == set(wanted) - elsewhere
        for address, one in told.items():
            camera = wanted[address]
            codes = {finding.code for finding in one.findings}
            if "wrong-password" in camera.faults:
                assert one.credentials_index is None and codes == {"wrong_password"}, one.findings
                continue
            assert (one.serial, one.mac, one.credentials_index) == (camera.serial, camera.mac, 1)
            assert [stream.rtsp_url for stream in one.streams[:2]] == [camera.main, camera.sub]
            assert one.snapshot_url == (camera.snapshot or None)
            assert same(identity(one.serial, one.mac), identity(camera.serial, camera.mac))
            assert identity(endpoint=found[address].endpoint) == identity(endpoint=camera.endpoint)
            expected = {
                "long-gop": {"long_gop"}, "clock-1970": {"clock_off"}, "h265-sub": {"h265_sub"},
                "h265-only": {"h265_sub", "h265_main"},
            }  # fmt: skip
            assert codes == {"no_ntp"}.union(*(expected.get(fault, set()) for fault in camera.faults)), camera
        mended = await asyncio.gather(
            *(
                mend(one, right, session=session, clock=clock, ntp_server="127.0.0.1")
                for one in told.values()
                if one.credentials_index is not None
            )
        )
        assert all(each.ok for one in mended for each in one), mended
        last = fleet.cameras[-1]
        moved_to = fleet.order(last.name, "move")["address"]
        wanted[moved_to] = wanted.pop(last.address)
        again, found_again = await all_of(fleet, [right], session, clock)
    assert moved_to != last.address and last.address not in again
    assert again[moved_to].streams[0].rtsp_url == last.main.replace(last.address, moved_to)
    was, now = told[last.address], again[moved_to]
    assert same(identity(was.serial, was.mac), identity(now.serial, now.mac))
    was_announced, now_announced = found[last.address].endpoint, found_again[moved_to].endpoint
    assert same(identity(endpoint=was_announced), identity(endpoint=now_announced))
    for address, one in again.items():
        left = {finding.code for finding in one.findings}
        faults = wanted[address].faults
        assert left == (
            {"wrong_password"} if "wrong-password" in faults
            else {"h265_sub", "h265_main"} if "h265-only" in faults else set()
        )  # fmt: skip
        for stream in one.streams[:2]:
            assert stream.key_frame_interval_s <= 2.0
    states = {camera.name: fleet.order(camera.name, "status") for camera in fleet.cameras}
    for name, state in states.items():
        camera = next(one for one in fleet.cameras if one.name == name)
        if {"wrong-password", "elsewhere"} & set(camera.faults):
            continue
        assert (state["ntp"], state["by_ntp"]) == ("127.0.0.1", True)
        assert abs(state["clock_ahead_s"]) < 5


@pytest.fixture
def open_camera(camera):
    """One stream, and nothing else that it knows."""
    camera.says["GetProfiles"] = PROFILES.format("a", "s1", 640)
    camera.says["GetStreamUri"] = "<trt:MediaUri><tt:Uri>rtsp://h/a</tt:Uri></trt:MediaUri>"
    return camera


async def test_what_a_camera_does_not_know_is_left_empty(open_camera, session, clock, secret) -> None:
    told = await details(open_camera.url, [secret], session=session, clock=clock)
    assert (told.maker, told.serial, told.mac, told.snapshot_url) == ("", "", None, None)
    assert {one.code for one in told.findings} == {"no_sub", "no_ntp", "no_serial"}
    assert told.streams[0].rtsp_url == "rtsp://127.0.0.1/a"


async def test_a_camera_without_a_password_needs_none(open_camera, session, clock) -> None:
    told = await details(open_camera.url, [], session=session, clock=clock)
    assert told.credentials_index is None and len(told.streams) == 1


async def test_a_password_counts_only_where_it_opens_the_video(
    open_camera, session, clock, refusal, secret
) -> None:
    """Some tell their name to everybody."""
    open_camera.says["GetDeviceInformation"] = "<tds:Model>M</tds:Model>"
    open_camera.says["GetProfiles"] = lambda text: (
        PROFILES.format("a", "s1", 640) if open_camera.token_is_right(text) else refusal("NotAuthorized")
    )
    tries = [Credentials("admin", "wrong-1"), Credentials("admin", "wrong-2"), secret]
    told = await details(open_camera.url, tries, session=session, clock=clock)
    assert (told.credentials_index, told.model) == (2, "M")
    told = await details(open_camera.url, tries[:2], session=session, clock=clock)
    assert told.credentials_index is None and told.findings[0].code == "wrong_password"


async def test_a_locked_camera_is_not_tried_again(open_camera, session, clock, refusal, secret) -> None:
    open_camera.says["GetProfiles"] = refusal("NotAuthorized", "user is locked")
    told = await details(open_camera.url, [Credentials("a", "wrong"), secret], session=session, clock=clock)
    assert [one.code for one in told.findings] == ["locked"]
    assert open_camera.questions.count("GetProfiles") == 1


async def test_a_dvr_is_many_pictures(open_camera, session, clock, secret) -> None:
    open_camera.says["GetProfiles"] = "".join(
        PROFILES.format(f"{channel}{size}", f"s{channel}", size)
        for channel in range(1, 9)
        for size in (1920, 640)
    )
    told = await details(open_camera.url, [secret], session=session, clock=clock)
    assert [(one.source, one.width) for one in told.streams] == [
        (f"s{channel}", size) for channel in range(1, 9) for size in (1920, 640)
    ]


async def test_a_stream_without_an_address_is_none(open_camera, session, clock, refusal, secret) -> None:
    for answer in ("<trt:MediaUri/>", refusal("NoConfig"), refusal("NotAuthorized")):
        open_camera.says["GetStreamUri"] = answer
        told = await details(open_camera.url, [secret], session=session, clock=clock)
        assert told.streams == () and "no_streams" in {one.code for one in told.findings}


async def test_a_camera_that_never_comes_to_an_end_is_left(
    open_camera, session, clock, secret, monkeypatch
) -> None:
    never = asyncio.Event()

    async def wait(_: str) -> str:
        await never.wait()
        return ""

    open_camera.says["GetNetworkInterfaces"] = wait
    monkeypatch.setattr("appliance.onvif.details.WHOLE_S", 0.2)
    with pytest.raises(ApplianceError) as caught:
        await details(open_camera.url, [secret], session=session, clock=clock)
    never.set()
    assert caught.value.kind == "unavailable" and caught.value.hint


async def test_no_camera_is_an_error_with_a_hint(camera, session, clock, secret) -> None:
    camera.says = {}
    for answer in ("nonsense", b"<html>"):
        camera.says = dict.fromkeys(["GetSystemDateAndTime", "GetServices", "GetCapabilities"], answer)
        with pytest.raises(ApplianceError) as caught:
            await details(camera.url, [secret], session=session, clock=clock)
        assert caught.value.hint
    with pytest.raises(ApplianceError) as caught:
        await details("127.0.0.1:9", [secret], session=session, clock=clock)
    assert caught.value.kind == "unavailable"
