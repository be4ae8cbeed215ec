"""Who asks, how it is proved, and what an answer means. The camera checks the proof by itself."""

import asyncio
import base64
import hashlib
import re

import pytest
from aiohttp import web

from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.onvif.device import Device
from appliance.onvif.soap import CameraFault, understood, username_token
from appliance.onvif.tree import xml

INFORMATION = "<tds:Manufacturer>Made</tds:Manufacturer><tds:Model>M1</tds:Model>"


def test_the_digest_of_the_profile() -> None:
    """As the specification computes it (WSS UsernameToken Profile 1.0, 3.1), with values fixed here."""
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    token = username_token(Credentials("user", "userpassword"), 1_284_624_000_000_000_000, nonce)
    created = "2010-09-16T08:00:00.000Z"
    wanted = base64.b64encode(hashlib.sha1(nonce + created.encode() + b"userpassword").digest()).decode()
    assert f">{wanted}</wsse:Password>" in token and f">{created}</wsu:Created>" in token
    assert "userpassword" not in token


async def test_the_clock_is_asked_first_and_the_digest_holds_the_camera_s_time(camera, device) -> None:
    camera.ahead_s = -56 * 365 * 86400
    camera.says["GetDeviceInformation"] = INFORMATION
    assert (await device.information()).maker == "Made"
    assert camera.questions == ["GetSystemDateAndTime", "GetDeviceInformation"]
    asked = camera.text_of("GetDeviceInformation")
    assert camera.token_is_right(asked)
    assert camera.created(asked).startswith("1970-")
    assert "Security" not in camera.text_of("GetSystemDateAndTime")


async def test_no_nonce_is_used_twice(camera, device) -> None:
    camera.says["GetDeviceInformation"] = INFORMATION
    await device.information()
    await device.information()
    texts = [text for name, text, _ in camera.asked if name == "GetDeviceInformation"]
    assert len({re.search(r"Nonce[^>]*>([^<]*)", text)[1] for text in texts}) == 2


async def test_a_camera_that_tells_no_time_is_believed_in_its_http_date(camera, device, refusal) -> None:
    camera.says["GetSystemDateAndTime"] = lambda _: web.Response(
        status=401, body=refusal("NotAuthorized"), headers={"Date": "Fri, 02 Jan 1970 10:00:00 GMT"}
    )
    camera.says["GetDeviceInformation"] = INFORMATION
    await device.information()
    assert camera.created(camera.text_of("GetDeviceInformation")).startswith("1970-01-02T10:00:00")


async def test_http_digest_where_the_camera_wants_it(camera, device) -> None:
    seen = []

    def answer(text: str):
        header = camera.asked[-1][2].get("Authorization", "")
        seen.append(header)
        found = dict(re.findall(r'(\w+)="?([^",]*)"?', header))
        if not found:
            challenge = 'Digest realm="cam", nonce="abc", qop="auth", algorithm=MD5'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        first = hashlib.md5(b"admin:cam:open & <shut>").hexdigest()
        second = hashlib.md5(f"POST:{found['uri']}".encode()).hexdigest()
        proof = f"{first}:abc:{found['nc']}:{found['cnonce']}:auth:{second}"
        assert found["response"] == hashlib.md5(proof.encode()).hexdigest()
        assert "Security" not in text  # one proof, not two
        return INFORMATION

    camera.says["GetDeviceInformation"] = answer
    assert (await device.information()).model == "M1"
    asked = len(seen)
    assert (await device.information()).model == "M1"
    assert len(seen) == asked + 1  # the challenge is remembered


@pytest.mark.parametrize(
    "answer",
    [
        lambda refusal: refusal("NotAuthorized", "Sender not Authorized"),
        lambda refusal: refusal("FailedAuthentication"),
        lambda refusal: web.Response(status=401, text="<html>no"),
        lambda refusal: web.Response(status=403),
        lambda refusal: web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=x"}),
    ],
)
async def test_a_wrong_password_is_named_so_and_never_shown(camera, device, refusal, answer) -> None:
    camera.says["GetDeviceInformation"] = lambda _: answer(refusal)
    with pytest.raises(CameraFault) as caught:
        await device.information()
    assert caught.value.kind == "denied" and "password" in caught.value.hint
    assert "open & " not in str(caught.value)
    assert not any(headers.get("Authorization", "").startswith("Basic") for _, _, headers in camera.asked)


@pytest.mark.parametrize(
    "challenge",
    [
        "Digest",
        'Digest realm="x"',
        'Digest realm="x", nonce=""',
        'Digest realm="x", nonce="1", algorithm=NONE',
        'Digest realm="x", nonce="1", qop="other"',
        'Digest realm="\\", nonce="\x80"',
        'Digest nonce="1", stale=true, realm="x"',
    ],
)
async def test_a_challenge_that_is_none_is_no_hang_and_no_crash(camera, device, challenge: str) -> None:
    camera.says["GetDeviceInformation"] = lambda _: web.Response(
        status=401, headers={"WWW-Authenticate": challenge}
    )
    with pytest.raises(ApplianceError) as caught:
        await device.information()
    assert caught.value.hint
    assert camera.questions.count("GetDeviceInformation") <= 4  # a camera counts wrong passwords


async def test_a_colon_in_a_user_name_cannot_be_digested(camera, session, clock) -> None:
    camera.says["GetDeviceInformation"] = lambda _: web.Response(
        status=401, headers={"WWW-Authenticate": 'Digest realm="x", nonce="1"'}
    )
    with pytest.raises(ApplianceError, match="colon"):
        await Device(camera.url, Credentials("a:b", "c"), session, clock=clock).information()


async def test_a_locked_user_is_told_to_wait(camera, device, refusal) -> None:
    camera.says["GetDeviceInformation"] = refusal("NotAuthorized", "The user account is locked")
    with pytest.raises(CameraFault, match="locked"):
        await device.information()


async def test_a_camera_that_does_not_answer_costs_its_deadline(camera, session, clock, secret) -> None:
    never = asyncio.Event()

    async def wait(_: str) -> str:
        await never.wait()
        return ""

    camera.says["GetDeviceInformation"] = wait
    device = Device(camera.url, secret, session, clock=clock, deadline_s=0.05)
    with pytest.raises(ApplianceError) as caught:
        await device.information()
    never.set()
    assert caught.value.kind == "unavailable" and caught.value.hint


async def test_nobody_there(session, clock, secret) -> None:
    with pytest.raises(ApplianceError) as caught:
        await Device("127.0.0.1:9", secret, session, clock=clock).information()
    assert caught.value.kind == "unavailable"


async def test_a_redirect_leads_nowhere(camera, device) -> None:
    camera.says["GetDeviceInformation"] = lambda _: web.Response(
        status=302, headers={"Location": "http://127.0.0.1:9/"}
    )
    with pytest.raises(ApplianceError, match="elsewhere"):
        await device.information()


async def test_an_answer_without_end_is_cut(camera, device) -> None:
    camera.says["GetDeviceInformation"] = b"<E>" + b" " * 1_100_000
    with pytest.raises(ApplianceError, match="does not end"):
        await device.information()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b"<html>not found</html>", "not_found"),
        (200, b"<html><body>camera</body></html>", "invalid"),
        (200, b"", "invalid"),
        (500, b"busy", "invalid"),
        (200, b"<Envelope><Body/></Envelope>", "invalid"),
        (401, b"", "denied"),
        (302, b"", "unavailable"),
    ],
)
def test_what_is_no_answer_has_a_hint(status: int, body: bytes, kind: str) -> None:
    with pytest.raises(ApplianceError) as caught:
        understood(status, body)
    assert caught.value.kind == kind and caught.value.hint


def test_refusals_of_soap_1_1_and_1_2() -> None:
    old = b"<E:Envelope><E:Body><E:Fault><faultcode>ter:InvalidArgVal</faultcode>"
    old += b"<faultstring>bad %s</faultstring>"
    old += b"</E:Fault></E:Body></E:Envelope>"
    with pytest.raises(CameraFault) as caught:
        understood(500, old % b"rtsp://admin:secret9@h/x")
    assert caught.value.subcode == "invalidargval" and caught.value.hint
    assert "secret9" not in caught.value.message


async def test_all_of_a_user_name_goes_through(camera, session, clock) -> None:
    camera.says["GetDeviceInformation"] = INFORMATION
    credentials = Credentials('a"b<c>&', "ü ö\N{SNOWMAN}")
    await Device(camera.url, credentials, session, clock=clock).information()
    text = camera.text_of("GetDeviceInformation")
    assert camera.token_is_right(text, credentials)
    assert xml("wsse:Username", credentials.username) in text
