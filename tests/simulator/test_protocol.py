import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.simulator.protocol import (
    MOST_BODY_BYTES,
    MOST_HEADER_BYTES,
    BadRequest,
    Interleaved,
    Parser,
    Request,
    response,
)

ASK = b"OPTIONS rtsp://box/gate RTSP/1.0\r\nCSeq: 3\r\nUser-Agent: test\r\n\r\n"
POST = b"GET_PARAMETER rtsp://box/gate RTSP/1.0\r\nCSeq: 4\r\nContent-Length: 5\r\n\r\nhello"
RTCP = b"$\x01\x00\x03abc"


def test_messages_of_both_kinds() -> None:
    assert list(Parser().feed(ASK + RTCP + POST)) == [
        Request("OPTIONS", "rtsp://box/gate", {"cseq": "3", "user-agent": "test"}),
        Interleaved(1, b"abc"),
        Request("GET_PARAMETER", "rtsp://box/gate", {"cseq": "4", "content-length": "5"}, b"hello"),
    ]


@given(cuts=st.lists(st.integers(0, len(ASK + RTCP + POST)), max_size=8))
def test_the_network_may_cut_anywhere(cuts: list[int]) -> None:
    data = ASK + RTCP + POST
    edges = [0, *sorted(cuts), len(data)]
    parser = Parser()
    pieces = [message for begin, end in itertools.pairwise(edges) for message in parser.feed(data[begin:end])]
    assert pieces == list(Parser().feed(data))


@given(
    st.lists(
        st.one_of(st.binary(max_size=300), st.sampled_from([ASK, RTCP, POST, b"\r\n", b"$"])), max_size=12
    )
)
def test_garbage_is_refused_or_waited_for_and_never_kept_for_ever(pieces: list[bytes]) -> None:
    parser = Parser()
    try:
        for piece in pieces:
            for message in parser.feed(piece):
                assert isinstance(message, Request | Interleaved)
    except BadRequest as error:
        assert error.status in (400, 505)
    assert len(parser._waiting) <= 65_539 + MOST_HEADER_BYTES + MOST_BODY_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"x" * (MOST_HEADER_BYTES + 1),
        b"GET / HTTP/1.1\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nno colon\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nContent-Length: -5\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n",
        b"OPTIONS * RTSP/2.0\r\n\r\n",
        b"\x00\x01\x02",
    ],
)
def test_what_cannot_become_a_request_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(BadRequest):
        list(Parser().feed(data))


@given(st.text(max_size=60))
def test_an_echo_cannot_forge_a_header(text: str) -> None:
    data = b"OPTIONS * RTSP/1.0\r\nCSeq: " + text.encode("utf-8", "replace") + b"\r\n\r\n"
    try:
        (request, *_) = list(Parser().feed(data)) or [None]
    except BadRequest:
        return
    if isinstance(request, Request):
        assert response(200, request.cseq).count(b"\r\n") == 3
