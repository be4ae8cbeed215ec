"""Digest and Basic against the examples of their RFCs, and cameras that bend them."""

import hashlib
import re
import time

import pytest

from appliance.base.model import Credentials
from appliance.media.camera.connect import connect
from appliance.media.camera.rtsp import proof as module
from appliance.media.camera.rtsp.proof import Proof

MUFASA = Credentials("Mufasa", "Circle of Life")
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"  # RFC 7616, 3.9.1
CLIENT = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
MD5 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, '
    f'nonce="{NONCE}", opaque="{OPAQUE}"'
)
SHA = MD5.replace("MD5", "SHA-256")


def fields(header: str | None) -> dict[str, str]:
    assert header is not None
    assert header.startswith("Digest ")
    return {
        name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)
    }


@pytest.fixture
def client_nonce(monkeypatch: pytest.MonkeyPatch):
    def fix(value: str) -> None:
        monkeypatch.setattr(module.secrets, "token_hex", lambda _: value)

    return fix


@pytest.mark.parametrize(
    ("challenges", "algorithm", "response"),
    [
        ([MD5], "MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ([SHA], "SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ([MD5, SHA], "SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ([f"{SHA}, {MD5}"], "SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(client_nonce, challenges, algorithm, response) -> None:
    client_nonce(CLIENT)
    proof = Proof(MUFASA)
    assert proof.header("GET", "/dir/index.html") is None
    assert proof.learn(challenges)
    said = fields(proof.header("GET", "/dir/index.html"))
    assert said == {
        "username": "Mufasa", "realm": "http-auth@example.org", "nonce": NONCE, "uri": "/dir/index.html",
        "response": response, "qop": "auth", "nc": "00000001", "cnonce": CLIENT, "opaque": OPAQUE,
        "algorithm": algorithm,
    }  # fmt: skip
    assert fields(proof.header("GET", "/dir/index.html"))["nc"] == "00000002"


def test_the_example_of_rfc_2617(client_nonce) -> None:
    client_nonce("0a4f113b")
    proof = Proof(Credentials("Mufasa", "Circle Of Life"))
    assert proof.learn([
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    ])  # fmt: skip
    assert fields(proof.header("GET", "/dir/index.html"))["response"] == "6629fae49393a05397450978507c4ef1"


def test_a_camera_without_qop() -> None:
    proof = Proof(Credentials("admin", "pässword"))
    assert proof.learn(['Digest realm="Surveillance Server", nonce="98481030"'])
    said = fields(proof.header("DESCRIBE", "rtsp://c/x"))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    first, second = md5("admin:Surveillance Server:pässword"), md5("DESCRIBE:rtsp://c/x")
    assert said.pop("response") == md5(f"{first}:98481030:{second}")
    assert said == {
        "username": "admin", "realm": "Surveillance Server", "nonce": "98481030", "uri": "rtsp://c/x",
    }  # fmt: skip


def test_a_session_key(client_nonce) -> None:
    client_nonce("cc")
    proof = Proof(Credentials("u", "p"))
    assert proof.learn(['Digest realm="r",nonce="n",algorithm=MD5-sess,qop=auth'])

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    expected = md5(f"{md5(md5('u:r:p') + ':n:cc')}:n:00000001:cc:auth:{md5('PLAY:rtsp://c')}")
    assert fields(proof.header("PLAY", "rtsp://c"))["response"] == expected


def test_basic() -> None:
    proof = Proof(Credentials("Aladdin", "open sesame"))  # RFC 7617, 2
    assert proof.learn(['Basic realm="camera"'])
    assert proof.header("PLAY", "rtsp://c") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert not proof.learn(['Basic realm="camera"'])


@pytest.mark.parametrize(
    "challenges",
    [
        ['Basic realm="c"', 'Digest realm="c", nonce="1"'],
        ['Digest realm="c", nonce="1"', 'Basic realm="c"'],
        ['Basic realm="other", Digest realm="c", nonce="1"'],
        ['Digest realm="c", nonce="1", Basic realm="other"'],
    ],
)
def test_the_password_goes_in_clear_only_where_there_is_nothing_better(challenges) -> None:
    proof = Proof(MUFASA)
    assert proof.learn(challenges)
    said = fields(proof.header("PLAY", "rtsp://c"))
    assert (said["realm"], said["nonce"]) == ("c", "1")


def test_names_of_schemes_in_quotes_are_text() -> None:
    proof = Proof(MUFASA)
    assert proof.learn(['Digest realm="Cam, Basic model", nonce="5"'])
    assert fields(proof.header("PLAY", "rtsp://c"))["realm"] == "Cam, Basic model"


def test_a_wrong_password_ends_and_a_stale_nonce_does_not() -> None:
    proof = Proof(MUFASA)
    assert proof.learn(['Digest realm="c", nonce="1"'])
    assert not proof.learn(['Digest realm="c", nonce="1"'])
    assert not proof.learn(['Digest realm="c", nonce="2"'])
    assert fields(proof.header("PLAY", "rtsp://c"))["nonce"] == "2"  # for the next request
    assert not proof.learn(['Digest realm="c", nonce="3", stale=false'])
    assert proof.learn(['Digest realm="c", nonce="4", stale=TRUE'])
    assert not proof.learn(['Digest realm="c", nonce="4", stale=TRUE'])


def test_a_new_nonce_after_one_that_was_accepted_is_stale_once() -> None:
    proof = Proof(Credentials("u", "p"))
    proof.accepted()  # nothing was proven with that
    assert proof.learn(['Digest realm="c", nonce="1"'])
    proof.accepted()
    assert not proof.learn(['Digest realm="c", nonce="1"'])
    proof.accepted()
    assert proof.learn(['Digest realm="c", nonce="2"'])
    assert not proof.learn(['Digest realm="c", nonce="3"'])


def test_digest_after_basic_was_refused() -> None:
    proof = Proof(MUFASA)
    assert proof.learn(['Basic realm="c"'])
    assert proof.learn(['Digest realm="c", nonce="1"'])
    assert fields(proof.header("PLAY", "rtsp://c"))["nonce"] == "1"
    assert proof.learn(['Basic realm="c"'])
    assert proof.learn(['Digest realm="c", nonce="1"'])


@pytest.mark.parametrize(
    "challenges",
    [[], [""], ["Negotiate"], ["Digest"], ['Digest realm="x"'], ['Digest nonce=""'],
     ['Digest nonce="1", algorithm=SHA-512-256'], ["Digestive nonce=1"]],
)  # fmt: skip
def test_what_cannot_be_answered(challenges) -> None:
    proof = Proof(MUFASA)
    assert not proof.learn(challenges)
    assert proof.header("PLAY", "rtsp://c") is None


def test_what_the_camera_says_stays_inside_its_quotes() -> None:
    proof = Proof(Credentials('a"b\\c', "p"))
    assert proof.learn(['Digest realm="r", nonce="n"'])
    header = proof.header("PLAY", "rtsp://c")
    assert header is not None
    assert 'username="a\\"b\\\\c"' in header


@pytest.mark.parametrize("filler", ["a", "a" * 8000 + " " * 8000, 'a="', ", ", ',"', "Basic,", "= "])
def test_a_long_challenge_costs_no_time(filler: str) -> None:
    proof = Proof(MUFASA)
    text = "Digest " + (filler * (16_000 // len(filler) + 1))[:16_000]
    began = time.process_time()
    proof.learn([text, "Digest realm=" + text])
    assert time.process_time() - began < 0.2


def test_a_dvr_that_wants_the_login_in_its_path_plays(serve, answered, pictures) -> None:
    """CP PLUS and others built by Xiongmai: the stored address has the places, empty."""
    login = "user=ad%20min&password=p%40ss%3Aw%2Frd%3F"

    def script(method, count, text):
        if f"/{login}&channel=3&stream=0.sdp?" not in text.split()[1]:
            return answered(404, count)
        return None

    server = serve(script, stream=pictures(3))
    url = server.url.replace("/live", "/user=&password=&channel=3&stream=0.sdp?")
    source = connect(url, Credentials("ad min", "p@ss:w/rd?"))
    assert next(iter(source.packets())).is_video
    source.close()
