"""Encoder settings: read, changed in what is asked, and given back whole."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.onvif.encoder import EncoderOptions, encoder_options, set_encoder
from appliance.onvif.streams import Profile
from appliance.onvif.tree import read_tree

PROFILE = Profile("p2", "sub", "src0", "e2", "h264", 640, 360, 10.0, 0, 100, False, False)
NEWER = Profile("p2", "sub", "src0", "e2", "h265", 640, 360, 10.0, 0, 100, True, False)
MEDIA2 = (
    "<tds:Service><tds:Namespace>http://www.onvif.org/ver20/media/wsdl</tds:Namespace>"
    "<tds:XAddr>http://h/onvif/media2</tds:XAddr></tds:Service>"
)
OLD = """<trt:Configuration token="e2"><tt:Name>sub &amp; co</tt:Name><tt:UseCount>1</tt:UseCount>
<tt:Encoding>{0}</tt:Encoding><tt:Resolution><tt:Width>640</tt:Width><tt:Height>360</tt:Height></tt:Resolution>
<tt:Quality>3.5</tt:Quality><tt:RateControl><tt:FrameRateLimit>10</tt:FrameRateLimit>
<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>512</tt:BitrateLimit></tt:RateControl>{1}
<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type></tt:Address><tt:Port>0</tt:Port></tt:Multicast>
<tt:SessionTimeout>PT60S</tt:SessionTimeout><tt:Extension><x:Own xmlns:x="urn:maker">1</x:Own></tt:Extension>
</trt:Configuration>"""
H264 = "<tt:H264><tt:GovLength>100</tt:GovLength><tt:H264Profile>High</tt:H264Profile></tt:H264>"
ORDER = [
    "Name",
    "UseCount",
    "Encoding",
    "Resolution",
    "Quality",
    "RateControl",
    "H264",
    "Multicast",
    "SessionTimeout",
]


def told(camera):
    body = read_tree(camera.text_of("SetVideoEncoderConfiguration").encode()).at("Body")
    return body.at("SetVideoEncoderConfiguration/Configuration")


async def test_only_what_is_asked_changes(camera, device) -> None:
    camera.says |= {
        "GetVideoEncoderConfiguration": OLD.format("H264", H264),
        "SetVideoEncoderConfiguration": "",
    }
    await set_encoder(device, PROFILE, gop=15)
    given = told(camera)
    assert [child.name for child in given.children] == ORDER
    assert given.attributes == {"token": "e2"}
    assert (given.said("H264/GovLength"), given.said("H264/H264Profile")) == ("15", "High")
    assert (given.said("Name"), given.said("Quality"), given.said("Multicast/Address/Type")) == (
        "sub & co", "3.5", "IPv4",
    )  # fmt: skip
    assert given.said("RateControl/BitrateLimit") == "512" and given.said("Resolution/Width") == "640"


async def test_another_codec_and_other_figures(camera, device) -> None:
    camera.says |= {
        "GetVideoEncoderConfiguration": OLD.format("JPEG", ""),
        "SetVideoEncoderConfiguration": "",
    }
    await set_encoder(device, PROFILE, codec="h264", size=(320, 180), fps=12.5, bitrate_bps=256_000, gop=12)
    given = told(camera)
    assert [child.name for child in given.children] == ORDER
    assert (given.said("Encoding"), given.said("H264/GovLength")) == ("H264", "12")
    assert (given.said("Resolution/Width"), given.said("Resolution/Height")) == ("320", "180")
    assert (given.said("RateControl/FrameRateLimit"), given.said("RateControl/BitrateLimit")) == (
        "12.5",
        "256",
    )


async def test_the_newer_service_has_the_gop_in_an_attribute(camera, device) -> None:
    camera.says["GetServices"] += MEDIA2
    camera.says |= {
        "GetVideoEncoderConfigurations": '<tr2:Configurations token="e1"/>'
        '<tr2:Configurations token="e2" GovLength="40" Profile="Main"><tt:Encoding>H265</tt:Encoding>'
        '<tt:RateControl ConstantBitRate="true"><tt:BitrateLimit>9</tt:BitrateLimit></tt:RateControl>'
        "</tr2:Configurations>",
        "SetVideoEncoderConfiguration": "",
    }
    await set_encoder(device, NEWER, codec="h264", gop=15)
    given = told(camera)
    assert given.attributes == {"token": "e2", "GovLength": "15"}
    assert given.said("Encoding") == "H264"
    assert given.at("RateControl").attributes == {"ConstantBitRate": "true"}


async def test_settings_that_are_not_shown_are_not_guessed(camera, device) -> None:
    camera.says |= {"GetVideoEncoderConfiguration": "", "SetVideoEncoderConfiguration": ""}
    with pytest.raises(ApplianceError, match="does not show"):
        await set_encoder(device, PROFILE, gop=15)
    camera.says["GetVideoEncoderConfiguration"] = OLD.format("H264", H264)
    with pytest.raises(ApplianceError, match="h265"):
        await set_encoder(device, PROFILE, codec="h265")
    assert "SetVideoEncoderConfiguration" not in camera.questions


async def test_what_an_encoder_can_do(camera, device) -> None:
    one = (
        "<tt:ResolutionsAvailable><tt:Width>{}</tt:Width><tt:Height>{}</tt:Height></tt:ResolutionsAvailable>"
    )
    camera.says["GetVideoEncoderConfigurationOptions"] = (
        f"<trt:Options><tt:H264>{one.format(320, 180)}{one.format(640, 360)}{one.format(0, 0)}"
        "<tt:GovLengthRange><tt:Min>1</tt:Min><tt:Max>50</tt:Max></tt:GovLengthRange>"
        "<tt:FrameRateRange><tt:Min>1</tt:Min><tt:Max>25</tt:Max></tt:FrameRateRange></tt:H264></trt:Options>"
    )
    (found,) = await encoder_options(device, PROFILE)
    assert found == EncoderOptions("h264", ((640, 360), (320, 180)), (1, 50), (1.0, 25.0))


async def test_what_an_encoder_of_the_newer_service_can_do(camera, device) -> None:
    camera.says["GetServices"] += MEDIA2
    camera.says["GetVideoEncoderConfigurationOptions"] = (
        '<tr2:Options GovLengthRange="1 400" FrameRatesSupported="25.0 1 x 12">'
        "<tt:Encoding>H265</tt:Encoding>"
        "</tr2:Options><tr2:Options><tt:Encoding>VP9</tt:Encoding></tr2:Options>"
    )
    assert await encoder_options(device, NEWER) == (EncoderOptions("h265", (), (1, 400), (1.0, 25.0)),)
