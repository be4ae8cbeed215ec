"""Bodies of boxes: bounded while they come, and while they are unpacked."""

import asyncio
import re
import zlib
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError, invalid
from appliance.web.errors import HttpError

T = TypeVar("T")

SILENCE_S = 60.0  # between two pieces of a body: a thin link is slow, not silent
PIECE_BYTES = 64 << 10
GZIP = zlib.MAX_WBITS | 16  # zlib's manual, inflateInit2


def too_long(most_bytes: int) -> HttpError:
    return HttpError(
        413, "invalid", f"the body is longer than {most_bytes} bytes", "send it in smaller parts"
    )


async def read(request: web.Request, most_bytes: int, *, gzip: bool = False) -> bytes:
    """The body, unpacked where ``gzip`` is allowed and said. Raises 413 as soon as it is longer than
    ``most_bytes``, packed or unpacked; nothing beyond that is unpacked. 415 for another encoding."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in (("identity", "gzip") if gzip else ("identity",)):
        raise HttpError(415, "invalid", f"bodies are not read as {coding[:20]!r}", "send gzip or nothing")
    if (request.content_length or 0) > most_bytes:
        raise too_long(most_bytes)
    unpacker = zlib.decompressobj(GZIP) if coding == "gzip" else None
    body, packed_bytes = bytearray(), 0
    try:
        while piece := await asyncio.wait_for(request.content.read(PIECE_BYTES), SILENCE_S):
            packed_bytes += len(piece)
            if unpacker is not None:
                piece = unpacker.decompress(piece, most_bytes + 1 - len(body))
            body += piece
            if max(packed_bytes, len(body)) > most_bytes:
                raise too_long(most_bytes)
    except (TimeoutError, ConnectionError):  # who has left reads no answer; it is no fault of ours to log
        raise HttpError(408, "invalid", "the body stopped coming", "send it again") from None
    except zlib.error:
        raise invalid("the body is not gzip", "send it again, packed anew or not at all") from None
    if unpacker is not None and not unpacker.eof:
        raise invalid("the packed body ends in the middle", "send all of it")
    return bytes(body)


async def read_json(request: web.Request, kind: type[T], most_bytes: int, *, gzip: bool = False) -> T:
    """Raises ``invalid`` for anything that is not ``kind``."""
    return decode(await read(request, most_bytes, gzip=gzip), kind)


def decode(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(reason(error), "see the protocol of box and hub") from None


def reason(error: Exception) -> str:
    """For a person: what is wrong with it, without the thing itself."""
    if isinstance(error, ApplianceError):
        return error.message
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    text = re.sub(
        r"matching regex .*?(?= - at|$)", "without characters that are not allowed here", str(error)
    )
    return text[:300]


def answer(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
