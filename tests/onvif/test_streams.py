"""Profiles of both services, and addresses that are home and hold no login."""

import pytest
from aiohttp import web

from appliance.base.errors import ApplianceError
from appliance.onvif.streams import Profile, profiles, snapshot, snapshot_uri, stream_uri

OLD = """<trt:Profiles token="p1"><tt:Name>main</tt:Name>
<tt:VideoSourceConfiguration token="vs"><tt:SourceToken>src0</tt:SourceToken></tt:VideoSourceConfiguration>
<tt:VideoEncoderConfiguration token="e1"><tt:Encoding>H264</tt:Encoding>
<tt:Resolution><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution>
<tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval>
<tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl>
<tt:H264><tt:GovLength>250</tt:GovLength></tt:H264></tt:VideoEncoderConfiguration>
<tt:PTZConfiguration token="z"/></trt:Profiles>
<trt:Profiles token="audio"><tt:Name>no video</tt:Name></trt:Profiles>
<trt:Profiles><tt:VideoEncoderConfiguration/></trt:Profiles>
<trt:Profiles token="p2"><tt:VideoEncoderConfiguration token="e2"><tt:Encoding>MJPEG</tt:Encoding>
<tt:RateControl><tt:FrameRateLimit>-3</tt:FrameRateLimit></tt:RateControl>
</tt:VideoEncoderConfiguration></trt:Profiles>"""
NEW = """<tr2:Profiles token="p1" fixed="true"><tr2:Name>main</tr2:Name><tr2:Configurations>
<tr2:VideoSource token="vs"><tt:SourceToken>src0</tt:SourceToken></tr2:VideoSource>
<tr2:VideoEncoder token="e1" GovLength="40" Profile="Main"><tt:Encoding>H265</tt:Encoding>
<tt:Resolution><tt:Width>2560</tt:Width><tt:Height>1440</tt:Height></tt:Resolution>
<tt:RateControl ConstantBitRate="true"><tt:FrameRateLimit>20</tt:FrameRateLimit>
<tt:BitrateLimit>3000</tt:BitrateLimit></tt:RateControl></tr2:VideoEncoder></tr2:Configurations></tr2:Profiles>"""
MEDIA2 = (
    "<tds:Service><tds:Namespace>http://www.onvif.org/ver20/media/wsdl</tds:Namespace>"
    "<tds:XAddr>http://h/onvif/media2</tds:XAddr></tds:Service>"
)
PROFILE = Profile("p1", "main", "src0", "e1", "h264", 1920, 1080, 25.0, 4_096_000, 250, False, True)


async def test_profiles_of_the_older_service(camera, device) -> None:
    camera.says["GetProfiles"] = OLD
    found = await profiles(device)
    assert found[0] == PROFILE and found[0].key_frame_interval_s == 10.0
    assert (found[1].token, found[1].codec, found[1].fps, found[1].key_frame_interval_s) == (
        "p2",
        "mjpeg",
        0,
        0,
    )
    assert len(found) == 2


async def test_the_newer_service_is_asked_first_as_it_knows_h265(camera, device) -> None:
    camera.says["GetServices"] += MEDIA2
    camera.says["GetProfiles"] = NEW
    (found,) = await profiles(device)
    assert camera.paths[-1] == "/onvif/media2"
    assert (found.codec, found.gop, found.fps, found.bitrate_bps, found.media2) == (
        "h265", 40, 20.0, 3_000_000, True,
    )  # fmt: skip


async def test_a_newer_service_that_is_not_there(camera, device) -> None:
    camera.says["GetServices"] += MEDIA2
    camera.says["GetProfiles"] = lambda text: OLD if "trt:GetProfiles" in text else web.Response(status=404)
    assert (await profiles(device))[0] == PROFILE


@pytest.mark.parametrize("media2", [False, True])
async def test_where_the_video_is(camera, device, media2: bool) -> None:
    camera.says["GetServices"] += MEDIA2
    uri = "rtsp://admin:12345@192.168.1.64:8554/live?x=1&amp;user=admin&amp;password=12345"
    inner = f"<tt:Uri>{uri}</tt:Uri>"
    camera.says["GetStreamUri"] = (
        f"<tr2:Uri>{uri}</tr2:Uri>" if media2 else f"<trt:MediaUri>{inner}</trt:MediaUri>"
    )
    profile = Profile(*[getattr(PROFILE, name) for name in PROFILE.__struct_fields__[:-2]], media2, True)
    assert await stream_uri(device, profile) == "rtsp://127.0.0.1:8554/live?x=1&user=&password="
    assert "RTSP" in camera.text_of("GetStreamUri") and ">p1<" in camera.text_of("GetStreamUri")


@pytest.mark.parametrize("uri", ["", "SERVICE_URI", "http://h/x", "rtsp://[bad/x"])
async def test_an_address_that_is_none_is_refused(camera, device, uri: str) -> None:
    camera.says["GetStreamUri"] = f"<trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri>"
    with pytest.raises(ApplianceError, match="address for its video") as caught:
        await stream_uri(device, PROFILE)
    assert caught.value.hint


async def test_a_still(camera, device) -> None:
    camera.says["GetSnapshotUri"] = (
        "<trt:MediaUri><tt:Uri>http://192.168.1.64/snap.jpg</tt:Uri></trt:MediaUri>"
    )
    camera.says["/snap.jpg"] = lambda _: web.Response(body=b"\xff\xd8picture", content_type="image/jpeg")
    assert await snapshot_uri(device, PROFILE) == f"http://127.0.0.1:{camera.port}/snap.jpg"
    assert await snapshot(device, PROFILE) == b"\xff\xd8picture"
    camera.says["/snap.jpg"] = lambda _: web.Response(text="<html>")
    with pytest.raises(ApplianceError, match="no JPEG"):
        await snapshot(device, PROFILE)
    camera.says["/snap.jpg"] = lambda _: web.Response(
        status=401, headers={"WWW-Authenticate": "Basic realm=x"}
    )
    with pytest.raises(ApplianceError, match="no picture for this password"):
        await snapshot(device, PROFILE)
    assert not any(headers.get("Authorization") for _, _, headers in camera.asked)  # never in clear text
    await snapshot_uri(device, PROFILE)
    assert camera.token_is_right(camera.text_of("GetSnapshotUri"))  # questions are asked as before
