"""RTSP 1.0 messages from the client's side (RFC 2326): requests to bytes, bytes to answers."""

import re
from typing import NamedTuple

MOST_HEAD_BYTES = 16_384
MOST_BODY_BYTES = 48_000
AGENT = "Aries Edge"
# ASCII alone, and short: int() refuses "²", and thousands of digits.
_NUMBER = re.compile(r"[0-9]{1,9}")
_STATUS = re.compile(r"[0-9]{3}")


class BadAnswer(Exception):
    """What the camera sent is not RTSP; the connection is of no more use."""


class Answer(NamedTuple):
    """``headers``: lower-case names, in order; a name may be there twice. A request that the camera
    makes itself has status 0."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def get(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)

    def every(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known == name]

    def number(self, name: str) -> int | None:
        """None where the header is missing, or no number of up to nine digits."""
        text = (self.get(name) or "").strip()
        return int(text) if _NUMBER.fullmatch(text) else None


def request(method: str, url: str, cseq: int, headers: dict[str, str]) -> bytes:
    """``url`` and values must hold no line breaks; raises ``ValueError`` where they do."""
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {cseq}", f"User-Agent: {AGENT}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a request")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


def find_message(data: bytes | bytearray, at: int, end: int) -> tuple[Answer, int] | None:
    """The message at ``at`` and where it ends; None: more bytes are needed.

    Cameras end lines with LF alone, and leave Content-Length out where there is no body.
    Raises ``BadAnswer``.
    """
    stop, skip = data.find(b"\r\n\r\n", at, end), 4
    bare = data.find(b"\n\n", at, stop if stop >= 0 else end)
    if bare >= 0:
        stop, skip = bare, 2
    if (stop if stop >= 0 else end) - at > MOST_HEAD_BYTES:
        raise BadAnswer
    if stop < 0:
        return None
    status, headers = _head(bytes(data[at:stop]))
    answer = Answer(status, headers)
    length = answer.number("content-length") if answer.get("content-length") else 0
    if length is None or length > MOST_BODY_BYTES:
        raise BadAnswer
    begin = stop + skip
    if begin + length > end:
        return None
    return answer._replace(body=bytes(data[begin : begin + length])), begin + length


def _head(data: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    first, *rest = data.decode("utf-8", "replace").splitlines() or [""]
    words = first.split(None, 2)
    if len(words) > 1 and words[0].startswith("RTSP/") and _STATUS.fullmatch(words[1]):
        status = int(words[1])
    elif len(words) == 3 and words[2].startswith("RTSP/"):
        status = 0
    else:
        raise BadAnswer
    headers = []
    for line in rest:
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip().lower(), value.strip()))
    return status, tuple(headers)
