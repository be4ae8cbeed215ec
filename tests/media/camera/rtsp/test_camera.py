"""The dialogue with a camera, on a real socket: what is asked, what is answered, what is refused."""

import base64
import itertools
import re
import socket
import traceback

import pytest

from appliance.base.model import Credentials
from appliance.media.camera.connect import connect
from appliance.media.camera.rtsp import camera as module
from appliance.media.camera.source import NOTHING_SENT, OTHER_CODEC, RawPacket, SourceFault
from appliance.simulator.rtp import Packetiser, interleave

SECRET = Credentials("ad min", "p@ss:w/rd?")
LOGIN = re.compile(r"p@ss|p%40ss|" + re.escape(base64.b64encode(b"ad min:p@ss:w/rd?").decode()))


def read(source, count: int) -> list[RawPacket]:
    return list(itertools.islice((packet for packet in source.packets() if packet.is_video), count))


def refused(url: str, credentials: Credentials | None = None) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        connect(url, credentials, open_timeout_s=2)
    return caught.value


def ended(source) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        read(source, 1_000_000)
    return caught.value


def test_a_dialogue_from_options_to_teardown(serve, pictures) -> None:
    server = serve(stream=pictures(5))
    source = connect(server.url, None)
    try:
        assert (source.codec, source.fps) == ("h264", 12.0)
        assert source.audio == ("pcm_alaw", 8000, 1, b"")
        assert [unit[0] for unit in source.parameter_sets()] == [0x67, 0x68]
        assert source._every_s == 10  # half of what the camera says
        packets = list(itertools.islice(source.packets(), 10))
    finally:
        source.close()
        source.close()
    server.wait()
    assert server.methods == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY", "TEARDOWN"]
    names = [text.split()[1].removeprefix(server.url) for text in server.requests]
    assert names == ["", "", "/video", "/sound", "", ""]
    assert [server.header("Session", n) for n in range(6)] == [None, None, None, "1a2b", "1a2b", "1a2b"]
    assert server.header("Transport", 2) == "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert server.header("Transport", 3) == "RTP/AVP/TCP;unicast;interleaved=2-3"
    assert server.header("Accept", 1) == "application/sdp"
    assert [server.header("CSeq", n) for n in range(6)] == list("123456")
    videos = [packet for packet in packets if packet.is_video]
    assert [bytes(p.data[4:5]) for p in videos] == [b"\x65"] + [b"\x41"] * (len(videos) - 1)
    assert [p.pts_90k for p in videos] == [90_000 * n for n in range(len(videos))]
    assert [p.is_key for p in videos] == [True] + [False] * (len(videos) - 1)
    assert [(p.camera_ns or 0) // 10**9 for p in videos] == [1_700_000_000 + n for n in range(len(videos))]
    assert {bytes(p.data) for p in packets if not p.is_video} == {b"sound"}


@pytest.mark.parametrize(
    ("session", "every_s"),
    [
        ("1", 30), ("1;timeout=60", 30), ("1; Timeout = 8 ", 4), ("1;timeout=0", 30), ("1;timeout=99999", 30),
        ("1;timeout=\N{SUPERSCRIPT TWO}", 30), ("1;timeout=-5", 30),
    ],
)  # fmt: skip
def test_life_is_shown_at_half_of_the_sessions_time(serve, answered, session: str, every_s: float) -> None:
    def script(method, count, text):
        return answered(200, count, f"Session: {session}") if method == "SETUP" else None

    source = connect(serve(script).url, None)
    source.close()
    assert source._every_s == every_s


@pytest.mark.parametrize(
    ("public", "method"), [("GET_PARAMETER, PLAY", "GET_PARAMETER"), ("PLAY", "OPTIONS")]
)
def test_life_is_shown_as_the_camera_knows_it(serve, pictures, answered, public, method) -> None:
    def script(asked, count, text):
        if asked == "OPTIONS" and count == "1":
            return answered(200, count, f"Public: {public}")
        return answered(200, count) + pictures(3) if int(count) > 5 else None

    server = serve(script, stream=pictures(3))
    source = connect(server.url, None)
    source._every_s = 0.0
    read(source, 8)
    source.close()
    assert server.methods[5:7] == [method, method]
    assert server.header("Session", 5) == "1a2b"


def test_the_time_to_show_life_has_not_come(serve, pictures) -> None:
    server = serve(stream=pictures(50))
    source = connect(server.url, None)
    read(source, 45)
    source.close()
    server.wait()
    assert server.methods[5:] == ["TEARDOWN"]


def test_a_nonce_that_goes_stale_while_it_plays(serve, pictures, answered) -> None:
    def challenge(nonce: str, more: str = "") -> str:
        return f'WWW-Authenticate: Digest realm="r", nonce="{nonce}"{more}'

    def script(method, count, text):
        if "Authorization" not in text:
            return answered(401, count, challenge("one"))
        if method == "GET_PARAMETER":
            if 'nonce="one"' in text:
                return answered(401, count, challenge("two", ", stale=true")) + pictures(3)
            return answered(200, count) + pictures(3)
        return None

    server = serve(script, stream=pictures(3))
    source = connect(server.url, SECRET)
    source._every_s = 0.0
    packets = source.packets()
    for packet in packets:
        if "GET_PARAMETER" in server.methods and packet.is_video:
            break
    source._every_s = 30  # it is asked again at once
    list(itertools.islice(packets, 8))
    source.close()
    asked = [text for text in server.requests if text.startswith("GET_PARAMETER")]
    assert 'nonce="one"' in asked[0]
    assert 'nonce="two"' in asked[-1]


def test_a_session_that_the_camera_ended(serve, pictures, answered) -> None:
    server = serve(
        lambda m, count, t: answered(454, count) if m == "GET_PARAMETER" else None, stream=pictures(9)
    )
    source = connect(server.url, None)
    source._every_s = 0.0
    fault = ended(source)
    source.close()
    assert (fault.cause, "session" in str(fault)) == ("no_video", True)


def test_no_sound_is_better_than_no_picture(serve, pictures, answered) -> None:
    def script(method, count, text):
        return answered(461, count) if method == "SETUP" and "/sound" in text else None

    source = connect(serve(script, stream=pictures(4)).url, None)
    packets = list(itertools.islice(source.packets(), 4))
    source.close()
    assert all(packet.is_video for packet in packets)


@pytest.mark.parametrize(
    ("said", "video", "sound"),
    [
        (["4-5", "8-9"], 4, 8),
        (["0-1", "0-1"], 0, 2),  # of both, and sends what it was asked for
        (["0-1", "1-2"], 0, 2),
        (["999-1000", "2-3"], 0, 2),
        (["2-3", "0-1"], 2, 0),
    ],
)
def test_channels_are_the_cameras_to_choose(serve, pictures, answered, said, video, sound) -> None:
    left = list(said)

    def script(method, count, text):
        if method != "SETUP":
            return None
        return answered(200, count, f"Session: 5\r\nTransport: RTP/AVP/TCP;interleaved={left.pop(0)}")

    source = connect(serve(script, stream=pictures(4, video, sound)).url, None)
    packets = list(itertools.islice(source.packets(), 8))
    source.close()
    assert [packet.is_video for packet in packets].count(True) >= 3
    assert b"sound" in [bytes(packet.data) for packet in packets if not packet.is_video]
    assert packets[0].camera_ns is not None or packets[-1].camera_ns is not None


@pytest.mark.parametrize(
    ("status", "cause", "text"),
    [
        (404, "no_video", "path"),
        (461, "no_video", "RTSP over TCP"),
        (453, "no_video", "no room"),
        (503, "no_video", "no room"),
        (403, "auth_failed", "password"),
        (401, "auth_failed", "password"),
        (301, "no_video", "another address"),
        (302, "no_video", "another address"),
        (500, "no_video", "500"),
        (454, "no_video", "454"),
    ],
)
@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "PLAY"])
def test_what_is_refused_is_said(serve, answered, status, cause, text, method) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        away = f"Location: rtsp://127.0.0.1:{elsewhere.getsockname()[1]}/x"
        server = serve(lambda m, count, t: answered(status, count, away) if m == method else None)
        fault = refused(server.url, SECRET)
        assert (fault.cause, text in str(fault)) == (cause, True)
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert server.connections == 1
    assert not LOGIN.search("".join(traceback.format_exception(fault)))


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_a_wrong_password_is_tried_once(serve, answered, scheme) -> None:
    more = f'WWW-Authenticate: {scheme} realm="r", nonce="1"'
    server = serve(lambda m, count, t: answered(401, count, more))
    fault = refused(server.url, SECRET)
    assert fault.cause == "auth_failed"
    assert len(server.requests) == 2
    assert server.header("Authorization", 0) is None
    assert (server.header("Authorization", 1) or "").startswith(scheme)
    assert not LOGIN.search("".join(traceback.format_exception(fault)))
    assert refused(server.url).cause == "auth_failed"


def test_a_nonce_that_is_always_stale_ends(serve, answered) -> None:
    nonces = itertools.count()

    def script(method, count, text):
        return answered(401, count, f'WWW-Authenticate: Digest realm="r", nonce="{next(nonces)}", stale=true')

    server = serve(script)
    assert refused(server.url, SECRET).cause == "auth_failed"
    assert len(server.requests) == 3


def one_time(answered, refuses: str = "", more: bytes = b""):
    """A camera whose nonces are good for one request; it does not say that they are stale."""
    nonces, good = map(str, itertools.count()), ""

    def script(method, count, text):
        nonlocal good
        if method == "OPTIONS" or (f'nonce="{good}"' in text and method != refuses):
            good = ""
            return answered(200, count) + more if method == "GET_PARAMETER" else None
        good = next(nonces)
        challenge = f'WWW-Authenticate: Digest realm="r", nonce="{good}"'
        return answered(401, count, challenge) + (more if method == "GET_PARAMETER" else b"")

    return script


def test_a_camera_with_one_time_nonces_plays_and_is_kept_alive(serve, pictures, answered) -> None:
    server = serve(one_time(answered, more=pictures(3)), stream=pictures(3))
    source = connect(server.url, SECRET)
    twice = [method for method in ("DESCRIBE", "SETUP", "SETUP", "PLAY") for _ in range(2)]
    assert server.methods == ["OPTIONS", *twice]
    source._every_s = 0.0
    packets = source.packets()
    while server.methods.count("GET_PARAMETER") < 6:
        next(packets)
    source.close()


@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "PLAY"])
def test_a_camera_that_refuses_every_new_nonce_is_not_asked_for_ever(serve, answered, method) -> None:
    server = serve(one_time(answered, refuses=method))
    assert refused(server.url, SECRET).cause == "auth_failed"
    assert server.methods.count(method) == 2


@pytest.mark.parametrize("where", ["url", "query", "apart"])
def test_the_login_is_in_no_request_and_no_error(serve, answered, where) -> None:
    def script(method, count, text):
        if "Authorization" not in text:
            return answered(401, count, 'WWW-Authenticate: Digest realm="r", nonce="1"')
        return answered(404, count) if method == "DESCRIBE" else None

    server = serve(script)
    login = "ad%20min:p%40ss%3Aw%2Frd%3F@" if where == "url" else ""
    query = "?user=&password=" if where == "query" else ""
    url = server.url.replace("rtsp://", f"rtsp://{login}") + query
    fault = refused(url, SECRET if where != "url" else None)
    assert "path" in str(fault)
    assert 'username="ad min"' in (server.header("Authorization", -1) or "")
    assert not LOGIN.search("".join(traceback.format_exception(fault)))
    if where != "query":  # which asks for it to be there
        assert not any(LOGIN.search(text) for text in server.requests)


def test_a_camera_that_asks_too(serve, pictures, answered) -> None:
    asked = b"OPTIONS rtsp://box RTSP/1.0\r\nCSeq: 77\r\n\r\n"

    def script(method, count, text):
        return pictures(3) if method.startswith("RTSP/") else asked + usual(method, count)

    server = serve(script)

    def usual(method, count):
        return server._usual(method, count) + (pictures(3) + asked + pictures(9) if method == "PLAY" else b"")

    source = connect(server.url, None)
    read(source, 14)
    source.close()
    server.wait()
    replies = [text for text in server.requests if text.startswith("RTSP/1.0 200")]
    assert replies
    assert all("CSeq: 77" in text for text in replies)


@pytest.mark.parametrize("what", ["nothing", "reports", "sound only"])
def test_silence_is_no_video(serve, monkeypatch, pictures, what) -> None:
    monkeypatch.setattr(module, "READ_TIMEOUT_S", 0.1)
    stream = {
        "nothing": b"",
        "reports": pictures(20, channel=40, sound=40),
        "sound only": pictures(9, channel=40),
    }
    source = connect(serve(stream=stream[what]).url, None)
    fault = ended(source)
    source.close()
    assert (fault.cause, str(fault)) == ("no_video", NOTHING_SENT)


def test_reports_alone_are_no_video(serve, monkeypatch, answered) -> None:
    """Something comes all the time, and never a picture."""
    monkeypatch.setattr(module, "READ_TIMEOUT_S", 0.2)
    report = interleave([Packetiser(96, 90_000, 1, 0, 0).sender_report(0, 0)], 1)
    source = connect(
        serve(lambda m, c, t: answered(200, c) + report if m == "GET_PARAMETER" else None, stream=report).url,
        None,
    )
    source._every_s = 0.0
    assert str(ended(source)) == NOTHING_SENT
    source.close()


def test_another_codec_than_announced(serve) -> None:
    packetiser = Packetiser(96, 90_000, 1, 0, 0)
    units = [b"\x42\x01sps", b"\x02\x01\x88slice"]
    packets = [packet for n in range(40) for packet in packetiser.video("hevc", units, n * 3000)]
    source = connect(serve(stream=interleave(packets, 0)).url, None)
    assert str(ended(source)) == OTHER_CODEC
    source.close()


def test_a_camera_that_hangs_up(serve, pictures) -> None:
    server = serve(stream=pictures(5))
    source = connect(server.url, None)
    packets = source.packets()
    next(packets)
    server.close()
    with pytest.raises(SourceFault) as caught:
        list(packets)
    assert (caught.value.cause, "closed the connection" in str(caught.value)) == ("camera_offline", True)
    source.close()


@pytest.mark.parametrize(
    ("sdp", "text"),
    [
        ("v=0\nm=audio 0 RTP/AVP 0\n", "offers no video"),
        ("v=0\nm=video 0 RTP/AVP 26\n", "jpeg"),
        ("v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 VP8/90000\n", "vp8"),
        ("v=0\nm=video 0 RTP/AVP 96\n", "unknown codec"),
        ("<html>", "offers no video"),
        ("", "offers no video"),
    ],
)
def test_nothing_to_record(serve, sdp, text) -> None:
    fault = refused(serve(sdp=sdp).url)
    assert (fault.cause, text in str(fault)) == ("no_video", True)


def test_a_web_server(serve) -> None:
    """At once, and with a hint: the port is the wrong one."""
    fault = refused(serve(lambda *_: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").url)
    assert (fault.cause, "not RTSP" in str(fault)) == ("camera_offline", True)


def test_a_network_that_forbids_is_no_wrong_password(monkeypatch) -> None:
    def forbid(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", forbid)
    fault = refused("rtsp://192.0.2.1/x", SECRET)
    assert fault.cause == "camera_offline"


@pytest.mark.parametrize(
    "url", ["rtsp:///x", "rtsp://host:99999/x", "rtsp://.host./x", "rtsp://" + "a" * 70 + "/x"]
)
def test_an_address_that_is_none(url) -> None:
    assert refused(url).cause == "camera_offline"
