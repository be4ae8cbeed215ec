"""The one button, and cameras that take everything and do nothing. The fleet is mended in test_details."""

import msgspec
import pytest

from appliance.onvif.details import details
from appliance.onvif.mend import Mended, mend
from appliance.onvif.tree import read_tree

ENCODER = (
    'token="e{0}"><tt:Name>n</tt:Name><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{1}</tt:Width>'
    "<tt:Height>100</tt:Height></tt:Resolution><tt:RateControl><tt:FrameRateLimit>10</tt:FrameRateLimit>"
    "</tt:RateControl><tt:H264><tt:GovLength>100</tt:GovLength></tt:H264>"
)
PROFILE = (
    '<trt:Profiles token="{0}"><tt:VideoEncoderConfiguration {1}</tt:VideoEncoderConfiguration>'
    "</trt:Profiles>"
)


@pytest.fixture
def stubborn(camera):
    """Clock off, no NTP, key frames every 10 s; takes every setting and keeps none."""
    camera.ahead_s = 47
    encoders = {name: ENCODER.format(name, width) for name, width in (("a", 640), ("b", 320))}
    camera.says |= {
        "GetProfiles": "".join(PROFILE.format(name, encoder) for name, encoder in encoders.items()),
        "GetStreamUri": "<trt:MediaUri><tt:Uri>rtsp://h/a</tt:Uri></trt:MediaUri>",
        "GetVideoEncoderConfiguration": lambda text: next(
            f"<trt:Configuration {encoder}</trt:Configuration>"
            for name, encoder in encoders.items()
            if f">e{name}<" in text
        ),
        "GetNTP": "<tds:NTPInformation/>",
        "GetDeviceInformation": "<tds:SerialNumber>7J03CEF</tds:SerialNumber>",
    } | dict.fromkeys(["SetVideoEncoderConfiguration", "SetNTP", "SetSystemDateAndTime"], "")
    return camera


async def pressed(camera, session, clock, secret, server="10.0.0.1") -> tuple[Mended, ...]:
    told = await details(camera.url, [secret], session=session, clock=clock)
    return await mend(told, secret, session=session, clock=clock, ntp_server=server)


async def test_what_was_taken_and_not_kept_is_said(stubborn, session, clock, secret) -> None:
    done = await pressed(stubborn, session, clock, secret)
    assert [(one.code, one.ok) for one in done] == [
        ("clock_off", False), ("no_ntp", False), ("long_gop", False), ("long_gop", False),
    ]  # fmt: skip
    assert "still 47 s off" in done[0].text or "still 48 s off" in done[0].text
    assert "still a key frame every 10 s" in done[2].text


async def test_one_refusal_does_not_keep_the_rest_from_being_mended(
    stubborn, session, clock, secret, refusal
) -> None:
    def set_clock(text: str) -> str:
        stubborn.ahead_s = 0
        return ""

    stubborn.says["SetSystemDateAndTime"] = set_clock
    stubborn.says["SetNTP"] = refusal("ActionNotSupported", "no NTP here")
    stubborn.says["SetVideoEncoderConfiguration"] = refusal("ConfigModify")
    done = await pressed(stubborn, session, clock, secret)
    assert [(one.code, one.ok) for one in done] == [
        ("clock_off", True), ("no_ntp", False), ("long_gop", False), ("long_gop", False),
    ]  # fmt: skip
    assert "no NTP here" in done[1].text


async def test_without_a_time_server_the_clock_is_set_and_the_rest_is_said(
    stubborn, session, clock, secret
) -> None:
    def set_clock(_: str) -> str:
        stubborn.ahead_s = 0
        return ""

    stubborn.says["SetSystemDateAndTime"] = set_clock
    done = await pressed(stubborn, session, clock, secret, server=None)
    assert [(one.code, one.ok) for one in done[:2]] == [("clock_off", True), ("no_ntp", False)]
    assert "SetNTP" not in stubborn.questions


async def test_a_camera_that_goes_away_is_left_alone(stubborn, session, clock, secret) -> None:
    told = await details(stubborn.url, [secret], session=session, clock=clock)
    gone = msgspec.structs.replace(told, url="http://127.0.0.1:9/onvif/device_service")
    done = await mend(gone, secret, session=session, clock=clock, ntp_server="10.0.0.1")
    assert [one.ok for one in done] == [False] * 4
    assert "does not answer" in done[0].text
    assert {one.text for one in done[1:]} == {"not tried: the camera no longer answers"}


async def test_nothing_is_set_that_is_not_among_the_findings(stubborn, session, clock, secret) -> None:
    stubborn.says["GetDeviceInformation"] = ""
    told = await details(stubborn.url, [secret], session=session, clock=clock)
    assert "no_serial" in {one.code for one in told.findings}  # which nobody can mend
    before = len(stubborn.asked)
    nothing = msgspec.structs.replace(told, findings=tuple(one for one in told.findings if not one.mendable))
    assert await mend(nothing, secret, session=session, clock=clock, ntp_server="10.0.0.1") == ()
    assert len(stubborn.asked) == before


H265 = (
    '<tr2:Profiles token="{0}"><tr2:Configurations><tr2:VideoEncoder token="{0}" GovLength="{2}">'
    "<tt:Encoding>{1}"
    "</tt:Encoding><tt:Resolution><tt:Width>{3}</tt:Width><tt:Height>{3}</tt:Height></tt:Resolution>"
    "<tt:RateControl>"
    "<tt:FrameRateLimit>10</tt:FrameRateLimit></tt:RateControl></tr2:VideoEncoder>"
    "</tr2:Configurations></tr2:Profiles>"
)
OPTIONS = (
    '<tr2:Options GovLengthRange="1 100"><tt:Encoding>{}</tt:Encoding><tt:ResolutionsAvailable>'
    "<tt:Width>{}</tt:Width>"
    "<tt:Height>{}</tt:Height></tt:ResolutionsAvailable></tr2:Options>"
)


@pytest.mark.parametrize("keeps", [True, False])
async def test_h265_becomes_h264_where_the_camera_keeps_its_word(
    camera, session, clock, secret, keeps
) -> None:
    now = {"codec": "H265", "gop": 100, "width": 640}

    def take(text: str) -> str:
        given = read_tree(text.encode()).at("Body/SetVideoEncoderConfiguration/Configuration")
        if keeps:
            gop, width = int(given.attributes["GovLength"]), int(given.said("Resolution/Width"))
            now.update(codec=given.said("Encoding"), gop=gop, width=width)
        return ""

    camera.says["GetServices"] += (
        "<tds:Service><tds:Namespace>http://www.onvif.org/ver20/media/wsdl</tds:Namespace>"
        "<tds:XAddr>http://h/onvif/media2</tds:XAddr></tds:Service>"
    )
    camera.says |= {
        "GetProfiles": lambda _: (
            H265.format("m", "H264", 10, 1000) + H265.format("s", now["codec"], now["gop"], now["width"])
        ),
        "GetStreamUri": "<tr2:Uri>rtsp://h/a</tr2:Uri>",
        "GetVideoEncoderConfigurationOptions": OPTIONS.format("H265", 640, 640)
        + OPTIONS.format("H264", 600, 600),
        "GetVideoEncoderConfigurations": (
            '<tr2:Configurations token="s"><tt:Encoding>H265</tt:Encoding></tr2:Configurations>'
        ),
        "SetVideoEncoderConfiguration": take,
    }
    done = await pressed(camera, session, clock, secret)
    streams = {one.code: one for one in done if one.code in ("h265_sub", "long_gop")}
    assert list(streams) == ["h265_sub", "long_gop"]
    assert [one.ok for one in streams.values()] == [keeps, keeps]
    if keeps:
        assert streams["h265_sub"].text == "sub stream is H.264, 600x600"  # the nearest that H.264 can do
        assert streams["long_gop"].text == "key frame every 1.5 s"
    else:
        assert "stays at H.265" in streams["h265_sub"].text
