"""Addresses of makers without ONVIF; none holds a login."""

from urllib.parse import urlsplit

import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.media.camera.address import rtsp_address
from appliance.onvif.makers import candidates, makers

SECRET = Credentials("bob", "p&s/9")
WANTED = {
    "CP PLUS ORANGE DVR": (
        "/user=&password=&channel=2&stream=0.sdp?",
        "/user=&password=&channel=2&stream=1.sdp?",
    ),
    "Dahua": ("/cam/realmonitor?channel=2&subtype=0", "/cam/realmonitor?channel=2&subtype=1"),
    "Hikvision": ("/Streaming/Channels/201", "/Streaming/Channels/202"),
    "Reolink": ("/h264Preview_02_main", "/h264Preview_02_sub"),
    "Axis": (
        "/axis-media/media.amp?videocodec=h264&camera=2",
        "/axis-media/media.amp?videocodec=h264&camera=2&resolution=640x360",
    ),
    "Uniview": ("/unicast/c2/s0/live", "/unicast/c2/s1/live"),
    "Tapo": ("/stream1", "/stream2"),
}


def test_the_list_has_the_makers_that_are_asked_for() -> None:
    assert {maker.name for maker in makers()} == set(WANTED)


@pytest.mark.parametrize("name", WANTED)
def test_where_the_second_channel_is(name: str) -> None:
    _, second = candidates(name.lower(), "10.0.0.9", SECRET, 2)
    assert (second.maker, second.channel, second.credentials) == (name, 2, SECRET)
    host = "rtsp://10.0.0.9:554"
    assert (second.main_url, second.sub_url) == tuple(host + path for path in WANTED[name])


def test_a_cp_plus_dvr_is_eight_cameras_and_each_gets_its_login_when_it_is_opened() -> None:
    found = candidates("CP PLUS ORANGE DVR", "10.0.0.9:10554", SECRET)
    assert [one.channel for one in found] == list(range(1, 9))
    opened = rtsp_address(found[7].sub_url, SECRET)
    assert opened.url == "rtsp://10.0.0.9:10554/user=bob&password=p%26s%2F9&channel=8&stream=1.sdp?"
    assert (opened.port, opened.credentials) == (10554, SECRET)


@pytest.mark.parametrize("maker", [maker.name for maker in makers()])
def test_no_address_holds_a_login_and_each_is_one(maker: str) -> None:
    for one in candidates(maker, "cam.lan", SECRET, 3):
        for url in (one.main_url, one.sub_url):
            assert "bob" not in url and "p&s" not in url and "{" not in url
            assert urlsplit(url).hostname == "cam.lan"


def test_ipv6() -> None:
    (one,) = candidates("tapo", "fd00::9", None)
    assert one.main_url == "rtsp://[fd00::9]:554/stream1"


@pytest.mark.parametrize(
    ("maker", "host", "channels", "kind"),
    [
        ("Nobody", "10.0.0.9", 1, "not_found"),
        ("Tapo", "", 1, "invalid"),
        ("Tapo", "a b", 1, "invalid"),
        ("Dahua", "10.0.0.9", 0, "invalid"),
        ("Dahua", "10.0.0.9", 65, "invalid"),
    ],
)
def test_what_cannot_be(maker: str, host: str, channels: int, kind: str) -> None:
    with pytest.raises(ApplianceError) as caught:
        candidates(maker, host, None, channels)
    assert caught.value.kind == kind and caught.value.hint
