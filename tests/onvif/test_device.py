"""What a camera says of itself, and what is set on it."""

import asyncio
from datetime import UTC, datetime

import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.onvif.device import Interface, Ntp

SPECIAL = "<tds:SystemDateAndTime><tt:DateTimeType>{}</tt:DateTimeType>{}</tds:SystemDateAndTime>"
WHEN = (
    "<tt:{0}><tt:Time><tt:Hour>{1}</tt:Hour><tt:Minute>0</tt:Minute><tt:Second>{2}</tt:Second></tt:Time>"
    "<tt:Date><tt:Year>{3}</tt:Year><tt:Month>1</tt:Month><tt:Day>2</tt:Day></tt:Date></tt:{0}>"
)


@pytest.mark.parametrize("ahead_s", [0, 47, -7200])
async def test_how_far_a_clock_is_off(camera, device, ahead_s: int) -> None:
    camera.ahead_s = ahead_s
    seen = await device.clock()
    assert abs(seen.skew_ns / SECOND_NS - ahead_s) <= 0.5
    assert (seen.by_ntp, seen.time_zone, seen.daylight_saving) == (False, "CET-1CEST", True)


@pytest.mark.parametrize(
    ("said", "year"),
    [
        (SPECIAL.format("NTP", WHEN.format("UTCDateTime", 24, 60, 2026)), 2026),
        (SPECIAL.format("NTP", WHEN.format("LocalDateTime", 3, 0, 2001)), 2001),
        (SPECIAL.format("NTP", WHEN.format("UTCDateTime", 3, 0, 0)), None),
        (SPECIAL.format("NTP", WHEN.format("UTCDateTime", "", 0, 2026)), None),
        ("", None),
    ],
)
async def test_times_that_are_none(camera, device, said: str, year: int | None) -> None:
    camera.says["GetSystemDateAndTime"] = said
    if year is None:
        with pytest.raises(ApplianceError) as caught:
            await device.clock()
        assert caught.value.kind == "invalid" and caught.value.hint
    else:
        seen = await device.clock()
        assert datetime.fromtimestamp(seen.now_ns / SECOND_NS, UTC).year == year and seen.by_ntp


async def test_the_clock_is_set_and_the_zone_kept(camera, device) -> None:
    camera.ahead_s = -3600

    def take(_: str) -> str:
        camera.ahead_s = 0
        return ""

    camera.says["SetSystemDateAndTime"] = take
    await device.set_clock(1_768_919_400 * SECOND_NS)
    asked = camera.text_of("SetSystemDateAndTime")
    assert "<tds:TimeZone><tt:TZ>CET-1CEST</tt:TZ></tds:TimeZone>" in asked
    assert "<tds:DaylightSavings>true</tds:DaylightSavings>" in asked
    assert "<tt:Hour>14</tt:Hour><tt:Minute>30</tt:Minute><tt:Second>0</tt:Second>" in asked
    assert "<tt:Year>2026</tt:Year><tt:Month>1</tt:Month><tt:Day>20</tt:Day>" in asked
    assert abs(device.skew_ns) <= SECOND_NS  # the next digest holds the new time


@pytest.mark.parametrize(
    ("server", "element"),
    [
        ("10.0.0.1", "<tt:Type>IPv4</tt:Type><tt:IPv4Address>10.0.0.1</tt:IPv4Address>"),
        ("fd00::1", "<tt:Type>IPv6</tt:Type><tt:IPv6Address>fd00::1</tt:IPv6Address>"),
        ("box.lan", "<tt:Type>DNS</tt:Type><tt:DNSname>box.lan</tt:DNSname>"),
    ],
)
async def test_a_time_server_is_named_and_followed(camera, device, server: str, element: str) -> None:
    camera.says |= {"SetNTP": "", "SetSystemDateAndTime": ""}
    await device.set_ntp(server)
    assert element in camera.text_of("SetNTP")
    assert "<tds:DateTimeType>NTP</tds:DateTimeType>" in camera.text_of("SetSystemDateAndTime")
    assert camera.questions.index("SetNTP") < camera.questions.index("SetSystemDateAndTime")


async def test_time_servers_of_both_kinds(camera, device) -> None:
    manual = "<tt:NTPManual><tt:Type>DNS</tt:Type><tt:DNSname>a.b</tt:DNSname></tt:NTPManual>"
    nothing = "<tt:NTPManual><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:NTPManual>"
    given = "<tt:NTPFromDHCP><tt:IPv4Address>10.0.0.1</tt:IPv4Address></tt:NTPFromDHCP>"
    for from_dhcp, servers in (("true", ("10.0.0.1",)), ("false", ("a.b",))):
        camera.says["GetNTP"] = (
            f"<tds:NTPInformation><tt:FromDHCP>{from_dhcp}</tt:FromDHCP>{given}{nothing}{manual}</tds:NTPInformation>"
        )
        assert await device.ntp() == Ntp(from_dhcp == "true", servers)


async def test_interfaces(camera, device) -> None:
    camera.says["GetNetworkInterfaces"] = (
        '<tds:NetworkInterfaces token="eth0"><tt:Info>'
        "<tt:HwAddress>28-57-BE-65-7D-D5</tt:HwAddress></tt:Info>"
        "<tt:IPv4><tt:Config><tt:FromDHCP><tt:Address>10.0.0.9</tt:Address></tt:FromDHCP>"
        "<tt:DHCP>true</tt:DHCP></tt:Config></tt:IPv4></tds:NetworkInterfaces>"
    )
    assert await device.interfaces() == (Interface("eth0", "28:57:be:65:7d:d5", ("10.0.0.9",), True),)


async def test_services_are_brought_home(camera, device) -> None:
    found = await device.services()
    assert set(found) == {"device", "media", "events", "imaging", "ptz"}
    assert found["media"] == f"http://127.0.0.1:{camera.port}/onvif/ver10/media"


async def test_old_cameras_list_their_services_as_capabilities(camera, device) -> None:
    del camera.says["GetServices"]
    camera.says["GetCapabilities"] = (
        "<tds:Capabilities><tt:Device><tt:IO><tt:InputConnectors>2</tt:InputConnectors>"
        "<tt:RelayOutputs>1</tt:RelayOutputs></tt:IO></tt:Device>"
        "<tt:Media><tt:XAddr>http://192.168.1.64/media</tt:XAddr></tt:Media>"
        "<tt:Extension><tt:DeviceIO><tt:XAddr>nonsense</tt:XAddr></tt:DeviceIO></tt:Extension></tds:Capabilities>"
    )
    told = await device.capabilities()
    assert (told.services, told.inputs, told.relays) == (("device", "device_io", "media"), 2, 1)
    assert (await device.services())["device_io"] == device.url  # an address that is none


async def test_what_a_camera_has_not_is_refused_before_it_is_asked(camera, device) -> None:
    camera.says["GetServices"] = ""
    camera.says["GetCapabilities"] = "<tds:Capabilities/>"
    from appliance.onvif.relays import relays
    from appliance.onvif.streams import profiles

    with pytest.raises(ApplianceError, match="no media service") as caught:
        await profiles(device)
    assert caught.value.hint
    with pytest.raises(ApplianceError, match="refuses"):
        await relays(device)


async def test_questions_do_not_disturb_each_other(camera, device) -> None:
    camera.says["GetDeviceInformation"] = "<tds:Model>M</tds:Model>"
    camera.says["GetNTP"] = "<tds:NTPInformation/>"
    told, ntp = await asyncio.gather(device.information(), device.ntp())
    assert (told.model, ntp.servers) == ("M", ())


async def test_it_starts_again_when_it_is_told(camera, device) -> None:
    camera.says["SystemReboot"] = "<tds:Message>soon</tds:Message>"
    await device.reboot()
    assert camera.questions[-1] == "SystemReboot"
