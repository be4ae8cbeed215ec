"""A link that can be cut at any byte, between a target and its real peer; and programs of others."""

import asyncio
import contextlib
import socket
import subprocess
import time
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Link:
    """Forwards TCP to 127.0.0.1:``far_port``. ``cut_after(n)``: once n more bytes went up, all breaks off
    and nobody answers until ``mend``."""

    def __init__(self, far_port: int) -> None:
        self.far_port = far_port
        self.port = 0
        self.up_bytes = 0
        self.up_bytes_s = 0  # 0: as fast as it goes
        self._left: int | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._ever: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task] = set()

    async def mend(self) -> None:
        self._left = None
        if self._server is None:
            self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def cut_after(self, up_bytes: int) -> None:
        self._left = up_bytes

    @property
    def is_cut(self) -> bool:
        return self._server is None

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def close(self) -> None:
        await self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._ever:
            writer.transport.abort()  # one that still has something to say to nobody would outlive the loop
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.far_port)
        except OSError:
            self._ever.append(writer)
            writer.transport.abort()
            return
        self._ever += [writer, far_writer]
        self._writers |= {writer, far_writer}
        tasks = [
            asyncio.create_task(self._pump(reader, far_writer, up=True)),
            asyncio.create_task(self._pump(far_reader, writer, up=False)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in (writer, far_writer):
            self._writers.discard(each)
            with contextlib.suppress(RuntimeError):
                each.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2_000 if up and self.up_bytes_s else 65_536):
                if up:
                    if self._left is not None and len(data) >= self._left:
                        writer.write(data[: self._left])
                        await writer.drain()
                        await self.cut()
                        return
                    self.up_bytes += len(data)
                    self._left = None if self._left is None else self._left - len(data)
                    if self.up_bytes_s:
                        await asyncio.sleep(len(data) / self.up_bytes_s)
                writer.write(data)
                await writer.drain()


class Program:
    """Somebody else's server on a port of its own, started and killed."""

    def __init__(self, command: list[str], port: int, folder: Path) -> None:
        self.command, self.port, self.folder = command, port, folder
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        await asyncio.to_thread(self.start_now)

    def start_now(self) -> None:
        with (self.folder / "program.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder)
        for _ in range(1_000):
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "program.log").read_text()[-2_000:])
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise RuntimeError("it does not listen")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
