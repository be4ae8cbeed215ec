"""Whether Pulsar lets us in at all: its own client takes a refusal for silence and asks again until its
time is up. So, when that has happened, we knock ourselves: one CONNECT and what is said to it (Pulsar's
binary protocol, "Connection establishment"; frames and Protocol Buffers are as much of it as that needs).
"""

import asyncio
import ssl
from collections.abc import Iterator

from appliance.base.errors import ApplianceError
from appliance.sync.targets.checks import Place

CONNECT, ERROR = 2, 14  # BaseCommand.type, and the number of its field
AUTHENTICATION_ERROR, AUTHORIZATION_ERROR = 3, 4  # ServerError
PROTOCOL_VERSION = 12
LONGEST_BYTES = 100_000


async def knock(where: Place, tls: ssl.SSLContext, token: str | None, timeout_s: float) -> None:
    """Raises ``denied`` where the broker says so; whatever else happens, nothing."""
    try:
        async with asyncio.timeout(timeout_s):
            host, port = where.hosts[0]
            reader, writer = await asyncio.open_connection(host, port, ssl=tls if where.is_safe else None)
            try:
                writer.write(_connect(token))
                length = int.from_bytes(await reader.readexactly(4))
                frame = await reader.readexactly(min(length, LONGEST_BYTES))
            finally:
                writer.transport.abort()
        refusal = _refusal(frame)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, IndexError):
        return
    if refusal in (AUTHENTICATION_ERROR, AUTHORIZATION_ERROR):
        raise ApplianceError("denied", "Pulsar does not let us in", "check the token")


def _connect(token: str | None) -> bytes:
    said = _text(1, b"aries-edge") + _number(4, PROTOCOL_VERSION)
    if token:
        said += _text(3, token.encode()) + _text(5, b"token")
    command = _number(1, CONNECT) + _text(CONNECT, said)
    return (len(command) + 4).to_bytes(4) + len(command).to_bytes(4) + command


def _refusal(frame: bytes) -> int | None:
    """The ``ServerError`` of an ERROR; None: it said something else."""
    command = dict(_fields(frame[4 : 4 + int.from_bytes(frame[:4])]))
    error = command.get(ERROR)
    if command.get(1) != ERROR or not isinstance(error, bytes):
        return None
    code = dict(_fields(error)).get(2)
    return code if isinstance(code, int) else None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value): varints and what has a length in front. Raises ``ValueError``, ``IndexError``."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 0:
            yield tag >> 3, value
        elif tag & 7 == 2:
            yield tag >> 3, data[at : at + value]
            at += value
        else:
            raise ValueError("no field of a command has this type")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("no number is this long")


def _number(field: int, value: int) -> bytes:
    return bytes([field << 3]) + _encoded(value)


def _text(field: int, value: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _encoded(len(value)) + value


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
