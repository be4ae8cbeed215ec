"""A link between box and hub that can be cut, and that counts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest


class Proxy:
    """TCP, to a hub. ``cuts``: after how many bytes from the box the next connections die, both ends at
    once; then they live. ``sent_bytes``: what the box got rid of, in all."""

    def __init__(self, port: int, cuts: list[int]) -> None:
        self.port, self.cuts = port, cuts
        self.done = 0
        self.sent_bytes = 0
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        down = asyncio.create_task(self.pump(there, writer))
        try:
            while data := await reader.read(1_000):
                left = self.cuts[0] if self.cuts else len(data) + 1
                self.sent_bytes += len(data)
                back.write(data[:left])
                if self.cuts:
                    self.cuts[0] -= len(data)
                if self.cuts and self.cuts[0] <= 0:
                    self.cuts.pop(0)
                    self.done += 1
                    return await back.drain()
        except OSError:
            pass
        finally:
            down.cancel()
            writer.transport.abort()
            back.transport.abort()
            self._tasks.discard(task)

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
            writer.close()
        except OSError:
            pass


@asynccontextmanager
async def through(url: str, cuts: list[int]) -> AsyncIterator[Proxy]:
    proxy = Proxy(int(url.rsplit(":", 1)[1]), cuts)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield proxy
    server.close()
    for task in list(proxy._tasks):
        task.cancel()
    await asyncio.gather(*proxy._tasks, return_exceptions=True)


@pytest.fixture(scope="session")
def proxied():
    return through
