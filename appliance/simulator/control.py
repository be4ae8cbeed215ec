"""Orders at run time: JSON lines in, one JSON line back for each.

    {"camera": "gate", "do": "stall"}            any word of ``steps``, with "value" where it takes one
    {"do": "add", "spec": "yard?fps=10"}          another camera; the answer has its "url"
    {"camera": "gate", "do": "remove"}
    {"camera": "gate", "do": "status"}            players, pictures sent, number of the next picture
    {"do": "list"}                                all URLs

An "id" in the order comes back in its answer: ``{"id": 7, "ok": true, …}`` or ``{"id": 7, "ok": false,
"error": {"kind", "message", "hint"}}``.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.simulator.server import Server
from appliance.simulator.spec import parse_spec
from appliance.simulator.steps import make_step

MOST_LINE_BYTES = 65_536


class _Numbered(msgspec.Struct, frozen=True):
    """What is read of an order that makes no sense otherwise, so that its answer finds home."""

    id: int | str | None = None


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    do: str
    camera: str = ""
    value: str | int | float | None = None
    spec: str = ""
    id: int | str | None = None


async def obey(server: Server, line: bytes) -> bytes:
    """Carry out one line; the line to answer with. Never raises for bad input."""
    known = _id(line)
    try:
        order = _parse(line)
        answer = {"ok": True} | await _carry_out(server, order)
    except ApplianceError as error:
        details = {"kind": error.kind, "message": error.message, "hint": error.hint}
        answer = {"ok": False, "error": details}
    return msgspec.json.encode(known | answer) + b"\n"


async def serve_lines(server: Server, path: str) -> asyncio.Server:
    """Take orders on a unix socket of this user's as well."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(await obey(server, line))
                await writer.drain()
        except (ConnectionError, ValueError):  # ValueError: a line without end
            pass
        finally:
            writer.close()

    return await asyncio.start_unix_server(talk, path, limit=MOST_LINE_BYTES)


class LineReader:
    """Collects what a pipe brings into lines, for ``on_line``; a line without end is dropped."""

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._waiting = b""

    def feed(self, data: bytes) -> None:
        *lines, self._waiting = (self._waiting + data).split(b"\n")
        for line in lines:
            if line.strip():
                self._on_line(line)
        if len(self._waiting) > MOST_LINE_BYTES:
            self._waiting = b""


def _id(line: bytes) -> dict[str, Any]:
    try:
        number = msgspec.json.decode(line, type=_Numbered).id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return {} if number is None else {"id": number}


def _parse(line: bytes) -> Order:
    try:
        return msgspec.json.decode(line, type=Order)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid(f"not an order: {error}", 'write it as {"camera":"gate","do":"stall"}') from None


async def _carry_out(server: Server, order: Order) -> dict[str, Any]:
    match order.do:
        case "add":
            spec = parse_spec(order.spec)
            return {"camera": spec.name, "url": await server.add(spec)}
        case "remove":
            server.remove(order.camera)
            return {}
        case "status":
            return server.status(order.camera)
        case "list":
            return {"cameras": server.urls}
    value = None if order.value is None else str(order.value)
    await server.apply(order.camera, make_step(order.do, value))
    return {}
