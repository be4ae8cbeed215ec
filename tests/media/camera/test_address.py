"""Where a login goes, and what a request may name."""

import pytest

from appliance.base.model import Credentials
from appliance.media.camera.address import rtsp_address, with_login
from appliance.media.camera.connect import connect
from appliance.media.camera.source import SourceFault

SECRET = Credentials("ad min", "p@ss:w/rd?")


def test_credentials_go_where_the_url_wants_them() -> None:
    url = with_login("http://10.0.0.9:554/ch1?x=1", SECRET)
    assert url == "http://ad%20min:p%40ss%3Aw%2Frd%3F@10.0.0.9:554/ch1?x=1"
    dvr = with_login("http://10.0.0.9/?user=&password=&channel=1", SECRET)
    assert dvr == "http://10.0.0.9/?user=ad%20min&password=p%40ss%3Aw%2Frd%3F&channel=1"
    assert with_login("http://x/y", None) == "http://x/y"


def test_no_request_names_a_login() -> None:
    address = rtsp_address("rtsp://10.0.0.9/ch1?x=1#part", SECRET)
    assert address == ("10.0.0.9", 554, False, "rtsp://10.0.0.9/ch1?x=1", SECRET)
    in_url = rtsp_address("rtsps://ad%20min:p%40ss@[fe80::1]:9/x", None)
    assert in_url == ("fe80::1", 9, True, "rtsps://[fe80::1]:9/x", Credentials("ad min", "p@ss"))
    assert rtsp_address("rtsps://x/", None).port == 322


def test_only_a_camera_that_asks_for_it_gets_the_password_in_its_address() -> None:
    dvr = rtsp_address("rtsp://10.0.0.9/?user=&password=&channel=1", SECRET)
    assert dvr.url == "rtsp://10.0.0.9/?user=ad%20min&password=p%40ss%3Aw%2Frd%3F&channel=1"
    assert rtsp_address("rtsp://10.0.0.9/?password=x", SECRET).url == "rtsp://10.0.0.9/?password=x"
    in_path = rtsp_address("rtsp://10.0.0.9:554/user=&password=&channel=1&stream=0.sdp?", SECRET)
    login = "user=ad%20min&password=p%40ss%3Aw%2Frd%3F"
    assert in_path.url == f"rtsp://10.0.0.9:554/{login}&channel=1&stream=0.sdp?"


@pytest.mark.parametrize("url", ["rtsp:///x", "rtsp://host:99999/x", "rtsp://host:a/x", "rtsp://"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValueError):
        rtsp_address(url, None)


def test_brackets_that_do_not_match_are_a_fault_like_others() -> None:
    with pytest.raises(SourceFault, match="IPv6"):
        connect("rtsp://[::1/x", None)
