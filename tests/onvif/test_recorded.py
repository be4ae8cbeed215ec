"""Every answer that was recorded from a real camera is understood, or refused with a hint."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from appliance.base.errors import ApplianceError
from appliance.onvif.details import details
from appliance.onvif.device import Device
from appliance.onvif.discovery import read_matches
from appliance.onvif.encoder import encoder_options, set_encoder
from appliance.onvif.events import PullPoint
from appliance.onvif.imaging import Imaging, imaging, imaging_ranges, set_imaging
from appliance.onvif.ptz import go_to, move, presets, remove_preset, save_preset, stop
from appliance.onvif.soap import understood
from appliance.onvif.streams import Profile, profiles, snapshot_uri, stream_uri

PROFILE = Profile("main", "main", "vidsrc0", "main", "h264", 1920, 1080, 5.0, 1_000_000, 30, False, True)
Question = Callable[[Device], Awaitable[Any]]


async def pulled(device: Device) -> Any:
    async with PullPoint(device) as point:
        return await point.pull(wait_s=1)


# recording -> the question that it answers, of all that this room asks
QUESTIONS: dict[str, Question] = {
    "GetCapabilities.xml": lambda device: device.capabilities(),
    "GetCapabilitiesEncoder.xml": lambda device: device.capabilities(),
    "GetDeviceInformation.xml": lambda device: device.information(),
    "GetProfiles.xml": profiles,
    "GetServices.xml": lambda device: device.services(),
    "GetSnapshotUri.xml": lambda device: snapshot_uri(device, PROFILE),
    "GetStreamUri.xml": lambda device: stream_uri(device, PROFILE),
    "GetSystemDateAndTime.xml": lambda device: device.clock(),
    "PullMessages.xml": pulled,
    "SetSystemDateAndTime.xml": lambda device: device.set_clock(0),
    "SystemReboot.xml": lambda device: device.reboot(),
    "device.GetNTP.xml": lambda device: device.ntp(),
    "device.GetNetworkInterfaces.xml": lambda device: device.interfaces(),
    "device.SetNTP.xml": lambda device: device.set_ntp("10.0.0.1"),
    "events.CreatePullPointSubscription.xml": pulled,
    "imaging.GetImagingSettings.xml": lambda device: imaging(device, "vidsrc0"),
    "imaging.GetOptions.xml": lambda device: imaging_ranges(device, "vidsrc0"),
    "imaging.SetImagingSettings.xml": lambda device: set_imaging(device, "vidsrc0", Imaging(contrast=3)),
    "media.GetVideoEncoderConfiguration.xml": lambda device: set_encoder(device, PROFILE, gop=5),
    "media.GetVideoEncoderConfigurationOptions.xml": lambda device: encoder_options(device, PROFILE),
    "media.SetVideoEncoderConfiguration.xml": lambda device: set_encoder(device, PROFILE, gop=5),
    "ptz.ContinuousMove.xml": lambda device: move(device, PROFILE, pan=1, tilt=0, zoom=0, for_s=1),
    "ptz.GetPresets.xml": lambda device: presets(device, PROFILE),
    "ptz.GotoPreset.xml": lambda device: go_to(device, PROFILE, "P001"),
    "ptz.RemovePreset.xml": lambda device: remove_preset(device, PROFILE, "P001"),
    "ptz.SetPreset.xml": lambda device: save_preset(device, PROFILE, "here"),
    "ptz.Stop.xml": lambda device: stop(device, PROFILE),
}


@pytest.fixture
def replaying(camera, recorded):
    """A camera that answers with the recordings, each under the name of its question."""
    for file, answer in recorded.items():
        name = file.removesuffix(".xml").rpartition(".")[2]
        camera.says[name] = lambda _, answer=answer: web.Response(body=answer, content_type="text/xml")
    return camera


def test_every_recording_is_understood_or_refused_with_a_hint(recorded) -> None:
    refused = {}
    for file, answer in recorded.items():
        try:
            found = understood(200, answer)
        except ApplianceError as error:
            assert error.hint, file
            refused[file] = error.message
        else:
            wanted = file.removesuffix(".xml").rpartition(".")[2].replace("Encoder", "").replace("Send", "")
            assert found.name.replace("Encoder", "") in (f"{wanted}Response", "ProbeMatches"), file
    assert len(recorded) == 78 and list(refused) == ["Error.xml"]
    assert "fault reason" in refused["Error.xml"]


@pytest.mark.parametrize("file", QUESTIONS)
async def test_the_answer_to_each_question_that_we_ask(replaying, session, clock, secret, file: str) -> None:
    device = Device(replaying.url, secret, session, clock=clock)
    answer = QUESTIONS[file](device)
    assert inspect.isawaitable(answer)
    await answer


async def test_what_the_recordings_say(replaying, session: aiohttp.ClientSession, clock, secret) -> None:
    device = Device(replaying.url, secret, session, clock=clock)
    assert (await device.information()).model == "Mockup Model"
    assert (await device.ntp()).servers == ("192.168.1.168",)
    (interface,) = await device.interfaces()
    assert (interface.mac, interface.addresses) == (
        "28:57:be:65:7d:d5", ("192.168.68.111", "fe80::2a57:beff:fe65:7dd5"),
    )  # fmt: skip
    assert (await device.capabilities()).relays == 1
    found = await profiles(device)
    assert (found[0].token, found[0].codec, found[0].width, found[0].key_frame_interval_s) == (
        "main", "h264", 1920, 6.0,
    )  # fmt: skip
    assert len(await presets(device, found[0])) > 20
    assert await stream_uri(device, found[0]) == "rtsp://127.0.0.1/h264main"
    events = await pulled(device)
    assert {(event.kind, event.active) for event in events} == {("motion", True)}
    (h264, *_) = await encoder_options(device, found[0])
    assert h264.codec == "h264" and h264.sizes[0] == (1920, 1080) and h264.gop[1] > 0


async def test_a_whole_camera_out_of_recordings(replaying, session, clock, secret) -> None:
    told = await details(replaying.url, [secret], session=session, clock=clock)
    codes = {one.code for one in told.findings}
    assert {"clock_off", "no_ntp", "long_gop"} <= codes
    assert (told.mac, told.serial, told.credentials_index) == ("28:57:be:65:7d:d5", "00000000", 0)


def test_the_recorded_match(recorded) -> None:
    (one,) = read_matches(recorded["Probe.xml"], "10.0.0.9")
    assert (one.name, one.model) == ("PREDATOR", "HD PREDATOR")
    assert one.urls[0] == "http://10.0.0.9/onvif/device_service"
