"""Clients of our own for the simulator: PyAV as the daemon is one, and a bare one that sees packets."""

import asyncio
import re
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest
from av.error import FFmpegError

from appliance.base.clock import BoxClock, ManualClock
from appliance.simulator.server import Server
from appliance.simulator.spec import parse_spec


class EagerClock(ManualClock):
    """Time passes as soon as somebody sleeps: pacing without waiting."""

    async def sleep(self, seconds: float) -> None:
        self.tick(seconds)
        await asyncio.sleep(0)


@dataclass
class Unit:
    data: bytes
    timestamp: int
    marker: bool


@dataclass
class Depacketiser:
    """RFC 6184, 7798: packets back to NAL units. Knows nothing of the packetiser's code."""

    codec: str
    units: list[Unit] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    _open: bytearray | None = None

    def put(self, packet: bytes) -> None:
        first, second, sequence, timestamp, _ = struct.unpack(">BBHII", packet[:12])
        assert first == 0x80
        self.sequences.append(sequence)
        body, marker = packet[12:], bool(second & 0x80)
        skip = 1 if self.codec == "h264" else 2
        kind = body[0] & 0x1F if self.codec == "h264" else body[0] >> 1 & 0x3F
        if kind != (28 if self.codec == "h264" else 49):
            self.units.append(Unit(body, timestamp, marker))
            return
        fu = body[skip]
        if fu & 0x80:
            header = (
                bytes((body[0] & 0xE0 | fu & 0x1F,))
                if self.codec == "h264"
                else bytes((body[0] & 0x81 | (fu & 0x3F) << 1, body[1]))
            )
            self._open = bytearray(header)
        if self._open is None:
            return  # its beginning was lost
        self._open += body[skip + 1 :]
        if fu & 0x40:
            self.units.append(Unit(bytes(self._open), timestamp, marker))
            self._open = None


class Bare:
    """An RTSP client that shows what is on the wire."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.url, self.reader, self.writer = url, reader, writer
        self.packets: list[tuple[int, bytes]] = []
        self._cseq = 0
        self._session = ""

    async def ask(self, method: str, url: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
        self._cseq += 1
        lines = [f"{method} {url or self.url} RTSP/1.0", f"CSeq: {self._cseq}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self._session:
            lines.append(f"Session: {self._session}")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        while (first := await self.reader.readexactly(1)) == b"$":
            await self._packet()
        head = (first + await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        if "session" in headers:
            self._session = headers["session"].partition(";")[0]
        return (
            int(status.split()[1]),
            headers,
            await self.reader.readexactly(int(headers.get("content-length", 0))),
        )

    async def play(self, tracks: Iterable[int] = (0,)) -> dict[str, str]:
        for track in tracks:
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}"
            status, _, _ = await self.ask("SETUP", f"{self.url}/trackID={track}", Transport=transport)
            assert status == 200
        status, headers, _ = await self.ask("PLAY")
        assert status == 200
        return headers

    async def read(self, count: int, channel: int = 0) -> list[bytes]:
        """Wait for ``count`` more packets on ``channel``."""
        found: list[bytes] = []
        while len(found) < count:
            assert await self.reader.readexactly(1) == b"$"
            got, data = await self._packet()
            if got == channel:
                found.append(data)
        return found

    async def _packet(self) -> tuple[int, bytes]:
        channel, size = struct.unpack(">BH", await self.reader.readexactly(3))
        data = await self.reader.readexactly(size)
        self.packets.append((channel, data))
        return channel, data


@pytest.fixture(scope="session")
def depacketiser() -> type[Depacketiser]:
    return Depacketiser


@pytest.fixture
def eager_clock() -> EagerClock:
    return EagerClock()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server(BoxClock())
    await made.listen("127.0.0.1", 0)
    yield made
    await made.close()


@pytest.fixture
def add(server: Server) -> Callable[[str], Awaitable[str]]:
    async def add_spec(text: str) -> str:
        return await server.add(parse_spec(text))

    return add_spec


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[str], Awaitable[Bare]]]:
    opened: list[Bare] = []

    async def open_one(url: str) -> Bare:
        match = re.fullmatch(r"rtsp://([^:]+):(\d+)/.*", url)
        assert match is not None
        bare = Bare(url, *await asyncio.open_connection(match[1], int(match[2])))
        opened.append(bare)
        return bare

    yield open_one
    for bare in opened:
        bare.writer.close()


def _with_credentials(url: str, credentials: str) -> str:
    return url.replace("rtsp://", f"rtsp://{credentials}@") if credentials else url


@pytest.fixture
def watch() -> Callable[..., Awaitable[list[Any]]]:
    """Play ``url`` with PyAV in a thread: up to ``count`` packets (or decoded frames). The list ends
    with an exception's name where the camera ended it."""

    def blocking(url: str, count: int, decode: bool, timeout_s: float) -> list[Any]:
        found: list[Any] = []
        options = {"rtsp_transport": "tcp", "probesize": "32", "analyzeduration": "0"}
        try:
            with av.open(url, options=options, timeout=timeout_s) as container:
                if decode:
                    container.streams.video[0].codec_context.thread_count = 1
                source = container.decode(video=0) if decode else container.demux(video=0)
                for thing in source:
                    if decode or thing.size:
                        found.append(thing)
                    if len(found) == count:
                        return found
            found.append("end")
        except FFmpegError as error:
            found.append(type(error).__name__)
        return found

    async def run(
        url: str, count: int, *, decode: bool = False, credentials: str = "", timeout_s: float = 4.0
    ) -> list[Any]:
        return await asyncio.to_thread(
            blocking, _with_credentials(url, credentials), count, decode, timeout_s
        )

    return run


@pytest.fixture
def ffprobe() -> Callable[..., Awaitable[tuple[int, str]]]:
    async def run(url: str, credentials: str = "") -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            "ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries",
            "stream=codec_name,width,height", "-of", "csv=p=0", _with_credentials(url, credentials),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, errors = await process.communicate()
        return process.returncode or 0, (out + errors).decode()

    return run


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two seconds each: H.264 with B-frames and AAC, H.265 with B-frames."""
    folder = tmp_path_factory.mktemp("films")
    made = {}
    for name, codec in (
        ("h264", ["-c:v", "libx264", "-bf", "2", "-g", "15", "-c:a", "aac", "-shortest"]),
        ("h265", ["-c:v", "libx265", "-x265-params", "log-level=none:info=0:bframes=2:keyint=15", "-an"]),
    ):
        made[name] = folder / f"{name}.mp4"
        subprocess.run(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15:duration=2",
             "-f", "lavfi", "-i", "sine=frequency=440:duration=2:sample_rate=16000", "-pix_fmt", "yuv420p",
             *codec, str(made[name])],
            check=True,
        )  # fmt: skip
    return made
