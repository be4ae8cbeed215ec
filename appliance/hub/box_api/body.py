"""Bodies of boxes: bounded while they come, and while they are unpacked."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError, invalid
from appliance.base.http_errors import HttpError
from appliance.hub.box_api.holding import HELD

T = TypeVar("T")

SMALL_BYTES = 64_000  # a body that may not be longer has one window to come in
WINDOW_S = 60.0
SLOWEST_BYTES_PER_S = 1_000  # over each window: a thin link is slow, who holds a socket for ever is slower
PIECE_BYTES = 64 << 10
GZIP = zlib.MAX_WBITS | 16  # zlib's manual, inflateInit2


def too_long(most_bytes: int) -> HttpError:
    return HttpError(
        413, "invalid", f"the body is longer than {most_bytes} bytes", "send it in smaller parts"
    )


async def read(request: web.Request, most_bytes: int, *, gzip: bool = False) -> bytes:
    """The body, unpacked where ``gzip`` is allowed and said. Raises 413 as soon as it is longer than
    ``most_bytes``, packed or unpacked; nothing beyond that is unpacked. 415 for another encoding, 408 where
    it comes too slowly, 429 or 503 where more is held already than may be (``holding``)."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in (("identity", "gzip") if gzip else ("identity",)):
        raise HttpError(415, "invalid", f"bodies are not read as {coding[:20]!r}", "send gzip or nothing")
    if (request.content_length or 0) > most_bytes:
        raise too_long(most_bytes)
    held = request.get(HELD)
    if held is not None:
        held.announce(request.content_length or 0)
    unpacker = zlib.decompressobj(GZIP) if coding == "gzip" else None
    body, packed_bytes = bytearray(), 0
    try:
        async for piece in _pieces(request, small=most_bytes <= SMALL_BYTES):
            packed_bytes += len(piece)
            for part in (piece,) if unpacker is None else _unpacked(unpacker, piece):
                body += part
                if held is not None:
                    held.add(len(part))
                if max(packed_bytes, len(body)) > most_bytes:
                    raise too_long(most_bytes)
    except ConnectionError:  # who has left reads no answer; it is no fault of ours to log
        raise HttpError(408, "invalid", "the body stopped coming", "send it again") from None
    except zlib.error:
        raise invalid("the body is not gzip", "send it again, packed anew or not at all") from None
    if unpacker is not None and not unpacker.eof:
        raise invalid("the packed body ends in the middle", "send all of it")
    return bytes(body)


async def _pieces(request: web.Request, *, small: bool) -> AsyncIterator[bytes]:
    """As they come, while they come fast enough."""
    now = asyncio.get_running_loop().time  # of the network: no box clock, which may be simulated
    ends, came_bytes = now() + WINDOW_S, 0
    while True:
        try:
            async with asyncio.timeout_at(ends):
                piece = await request.content.read(PIECE_BYTES)
        except TimeoutError:
            if small or came_bytes < SLOWEST_BYTES_PER_S * WINDOW_S:
                hint = "send it again, in smaller parts where that can be"
                raise HttpError(408, "invalid", "the body comes too slowly", hint) from None
            ends, came_bytes = now() + WINDOW_S, 0
            continue
        if not piece:
            return
        came_bytes += len(piece)
        yield piece


def _unpacked(unpacker: "zlib._Decompress", piece: bytes) -> Iterator[bytes]:
    """In pieces as well: what is unpacked at once would be here twice."""
    while True:
        part = unpacker.decompress(piece, PIECE_BYTES)
        yield part
        piece = unpacker.unconsumed_tail
        if len(part) < PIECE_BYTES:  # else there may be more inside, without any input
            return


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
