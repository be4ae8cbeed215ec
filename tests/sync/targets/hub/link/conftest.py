"""Links between box and hub: one that can be cut and counts, and one of 64 kbit/s through a real queue."""

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

RATE_KBIT = 64
CLONE_NEWNET = 0x40000000


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


def sh(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check, capture_output=True)


def listen_inside(space: str, address: str) -> socket.socket:
    """A socket belongs to the namespace of the thread that made it; only that thread goes there."""
    made: list[socket.socket] = []

    def work() -> None:
        with Path(f"/var/run/netns/{space}").open("rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
                return
        listening = socket.socket()
        listening.bind((address, 0))
        listening.listen(16)
        made.append(listening)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


@pytest.fixture(params=["latency 400ms", "limit 64kb"], ids=["shallow", "deep"])
def far(request) -> Iterator[socket.socket]:
    """A listening socket at the other end of a thin link."""
    pid = os.getpid()
    space, near, number = f"thin{pid}", f"thin{pid % 100_000}", pid % 250
    with contextlib.ExitStack() as stack:
        try:
            sh("ip", "netns", "add", space)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no network namespace can be made here (ip netns, root)")
        stack.callback(sh, "ip", "netns", "del", space, check=False)
        sh("ip", "link", "add", near, "type", "veth", "peer", "name", "far0", "netns", space)
        stack.callback(sh, "ip", "link", "del", near, check=False)
        sh("ip", "addr", "add", f"10.65.{number}.1/30", "dev", near)
        sh("ip", "link", "set", near, "up")
        sh("ip", "-n", space, "addr", "add", f"10.65.{number}.2/30", "dev", "far0")
        sh("ip", "-n", space, "link", "set", "far0", "up")
        narrow = f"root tbf rate {RATE_KBIT}kbit burst 4kb {request.param}".split()
        sh("tc", "qdisc", "add", "dev", near, *narrow)
        sh("ip", "netns", "exec", space, "tc", "qdisc", "add", "dev", "far0", *narrow)
        with listen_inside(space, f"10.65.{number}.2") as listening:
            yield listening
