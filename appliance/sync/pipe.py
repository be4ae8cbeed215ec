"""One connection carried by one WebSocket: bytes both ways, until either end is done.

Each has a WebSocket of its own, so that who reads slowly holds up nobody else, and memory is bounded by what
a socket holds.
"""

import asyncio
import contextlib

import aiohttp
from aiohttp import web

from appliance.sync.protocol.screen import PIECE_BYTES

Wire = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


async def carry(wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Returns when one side has ended; both are closed then. Raises nothing but cancellation."""
    ways = [
        asyncio.create_task(_to_wire(reader, wire), name="screen out"),
        asyncio.create_task(_from_wire(wire, writer), name="screen in"),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await end(writer)
        with contextlib.suppress(OSError, aiohttp.ClientError):
            await wire.close()


async def end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _to_wire(reader: asyncio.StreamReader, wire: Wire) -> None:
    while piece := await reader.read(PIECE_BYTES):
        await wire.send_bytes(piece)


async def _from_wire(wire: Wire, writer: asyncio.StreamWriter) -> None:
    async for message in wire:
        if message.type is not aiohttp.WSMsgType.BINARY:
            return
        writer.write(message.data)
        await writer.drain()
