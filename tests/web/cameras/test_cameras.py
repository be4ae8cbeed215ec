"""Cameras: ids for ever, credentials parted from addresses and never sent to strangers."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.store import cameras
from appliance.web.connections.addresses import read_address

CAMERA = {
    "name": "Front Gate",
    "rtsp_url": "rtsp://bob:s%40cret@10.0.0.9:8554/s?ch=1",
    "sub_url": "rtsp://10.0.0.9:8554/t",
}


async def stored(site: Any, id_: str) -> Credentials | None:
    sealed = await site.db.read(lambda c: cameras.secret(c, id_))
    if sealed is None:
        return None
    plain = site.box.sealer.open(sealed, cameras.secret_name(id_))
    return msgspec.msgpack.decode(plain, type=Credentials)


async def put(site: Any, id_: str, **body: Any) -> Any:
    return await site.ask("PUT", f"/cameras/{id_}", json=body)


async def test_a_camera_s_life(site: Any) -> None:
    made = await site.ask("POST", "/cameras", json=CAMERA)
    camera = (await made.json())["camera"]
    assert made.status == 201 and camera["id"] == "front-gate" and camera["username"] == "bob"
    assert camera["rtsp_url"] == "rtsp://10.0.0.9:8554/s?ch=1" and "cret" not in await made.text()
    assert camera["status"]["state"] == "recording" and camera["detect"]["fps"] == 5
    assert await stored(site, "front-gate") == Credentials("bob", "s@cret")
    again = (await (await site.ask("POST", "/cameras", json=CAMERA)).json())["camera"]
    assert again["id"] == "front-gate-2"
    assert (await site.ask("DELETE", "/cameras/front-gate")).status == 204
    assert (await site.ask("GET", "/cameras/front-gate")).status == 404
    third = (await (await site.ask("POST", "/cameras", json=CAMERA)).json())["camera"]
    assert third["id"] == "front-gate-3"  # an id is never given out again
    assert site.changed == ["cameras"] * 4
    assert await stored(site, "front-gate") is None


async def test_what_get_returns_can_be_put_back(site: Any) -> None:
    await site.ask("POST", "/cameras", json=CAMERA)
    camera = (await (await site.ask("GET", "/cameras/front-gate")).json())["camera"]
    response = await put(site, "front-gate", **camera | {"name": "Gate"})
    after = (await response.json())["camera"]
    assert response.status == 200
    assert {k: v for k, v in after.items() if k != "status"} == {
        k: v for k, v in (camera | {"name": "Gate"}).items() if k != "status"
    }
    assert await stored(site, "front-gate") == Credentials("bob", "s@cret")
    assert (await put(site, "front-gate", **camera | {"id": "other"})).status == 400


async def test_masks_are_kept_and_read_back_as_they_were_sent(site: Any) -> None:
    masks = [[[0.0, 0.0], [0.5, 0.0], [0.25, 0.5]], [[0.9, 0.9], [1.0, 0.9], [1.0, 1.0]]]
    await site.ask("POST", "/cameras", json=CAMERA | {"detect": {"masks": masks}})
    camera = (await (await site.ask("GET", "/cameras/front-gate")).json())["camera"]
    assert camera["detect"]["masks"] == masks
    assert (await put(site, "front-gate", **camera)).status == 200
    stored_camera = await site.db.read(lambda c: cameras.get(c, "front-gate"))
    assert [[list(point) for point in mask] for mask in stored_camera.detect.masks] == masks


@pytest.mark.parametrize(
    ("main", "sub"),
    [
        ("rtsp://10.6.6.6:8554/s", None),
        ("rtsp://10.0.0.9:9999/s", None),
        ("http://10.0.0.9:8554/s", "rtsp://evil/x"),
        ("rtsp://10.0.0.9:8554/s", "rtsp://evil/x"),
    ],
)
async def test_a_stored_password_is_not_sent_to_another_device(site: Any, main: str, sub: str | None) -> None:
    await site.ask("POST", "/cameras", json=CAMERA)
    response = await put(site, "front-gate", name="Gate", rtsp_url=main, sub_url=sub)
    error = (await response.json())["error"]
    assert response.status == 400 and error["field"] == "password" and "again" in error["hint"]
    assert (await put(site, "front-gate", name="Gate", rtsp_url=main, password="new")).status == 200
    assert (await stored(site, "front-gate") or Credentials("", "")).password == "new"


async def test_credentials_are_forgotten_when_asked(site: Any) -> None:
    await site.ask("POST", "/cameras", json=CAMERA)
    url = "rtsp://10.0.0.9:8554/s"
    await put(site, "front-gate", name="Gate", rtsp_url=url, username="eve")
    assert await stored(site, "front-gate") == Credentials("eve", "s@cret")
    await put(site, "front-gate", name="Gate", rtsp_url=url, username=None, password=None)
    assert await stored(site, "front-gate") is None
    assert (await (await site.ask("GET", "/cameras/front-gate")).json())["camera"]["username"] is None


async def test_no_password_in_audit_or_errors(site: Any) -> None:
    await site.ask("POST", "/cameras", json=CAMERA)
    wrong = await site.ask("POST", "/cameras", json=CAMERA | {"rtsp_url": "gopher://bob:s%40cret@h/x"})
    assert wrong.status == 400 and "cret" not in await wrong.text()
    conflict = await site.ask("POST", "/cameras", json=CAMERA | {"username": "bob", "password": "another"})
    assert conflict.status == 400 and "cret" not in await conflict.text()
    assert "cret" not in await (await site.ask("GET", "/audit")).text()


async def test_a_camera_is_probed_with_its_own_password_only(site: Any) -> None:
    await site.ask("POST", "/cameras", json=CAMERA)
    for url in ("rtsp://10.0.0.9:8554/other", "rtsp://evil/x"):
        response = await site.ask("POST", "/cameras/test", json={"rtsp_url": url, "camera_id": "front-gate"})
        assert (await response.json())["codec"] == "h264"
    assert site.probed == [
        ("rtsp://10.0.0.9:8554/other", Credentials("bob", "s@cret")),
        ("rtsp://evil/x", None),
    ]


async def test_where_to_watch(site: Any, make_init: Any) -> None:
    body = await (await site.ask("GET", "/cameras/gate/live?stream=sub")).json()
    assert body == {"ws_url": "/ws/live/gate?stream=main", "hls_url": body["hls_url"], "mime": None}
    assert (await site.client.get(body["hls_url"], headers=await site.bearer("viewer"))).status == 200
    site.live.fan("gate", "main").started(make_init("gate"))
    body = await (await site.ask("GET", "/cameras/gate/live")).json()
    assert body["mime"] == 'video/mp4; codecs="avc1.640028"'


async def test_snapshots(site: Any) -> None:
    for query in ("", "?time=2026-01-20T14:00:00Z"):
        response = await site.ask("GET", f"/cameras/gate/snapshot.jpg{query}")
        assert (response.status, response.content_type) == (200, "image/jpeg")
    assert (await site.ask("GET", "/cameras/gate/snapshot.jpg?time=noon")).status == 400


@pytest.mark.parametrize(
    ("text", "url", "credentials"),
    [
        ("rtsp://h/s", "rtsp://h/s", None),
        ("rtsp://u:p@h:8554/s", "rtsp://h:8554/s", ("u", "p")),
        ("rtsp://u:p%3A%2F@h/s", "rtsp://h/s", ("u", "p:/")),
        ("rtsp://u:p@q@h/s", "rtsp://h/s", ("u", "p@q")),
        ("rtsps://h/s?user=u&password=p&ch=1", "rtsps://h/s?user=&password=&ch=1", ("u", "p")),
        ("http://h/s?ch=%20x&USER=u&Pwd=p%26", "http://h/s?ch=%20x&USER=&Pwd=", ("u", "p&")),
        (
            "rtsp://u:p@h:554/user=u&password=p&channel=8&stream=1.sdp?",
            "rtsp://h:554/user=&password=&channel=8&stream=1.sdp?",
            ("u", "p"),
        ),
        ("rtsp://[fe80::1]:554/s", "rtsp://[fe80::1]:554/s", None),
        ("sim://gate?fps=15", "sim://gate?fps=15", None),
    ],
)
def test_addresses_are_parted(text: str, url: str, credentials: tuple[str, str] | None) -> None:
    found = read_address(text, "rtsp_url", allow_file=False)
    assert found.url == url
    assert found.credentials == (Credentials(*credentials) if credentials else None)


@pytest.mark.parametrize(
    "text",
    ["", "gate", "rtsp://", "rtsp:///x", "rtsp://h:0/", "rtsp://h:70000/", "rtsp://h h/", "rtsp://h/\r\nX: y",
     "javascript:alert(1)", "file:///x.mp4", "sim://a/../b@c", "sim://u:p@a",
     "sim://a?colour=red", "sim://a?file=x", "rtsp://-h/", "rtsp://ü/", "rtsp://[::1/",
     "rtsp://a:b@h/?user=c&password=d", "//h/s", "rtsp://" + "h" * 3000],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ApplianceError) as caught:
        read_address(text, "rtsp_url", allow_file=False)
    assert caught.value.kind == "invalid" and caught.value.hint


def test_files_only_where_allowed_and_never_upwards() -> None:
    assert read_address("file:///x.mp4?loop=1", "f", allow_file=True).url == "file:///x.mp4?loop=1"
    for text in ("file:///a/../x", "file:///a/%2e%2e/x", "file://host/x"):
        with pytest.raises(ApplianceError):
            read_address(text, "f", allow_file=True)


@given(st.text(max_size=40), st.sampled_from(["rtsp://", "http://", "sim://", "file://", ""]))
def test_any_text_is_an_address_or_invalid(text: str, scheme: str) -> None:
    try:
        found = read_address(scheme + text, "f", allow_file=True)
    except ApplianceError as error:
        assert error.kind == "invalid"
    else:
        assert "@" not in found.url.split("/")[2]


def test_credentials_never_come_back_out_of_the_url() -> None:
    @given(st.text("abcXYZ019:@/?#%&=+ ü", min_size=1, max_size=20))
    def law(password: str) -> None:
        from urllib.parse import quote

        secret = quote(password, safe="")
        for text in (f"rtsp://u:{secret}@h/s", f"rtsp://h/s?user=u&password={secret}"):
            found = read_address(text, "f", allow_file=False)
            assert found.credentials == Credentials("u", password)
            assert found.url in ("rtsp://h/s", "rtsp://h/s?user=&password=")

    law()
