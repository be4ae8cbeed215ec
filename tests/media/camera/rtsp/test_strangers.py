"""Cameras that are broken, or want to harm: nothing but ``SourceFault`` comes out, in time, and the
box keeps its memory and its secrets."""

import itertools
import random
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.model import Credentials
from appliance.media.camera.connect import connect
from appliance.media.camera.rtsp import camera as module
from appliance.media.camera.rtsp import connection, pictures, sdp
from appliance.media.camera.rtsp.message import BadAnswer
from appliance.media.camera.rtsp.pictures import Assembler
from appliance.media.camera.rtsp.reports import CameraClock
from appliance.media.camera.rtsp.sound import Unpacker
from appliance.media.camera.source import SourceFault
from appliance.media.mp4 import h26x
from appliance.simulator.rtp import interleave

OPEN_S = 0.4
READ_S = 0.2
SLACK_S = 1.5  # of a busy machine
OK = b"RTSP/1.0 200 OK\r\n"
ASKED = b"OPTIONS rtsp://box RTSP/1.0\r\nCSeq: 1\r\n\r\n"


def play(url: str) -> SourceFault:
    """To the end, whatever it is; it must come in time."""
    began = time.monotonic()
    source = None
    try:
        source = connect(url, Credentials("u", "very secret"), open_timeout_s=OPEN_S)
        opened = time.monotonic()
        assert opened - began < OPEN_S + SLACK_S
        for packet in source.packets():
            assert packet.data
        raise AssertionError
    except SourceFault as fault:
        assert "very secret" not in str(fault)
        return fault
    finally:
        if source is not None:
            source.close()
        assert time.monotonic() - began < OPEN_S + 2 * READ_S + 2 * SLACK_S


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_TIMEOUT_S", READ_S)


class Stranger:
    """Says what it likes, as soon as somebody connects, until the box hangs up or it is silent."""

    def __init__(self, say: Callable[[], Iterator[bytes]]) -> None:
        self._say = say
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/x"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> "Stranger":
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        plug, _ = self._listener.accept()
        with plug:
            try:
                for piece in self._say():
                    plug.sendall(piece)
                    if self._done.is_set():
                        return
                self._done.wait(10)
            except OSError:
                pass


def forever(piece: bytes, before: bytes = b"") -> Callable[[], Iterator[bytes]]:
    return lambda: itertools.chain([before], itertools.repeat(piece))


def once(*pieces: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(pieces)


def slowly(data: bytes) -> Callable[[], Iterator[bytes]]:
    def say() -> Iterator[bytes]:
        for value in itertools.cycle(data):
            time.sleep(0.01)  # it is the slowness that is tried
            yield bytes((value,))

    return say


BEFORE_OPENING = {
    "a header without end": forever(b"X: y\r\n" * 1000, OK),
    "a line without end": forever(b"A" * 10_000),
    "a name without end": forever(b"RTSP/" * 1000),
    "line ends without end": forever(b"\r\n" * 5000),
    "zeros without end": forever(bytes(10_000)),
    "a body that does not come": once(OK + b"CSeq: 1\r\nContent-Length: 48000\r\n\r\n"),
    "a body that is too long": forever(bytes(10_000), OK + b"Content-Length: 999999999\r\n\r\n"),
    "a negative length": once(OK + b"Content-Length: -1\r\n\r\n"),
    "a length of many digits": once(OK + b"Content-Length: " + b"9" * 9000 + b"\r\n\r\n"),
    "a length in other digits": once(OK + "Content-Length: ²\r\n\r\n".encode()),
    "a status in other digits": once("RTSP/1.0 ²00 OK\r\n\r\n".encode()),
    "a status of many digits": once(b"RTSP/1.0 " + b"2" * 9000 + b" OK\r\n\r\n"),
    "a count in other digits": once(OK + "CSeq: ²\r\n\r\n".encode()),
    "a count of many digits": once(OK + b"CSeq: " + b"9" * 9000 + b"\r\n\r\n"),
    "answers without count": forever((OK + b"\r\n") * 1000),
    "answers to other questions": forever((OK + b"CSeq: 0\r\n\r\n") * 1000),
    "requests without end": forever(ASKED * 1000),
    "packets before any answer": forever(struct.pack(">cBH", b"$", 0, 60_000) + bytes(60_000)),
    "empty packets": forever(b"$\0\0\0" * 1000),
    "a letter now and then": slowly(OK + b"X: yyyyyy\r\n" * 100),
    "packets letter by letter": slowly(b"$\0\xff\xff" + bytes(1000)),
    "challenges": forever(b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest nonce="1", stale=true\r\n\r\n' * 50),
    "a challenge of one word": once(
        b"RTSP/1.0 401 No\r\nWWW-Authenticate: Digest " + b"a" * 16_000 + b"\r\n\r\n", OK + b"\r\n"
    ),
    "another protocol": once(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "a shell": once(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
    "TLS": once(b"\x15\x03\x01\x00\x02\x02\x46"),
    "noise": lambda: (random.Random(n).randbytes(5000) for n in itertools.count()),
}


@pytest.mark.parametrize("name", BEFORE_OPENING)
def test_a_stranger_before_the_camera_is_open(name: str, monkeypatch) -> None:
    monkeypatch.setattr(connection, "MOST_BEFORE_BYTES", 3_000_000)
    with Stranger(BEFORE_OPENING[name]) as stranger:
        fault = play(stranger.url)
    assert fault.cause in ("camera_offline", "no_video", "auth_failed")


def rtp(
    payload: bytes, *, first: int = 0x80, sequence: int = 0, stamp: int = 0, marker: bool = False
) -> bytes:
    kind = 96 | (0x80 if marker else 0)
    return struct.pack(">BBHII", first, kind, sequence & 0xFFFF, stamp & 0xFFFFFFFF, 7) + payload


def framed(packet: bytes, channel: int = 0) -> bytes:
    return struct.pack(">cBH", b"$", channel, len(packet)) + packet


def many(make: Callable[[int], bytes], channel: int = 0, count: int = 2000) -> bytes:
    return b"".join(framed(make(n), channel) for n in range(count))


STREAMS = {
    "headers cut short": b"".join(framed(rtp(b"\x65\x88")[:n]) for n in range(13)) * 50,
    "more sources than bytes": many(lambda n: rtp(b"\x65", first=0x8F, sequence=n)),
    "extensions longer than packets": many(
        lambda n: rtp(b"\xbe\xde\xff\xff\x65\x88", first=0x90, sequence=n)
    ),
    "extensions cut short": many(lambda n: rtp(b"\xbe", first=0x90, sequence=n)),
    "padding longer than packets": many(lambda n: rtp(b"\x65\x88\xff", first=0xA0, sequence=n)),
    "nothing but padding": many(lambda n: rtp(b"\0\0\3", first=0xA0, sequence=n, marker=True)),
    "fragments without end": many(
        lambda n: rtp(b"\x7c" + (b"\x85" if n == 0 else b"\5") + bytes(900), sequence=n)
    ),
    "fragments without beginning": many(lambda n: rtp(b"\x7c\x05" + bytes(900), sequence=n)),
    "beginnings alone": many(lambda n: rtp(b"\x7c\x85" + bytes(900), sequence=n)),
    "empty fragments": many(lambda n: rtp(b"\x7c\x85", sequence=n)),
    "aggregates that lie": many(lambda n: rtp(b"\x78\xff\xff\x65\x88", sequence=n)),
    "empty aggregates": many(lambda n: rtp(b"\x78" + bytes(500), sequence=n)),
    "aggregates in aggregates": many(lambda n: rtp(b"\x78\0\5\x78\0\2\x65\x88", sequence=n)),
    "zeros": bytes(500_000),
    "dollars": b"$" * 500_000,
    "empty packets": b"$\0\0\0" * 50_000,
    "reports that lie": many(lambda n: b"\x80\xc8\xff\xff" + random.Random(n).randbytes(n % 40), 1),
    "sound that lies": many(lambda n: rtp(random.Random(n).randbytes(n % 40)), 2),
    "requests": ASKED * 5000,
    "answers": (OK + b"\r\n") * 5000,
    "an answer without end": OK + b"X: y\r\n" * 9000,
    "noise in packets": many(lambda n: rtp(random.Random(n).randbytes(n % 60), sequence=n, stamp=n // 9)),
    "noise": random.Random(1).randbytes(300_000),
    "start codes": many(lambda n: rtp(b"\x67" + b"\0\0\1" * 300, sequence=n), count=300),
    "times that jump": many(lambda n: rtp(b"\x41\x88", sequence=n, stamp=random.Random(n).getrandbits(32))),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stranger_who_plays(serve, name: str) -> None:
    server = serve(stream=STREAMS[name])
    tracemalloc.start()
    try:
        fault = play(server.url)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert fault.cause in ("camera_offline", "no_video")


@pytest.mark.parametrize(
    "name", ["fragments without end", "beginnings alone", "aggregates in aggregates", "requests"]
)
def test_a_stranger_who_never_stops(monkeypatch, answered, name: str) -> None:
    """As fast as the box reads; what it keeps has a bound."""
    monkeypatch.setattr(pictures, "MOST_PICTURE_BYTES", 2_000_000)
    text = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    opening = [answered(200, "1"), answered(200, "2", body=text), answered(200, "3"), answered(200, "4")]
    with Stranger(lambda: itertools.chain(opening, itertools.repeat(STREAMS[name]))) as stranger:
        tracemalloc.start()
        try:
            fault = play(stranger.url)
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()
    assert fault.cause in ("camera_offline", "no_video")


def fu(flags: int, sequence: int, size: int = 1400, kind: int = 96) -> bytes:
    return struct.pack(">BBHII", 0x80, kind, sequence & 0xFFFF, 9, 5) + bytes((0x7C, flags | 5)) + bytes(size)


@pytest.mark.parametrize("what", ["middle", "starts", "single", "aggregated", "sets", "marked sets", "sei"])
def test_a_picture_that_never_ends_takes_no_memory(new_peer, monkeypatch, what) -> None:
    monkeypatch.setattr(pictures, "MOST_PICTURE_BYTES", 200_000)
    head = struct.pack(">BB", 0x80, 96 | (0x80 if what == "marked sets" else 0))
    bodies = {
        "single": b"\x41\x44" + bytes(1000), "aggregated": b"\x78" + b"\0\4\x41\x44\1\1" * 200,
        "sets": b"\x67" + b"\1" * 1000, "marked sets": b"\x67" + b"\1" * 1000, "sei": b"\x06\5\xff" * 300,
    }  # fmt: skip
    with new_peer() as peer:
        assembler = Assembler("h264", 96, peer.connection.buffer, peer.connection.view)
        peer.handlers[0] = assembler.put
        for begin in range(0, 1200, 30):
            packets = [
                fu(0x80 if number == 0 or what == "starts" else 0, number)
                if what in ("middle", "starts")
                else head + struct.pack(">HII", number, 9, 5) + bodies[what]
                for number in range(begin, begin + 30)
            ]
            peer.feed(interleave(packets, 0))
            assert len(assembler._data) < 300_000
        assert assembler.damaged > 0
        after = [struct.pack(">BBHII", 0x80, 96, 2000 + n, 99 + n, 5) + b"\x41\x88ok" for n in range(3)]
        assembler.done.clear()
        peer.feed(interleave(after, 0))
        assert h26x.split_length_prefixed(assembler.done[-1].data)[-1] == b"\x41\x88ok"


@pytest.mark.parametrize(
    "lines",
    [
        "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n" * 900,
        "a=x:y\n" * 7000,
        "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=" + "A" * 40_000 + "\n",
        "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 " + ";" * 40_000 + "\n",
        "m=video 0 RTP/AVP \N{SUPERSCRIPT TWO}\n",
        "m=video 0 RTP/AVP " + "9" * 9000 + "\n",
        "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/1\nm=audio 0 RTP/AVP 97\na=rtpmap:97 PCMA/0/0\n",
        "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=framerate:" + "1" * 9000 + "\n",
    ],
)
def test_an_sdp_that_lies(serve, lines: str) -> None:
    assert play(serve(sdp=lines).url).cause in ("camera_offline", "no_video")


def test_nothing_a_camera_says_sends_the_box_elsewhere(serve, answered) -> None:
    """Control addresses, Content-Base, Location and Transport name another host; \\r a second header."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        away = f"rtsp://127.0.0.1:{elsewhere.getsockname()[1]}/x"
        text = (
            f"a=control:{away}\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:{away}/a\rEvil: yes\n"
        )

        def script(method, count, _):
            more = f"Content-Base: {away}\rEvil: yes\r\nLocation: {away}\r\nSession: 1\rEvil: yes\r\n"
            more += "Transport: RTP/AVP/TCP;interleaved=0-1;destination=192.0.2.1;source=192.0.2.1"
            return answered(200, count, more, text if method == "DESCRIBE" else "")

        server = serve(script)
        play(server.url)
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert server.connections == 1
    assert server.methods[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert not any("Evil" in request for request in server.requests)


SOUNDS = [
    "m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000\na=fmtp:97 indexlength=3;config=1408",
    "m=audio 0 RTP/AVP 97\na=rtpmap:97 MP4A-LATM/16000\na=fmtp:97 cpresent=0;config=400028103FC0",
    "m=audio 0 RTP/AVP 97\na=rtpmap:97 PCMU/8000",
]
raw = st.binary(max_size=60)
begun = st.sampled_from([b"", b"\x7c\x85", b"\x7c\x05", b"\x78\0\4", b"\x62\1\x93", b"\x60\1\0\3", b"\0\x10"])
packets = st.builds(
    lambda channel, first, kind, sequence, stamp, head, body: framed(
        struct.pack(">BBHII", first, kind, sequence, stamp, 1) + head + body, channel
    ),
    st.integers(0, 3),
    st.sampled_from([0x80, 0x80, 0x90, 0xA0, 0x81, 0xBF, 0x00]),
    st.sampled_from([96, 224, 97, 225, 200]),
    st.integers(0, 4),
    st.sampled_from([0, 1, 3000, 1 << 31, 0xFFFFFFFF]),
    begun,
    raw,
)
messages = st.sampled_from(
    [OK, OK + b"\r\n", ASKED, b"\r\n", b"Content-Length: 5\r\n\r\n", b"RTSP/1.0 ", b"\n\n", b"$"]
)


@given(
    st.sampled_from(["h264", "hevc"]),
    st.sampled_from(SOUNDS),
    st.lists(raw | packets | packets | messages, max_size=30),
    st.lists(st.integers(0, 1 << 20), max_size=10),
)
def test_any_bytes_at_all(new_peer, codec, sound, pieces, cuts) -> None:
    with new_peer() as peer:
        buffer, view = peer.connection.buffer, peer.connection.view
        assembler = Assembler(codec, 96, buffer, view)
        clock = CameraClock(buffer, assembler.ticks, 90_000)
        unpacker = Unpacker(sdp.parse(sound, "rtsp://c").tracks[0], buffer)
        peer.handlers |= {0: assembler.put, 1: clock.put, 2: unpacker.put, 3: clock.put}
        try:
            peer.feed(b"".join(pieces), cuts)
        except BadAnswer:
            pass
        for picture in assembler.done:
            assert picture.data
            clock.camera_ns(picture.stamp)
