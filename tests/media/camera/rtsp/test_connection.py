"""Bytes of a connection: packets and answers among each other, in any pieces, and rubbish between."""

import re
import socket
import struct
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.camera.rtsp import connection as module
from appliance.media.camera.rtsp.connection import BUFFER_BYTES, HALF_BYTES, Connection
from appliance.media.camera.rtsp.message import MOST_BODY_BYTES, MOST_HEAD_BYTES, BadAnswer

ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 5\r\nContent-Length: 3\r\n\r\n$ab"
ASKED = b"OPTIONS rtsp://box RTSP/1.0\r\nCSeq: 77\r\n\r\n"


def packet(channel: int, body: bytes) -> bytes:
    return struct.pack(">cBH", b"$", channel, len(body)) + body


class Kept:
    """Every packet of some channels; looks at the buffer where the packets lie."""

    def __init__(self, peer, channels) -> None:
        self.got: list[tuple[int, bytes]] = []
        for channel in channels:
            peer.handlers[channel] = self._handler(peer.connection.buffer, channel)

    def _handler(self, buffer: bytearray, channel: int):
        def put(at: int, stop: int, end: int) -> int:
            assert at <= stop <= end <= len(buffer)
            self.got.append((channel, bytes(buffer[at:stop])))
            return stop

        return put


sizes = st.integers(0, 40) | st.integers(0, 65_535) | st.just(65_535)
items = st.lists(
    st.tuples(st.integers(0, 255), sizes) | st.sampled_from([ANSWER, ASKED, b"\r\n", b"\n"]), max_size=12
)


@given(items, st.integers(0, 255), st.lists(st.integers(0, 1 << 20), max_size=30))
def test_packets_and_answers_in_any_pieces(new_peer, sent, fill, cuts) -> None:
    with new_peer() as peer:
        kept = Kept(peer, range(128))  # nobody asked for the others
        answers = []
        packets = [(item[0], bytes([fill]) * item[1]) for item in sent if not isinstance(item, bytes)]
        left = iter(packets)
        data = b""
        for item in sent:
            data += item if isinstance(item, bytes) else packet(*next(left))
            if len(data) > 60_000:
                peer.feed(data, cuts)
                data = b""
            answers += peer.connection.answers
            peer.connection.answers.clear()
        peer.feed(data, cuts)
        answers += peer.connection.answers[:]
        assert kept.got == [(channel, body) for channel, body in packets if channel < 128]
        wanted = [(200, b"$ab") if item == ANSWER else (0, b"") for item in sent if item in (ANSWER, ASKED)]
        assert [(answer.status, answer.body) for answer in answers] == wanted[-8:] or len(wanted) > 8


@given(st.lists(st.integers(0, 1 << 20), max_size=30))
def test_a_stream_many_times_the_buffer(new_peer, cuts) -> None:
    sizes = [65_535, 1, 0, 1400, HALF_BYTES // 2, 65_535, 65_535, 3] * 2
    data = b"".join(packet(n % 4, bytes([n]) * size) for n, size in enumerate(sizes))
    assert len(data) > 3 * BUFFER_BYTES
    with new_peer() as peer:
        kept = Kept(peer, range(4))
        peer.feed(data, cuts)
        assert kept.got == [(n % 4, bytes([n]) * size) for n, size in enumerate(sizes)]


def rubbish_free_of_beginnings(data: bytes) -> bytes:
    """Neither what looks like a packet, nor like a message."""
    return re.sub(rb"[$A-Z]", b"\xff", data)


@given(
    st.lists(st.binary(max_size=100).map(rubbish_free_of_beginnings), min_size=1, max_size=6),
    st.lists(st.integers(0, 1 << 20), max_size=30),
)
def test_rubbish_between_packets_is_passed_over(new_peer, rubbish, cuts) -> None:
    bodies = [struct.pack(">BBHII", 0x80, 96, n, n, n) + bytes(20 + n) for n in range(len(rubbish))]
    data = b"".join(junk + packet(2, body) for junk, body in zip(rubbish, bodies, strict=True))
    data += rubbish[0] + ANSWER + packet(2, bodies[0])
    with new_peer() as peer:
        kept = Kept(peer, [2])
        peer.feed(data, cuts)
        assert [body for _, body in kept.got] == [*bodies, bodies[0]]
        assert [answer.status for answer in peer.connection.answers] == [200]


@pytest.mark.parametrize(
    "junk",
    [b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 9, b"Zz" * 50, b"$\x40\0\x05", b"$\x02\x13\x88\x07", b"\0" * 300_000,
     b"RTSQ/1.0 200 OK and more of it", b"R" * 60],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 7, 50_000])
def test_rubbish_that_looks_like_a_beginning(new_peer, junk: bytes, step: int) -> None:
    """It may cost packets, but not the connection."""
    body = struct.pack(">BBHII", 0x80, 96, 1, 1, 1) + bytes(300)
    data = b"\xff" + junk + packet(2, body) * 40
    with new_peer() as peer:
        kept = Kept(peer, [2])
        peer.feed(data, range(0, min(len(data), 20_000), step))
        assert kept.got.count((2, body)) >= 20


def test_empty_packets(new_peer) -> None:
    with new_peer() as peer:
        kept = Kept(peer, [0])
        peer.feed(packet(0, b"") * 1000, range(0, 4000, 3))
        assert kept.got == [(0, b"")] * 1000


def test_a_message_as_large_as_it_may_be(new_peer) -> None:
    head = b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\nX: " % MOST_BODY_BYTES
    head += b"x" * (MOST_HEAD_BYTES - len(head))
    with new_peer() as peer:
        peer.feed(packet(9, bytes(65_000)) + head + b"\r\n\r\n" + bytes(MOST_BODY_BYTES) + ANSWER)
        assert [len(answer.body) for answer in peer.connection.answers] == [MOST_BODY_BYTES, 3]


def test_a_message_that_never_ends(new_peer) -> None:
    with new_peer() as peer, pytest.raises(BadAnswer):
        peer.feed(b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 20_000)


def test_many_answers_that_nobody_reads_take_no_memory(new_peer) -> None:
    with new_peer() as peer:
        peer.feed(ASKED * 5000)
        assert len(peer.connection.answers) < 10


def test_the_end_is_told(new_peer) -> None:
    with new_peer() as peer:
        peer.plug.sendall(packet(0, b"ab")[:5])
        peer.plug.shutdown(socket.SHUT_WR)
        peer.connection.read(1)
        with pytest.raises(EOFError):
            peer.connection.read(1)


def test_silence_is_told(new_peer) -> None:
    with new_peer() as peer, pytest.raises(TimeoutError):
        peer.connection.read(0.01)


def test_requests_are_counted_and_answers_found(new_peer) -> None:
    with new_peer() as peer:
        connection = peer.connection
        assert connection.send("OPTIONS", "rtsp://c", {}, 1) == 1
        assert connection.send("DESCRIBE", "rtsp://c", {"Accept": "x"}, 1) == 2
        sent = peer.plug.recv(1000)
        assert sent.count(b"RTSP/1.0\r\n") == 2
        assert b"CSeq: 2\r\n" in sent
        kept = Kept(peer, [0])
        late = b"RTSP/1.0 404 Late\r\nCSeq: 1\r\n\r\n"
        peer.plug.sendall(late + packet(0, b"early") + ASKED + b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n")
        assert connection.answer(2, 1, peer.handlers).status == 200
        assert kept.got == [(0, b"early")]


@pytest.mark.parametrize(
    "said", ["", "CSeq: \r\n", "CSeq: \N{SUPERSCRIPT TWO}\r\n", "CSeq: " + "9" * 5000 + "\r\n"]
)
def test_an_answer_that_does_not_count(new_peer, said: str) -> None:
    with new_peer() as peer:
        peer.plug.sendall(f"RTSP/1.0 200 OK\r\n{said}\r\n".encode())
        assert peer.connection.answer(3, 1, {}).status == 200


def test_an_answer_that_does_not_come(new_peer) -> None:
    with new_peer() as peer:
        peer.plug.sendall(ASKED + packet(0, b"x"))
        with pytest.raises(TimeoutError):
            peer.connection.answer(1, 0.02, {})


def test_packets_without_end_in_front_of_an_answer(new_peer, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_BEFORE_BYTES", 300_000)
    with new_peer() as peer:
        flood = threading.Thread(target=_flood, args=(peer.plug,))
        flood.start()
        with pytest.raises(BadAnswer):
            peer.connection.answer(1, 30, {})
        peer.connection.close()
        flood.join()


def _flood(plug: socket.socket) -> None:
    try:
        while True:
            plug.sendall(packet(0, bytes(60_000)))
    except OSError:
        pass


def test_what_a_camera_asks_is_agreed_to(new_peer) -> None:
    with new_peer() as peer:
        peer.feed(ASKED)
        peer.connection.reply(peer.connection.answers.pop())
        assert peer.plug.recv(100) == b"RTSP/1.0 200 OK\r\nCSeq: 77\r\n\r\n"


def test_a_host_of_several_addresses(monkeypatch) -> None:
    """The first of which take nobody: a queue that is full. All of them share the time."""
    with socket.socket() as full, socket.create_server(("127.0.0.1", 0)) as open_one:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for plug in waiting:
            plug.setblocking(False)
            plug.connect_ex(full.getsockname())
        kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        deaf, hears = (*kind, full.getsockname()), (*kind, open_one.getsockname())
        for found, is_reached in (([deaf, deaf, hears], True), ([deaf] * 5, False), ([], False)):
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, found=found, **__: found)
            began = time.monotonic()
            try:
                Connection.open("camera", 554, 0.3, None).close()
                assert is_reached
            except OSError:
                assert not is_reached
            assert time.monotonic() - began < 1
        for plug in waiting:
            plug.close()


def test_a_connection_that_is_refused_leaves_no_socket() -> None:
    def refuse(certificate: bytes) -> None:
        raise AssertionError

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(OSError):  # unclosed sockets are warnings, and warnings are errors here
            Connection.open("127.0.0.1", listener.getsockname()[1], 2, refuse)
        thread.join()
