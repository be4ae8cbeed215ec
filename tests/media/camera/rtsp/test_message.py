"""Answers as cameras write them, and requests that hold one line each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.camera.rtsp.message import (
    MOST_BODY_BYTES,
    MOST_HEAD_BYTES,
    BadAnswer,
    find_message,
    request,
)


def test_a_request_names_the_url_and_counts() -> None:
    made = request("SETUP", "rtsp://c/x", 7, {"Session": "1a", "Transport": "RTP/AVP/TCP"})
    assert made == (
        b"SETUP rtsp://c/x RTSP/1.0\r\nCSeq: 7\r\nUser-Agent: Aries Edge\r\n"
        b"Session: 1a\r\nTransport: RTP/AVP/TCP\r\n\r\n"
    )


@pytest.mark.parametrize("evil", ["a\r\nX: y", "a\nb", "a\rb"])
def test_a_line_break_makes_no_second_header(evil: str) -> None:
    for call in (("PLAY", evil, 1, {}), ("PLAY", "rtsp://c", 1, {"Session": evil})):
        with pytest.raises(ValueError):
            request(*call)


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_an_answer_is_found_where_it_lies(line_end: str) -> None:
    text = "RTSP/1.0 200 OK|CSeq : 3|WWW-Authenticate: Digest a=1|www-authenticate:Basic |Content-length: 4||"
    data = b"junk" + text.replace("|", line_end).encode()
    found = find_message(data + b"bodyrest", 4, len(data) + 8)
    assert found is not None
    answer, stop = found
    assert (answer.status, answer.body, stop) == (200, b"body", len(data) + 4)
    assert answer.get("cseq") == "3"
    assert answer.every("www-authenticate") == ["Digest a=1", "Basic"]
    assert answer.get("nothing") is None
    for end in range(4, len(data) + 4):  # a part of it is not it
        assert find_message(data + b"body", 4, end) is None


def test_an_answer_without_length_or_reason() -> None:
    data = b"RTSP/1.0 454\r\nSession: 1\r\n\r\n$"
    found = find_message(data, 0, len(data))
    assert found is not None
    assert (found[0].status, found[0].body, found[1]) == (454, b"", len(data) - 1)


def test_what_a_camera_asks_has_status_0() -> None:
    data = b"GET_PARAMETER rtsp://box RTSP/1.0\r\nCSeq: 9\r\n\r\n"
    found = find_message(data, 0, len(data))
    assert found is not None
    assert (found[0].status, found[0].number("cseq")) == (0, 9)


@pytest.mark.parametrize(
    "text",
    [
        "RTSP/1.0 \N{SUPERSCRIPT TWO}00 OK",
        "RTSP/1.0 -200 OK",
        "RTSP/1.0 " + "2" * 5000,
        "RTSP/1.0",
        "RTSP/1.0 OK",
        "GET / HTTP/1.1",
        "HTTP/1.1 400 Bad Request",
        "SSH-2.0-OpenSSH_9.2",
        "RTSP/1.0 200 OK\r\nContent-Length: -1",
        "RTSP/1.0 200 OK\r\nContent-Length: 1e3",
        "RTSP/1.0 200 OK\r\nContent-Length: \N{ARABIC-INDIC DIGIT THREE}",
        "RTSP/1.0 200 OK\r\nContent-Length: \N{SUPERSCRIPT TWO}",
        "RTSP/1.0 200 OK\r\nContent-Length: " + "9" * 5000,
        f"RTSP/1.0 200 OK\r\nContent-Length: {MOST_BODY_BYTES + 1}",
        "RTSP/1.0 200 OK\r\nX: " + "x" * MOST_HEAD_BYTES,
    ],
)
def test_what_is_no_answer(text: str) -> None:
    data = text.encode() + b"\r\n\r\n"
    with pytest.raises(BadAnswer):
        find_message(data, 0, len(data))


def test_a_head_without_end_is_given_up() -> None:
    data = b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 4000
    assert find_message(data, 0, MOST_HEAD_BYTES) is None
    with pytest.raises(BadAnswer):
        find_message(data, 0, MOST_HEAD_BYTES + 1)


@pytest.mark.parametrize("text", ["", "x", "\N{SUPERSCRIPT TWO}", "-1", "1.0", "9" * 5000])
def test_a_number_that_is_none(text: str) -> None:
    data = f"RTSP/1.0 200 OK\r\nCSeq: {text}\r\n\r\n".encode()
    found = find_message(data, 0, len(data))
    assert found is not None
    assert found[0].number("cseq") is None


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"RTSP/1.0 200 OK\r\n", b"X y RTSP/1.0\r\nContent-Length:"]),
)
def test_random_bytes_are_an_answer_or_none(data: bytes, before: bytes) -> None:
    data = before + data
    try:
        found = find_message(data, 0, len(data))
    except BadAnswer:
        return
    assert found is None or 0 < found[1] <= len(data)
