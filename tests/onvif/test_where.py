"""Addresses that lead home, whatever the camera says."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.onvif.where import at_address, device_url, service_at, still_at, stream_at

HERE = "http://10.0.0.9:8080/onvif/device_service"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("10.0.0.9", "http://10.0.0.9/onvif/device_service"),
        ("10.0.0.9:8000", "http://10.0.0.9:8000/onvif/device_service"),
        ("https://cam.lan/x?y", "https://cam.lan/x?y"),
        ("http://u:p@10.0.0.9/", "http://10.0.0.9/onvif/device_service"),
        ("fe80::1", "http://[fe80::1]/onvif/device_service"),
        ("http://[fe80::1]:8000/x", "http://[fe80::1]:8000/x"),
    ],
)
def test_what_an_installer_types(text: str, url: str) -> None:
    assert device_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://",
        "ftp://h/",
        "http://h:0/",
        "http://h:99999/",
        "a b",
        "http://[::1/",
        "http://h\\@x/",
        "ü",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ApplianceError) as caught:
        device_url(text)
    assert caught.value.kind == "invalid" and caught.value.hint


@pytest.mark.parametrize(
    ("found", "url"),
    [
        ("http://10.0.0.9:8080/media", "http://10.0.0.9:8080/media"),
        ("http://10.0.0.9/media", "http://10.0.0.9/media"),  # a port of its own
        ("http://192.168.1.64/media?x=1", "http://10.0.0.9:8080/media?x=1"),  # behind a router
        ("http://camera.local:80/media", "http://10.0.0.9:8080/media"),
        ("https://evil.example/media", "http://10.0.0.9:8080/media"),
        ("http://u:p@10.0.0.9/m", "http://10.0.0.9/m"),
        ("SERVICE_URI", None),
        ("file:///etc/passwd", None),
        ("http://{{host}}:{{port}}/x", None),
        ("http://h\r\nX: y/", None),
    ],
)
def test_a_service_is_at_the_address_that_answered(found: str, url: str | None) -> None:
    assert service_at(found, HERE) == url


@pytest.mark.parametrize(
    ("found", "url"),
    [
        ("rtsp://10.0.0.9/h264main", "rtsp://10.0.0.9/h264main"),
        ("rtsp://192.168.1.64:10554/x?a=1&b=2", "rtsp://10.0.0.9:10554/x?a=1&b=2"),
        ("rtsp://admin:secret@10.0.0.9/x", "rtsp://10.0.0.9/x"),
        ("rtsps://0.0.0.0:322/x", "rtsps://10.0.0.9:322/x"),
        ("rtsp://h/user=a&password=b&channel=1.sdp?", "rtsp://10.0.0.9/user=&password=&channel=1.sdp?"),
        ("http://10.0.0.9/x", None),
        ("rtsp:///x", None),
        ("", None),
    ],
)
def test_a_stream_is_at_the_address_that_answered_and_holds_no_login(found: str, url: str | None) -> None:
    assert stream_at(found, HERE) == url


def test_a_still_holds_no_login() -> None:
    url = still_at("http://192.168.1.64/snap.jpg?user=admin&pwd=x&ch=1", HERE)
    assert url == "http://10.0.0.9:8080/snap.jpg?user=&pwd=&ch=1"


def test_another_host_in_an_address() -> None:
    assert at_address("http://a:81/x?y", "fe80::2") == "http://[fe80::2]:81/x?y"
    assert stream_at("rtsp://1.2.3.4/x", "http://[fe80::2]/o") == "rtsp://[fe80::2]/x"
