"""RTSP 1.0 on the wire (RFC 2326): bytes to requests, answers to bytes. Pure: no sockets, no time."""

import re
from collections.abc import Iterator

import msgspec

MOST_HEADER_BYTES = 16_384
MOST_BODY_BYTES = 65_536
METHODS = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN")
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
}
_REQUEST = re.compile(rb"([A-Z_]{1,32}) ([\x21-\x7e]{1,2048}) RTSP/(\d)\.(\d)")


class Request(msgspec.Struct, frozen=True):
    """``headers`` has lower-case names."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def cseq(self) -> str:
        """Echoed as sent, cut to what a sane client would send."""
        return self.headers.get("cseq", "0")[:32]


class Interleaved(msgspec.Struct, frozen=True):
    """A packet the client sent inside the connection: its RTCP."""

    channel: int
    payload: bytes


class BadRequest(Exception):
    """The bytes are not RTSP, and nothing after them can be trusted: answer ``status`` and close."""

    def __init__(self, status: int = 400) -> None:
        super().__init__(REASONS[status])
        self.status = status


class Parser:
    """Feed it what arrives; it yields whole messages and keeps the rest (bounded)."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[Request | Interleaved]:
        """Raises ``BadRequest`` for what cannot become a message, however much followed."""
        self._waiting += data
        while self._waiting:
            message = self._interleaved() if self._waiting[0] == 0x24 else self._request()
            if message is None:
                return
            yield message

    def _interleaved(self) -> Interleaved | None:
        waiting = self._waiting
        if len(waiting) < 4:
            return None
        end = 4 + int.from_bytes(waiting[2:4], "big")
        if len(waiting) < end:
            return None
        message = Interleaved(waiting[1], bytes(waiting[4:end]))
        del waiting[:end]
        return message

    def _request(self) -> Request | None:
        waiting = self._waiting
        while waiting[:2] == b"\r\n":  # some clients send empty lines as keep-alive
            del waiting[:2]
        end = waiting.find(b"\r\n\r\n")
        if end < 0 or end > MOST_HEADER_BYTES:
            if len(waiting) > MOST_HEADER_BYTES or b"\0" in waiting:
                raise BadRequest
            return None
        method, url, headers = _head(bytes(waiting[:end]))
        length = headers.get("content-length", "0")
        if not re.fullmatch(r"\d{1,6}", length, re.ASCII) or int(length) > MOST_BODY_BYTES:
            raise BadRequest
        stop = end + 4 + int(length)
        if len(waiting) < stop:
            return None
        body = bytes(waiting[end + 4 : stop])
        del waiting[:stop]
        return Request(method, url, headers, body)


def _head(data: bytes) -> tuple[str, str, dict[str, str]]:
    first, *rest = data.split(b"\r\n")
    match = _REQUEST.fullmatch(first)
    if match is None:
        raise BadRequest
    if match[3] != b"1":
        raise BadRequest(505)
    headers = {}
    for line in rest:
        name, colon, value = line.partition(b":")
        if not colon or not name:
            raise BadRequest
        headers[name.decode("latin-1").strip().lower()] = _printable(value)
    return match[1].decode(), match[2].decode(), headers


def _printable(value: bytes) -> str:
    # A header's value may be echoed (CSeq): nothing in it may start a new line.
    return "".join(char for char in value.decode("latin-1").strip() if char.isprintable())


def response(status: int, cseq: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    lines = [f"RTSP/1.0 {status} {REASONS[status]}", f"CSeq: {cseq}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + body
