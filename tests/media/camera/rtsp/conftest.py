"""The camera's end of a connection, and bytes that come in any pieces."""

import itertools
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from appliance.media.camera.rtsp.connection import Connection, Handlers
from appliance.simulator.rtp import Packetiser, interleave


class Peer:
    """``connection`` is the box's end of a real socket; ``plug`` the camera's."""

    def __init__(self) -> None:
        self.plug, mine = socket.socketpair()
        self.connection = Connection(mine)
        self.handlers: Handlers = {}

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.plug.close()

    def feed(self, data: bytes, cuts: Iterable[int] = ()) -> None:
        """``data`` arrives in pieces, cut at ``cuts``, and at 50 kB at the latest."""
        edges = sorted({0, len(data), *range(0, len(data), 50_000), *(cut % (len(data) + 1) for cut in cuts)})
        for begin, end in itertools.pairwise(edges):
            self.plug.sendall(data[begin:end])
            left = end - begin
            while left:
                left -= self.connection.read(1)
                self.connection.parse(self.handlers)


@pytest.fixture(scope="session")
def new_peer() -> type[Peer]:
    return Peer


@pytest.fixture(scope="session")
def bunny() -> bytes:
    """What a server sent: H.264 on channel 2 (type 97), AAC on channel 0 (type 96), and reports."""
    root = Path(__file__).parents[4]
    folders = os.environ.get("APPLIANCE_ASSETS_PATH", str(root.parent / "shared" / "data")).split(":")
    for folder in folders:
        path = Path(folder) / "rtsp" / "bunny.rtsp"
        if path.is_file():
            return path.read_bytes()
    pytest.skip("the recorded stream is not here; set APPLIANCE_ASSETS_PATH")


SDP = """v=0
a=control:*
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==
a=framerate:12.0
a=control:video
m=audio 0 RTP/AVP 8
a=control:sound
"""
# A request's method, its number, its whole text -> what to send, or None for what is usual.
Script = Callable[[str, str, str], "bytes | None"]


class Server:
    """A camera of our own: one connection after the other, and everything it was told."""

    def __init__(self, script: Script, sdp: str, stream: bytes) -> None:
        self._script, self._sdp, self._stream = script, sdp, stream
        self.requests: list[str] = []
        self.connections = 0
        self._plug: socket.socket | None = None
        self._hung_up = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def methods(self) -> list[str]:
        return [text.split()[0] for text in self.requests]

    def header(self, name: str, number: int) -> str | None:
        match = re.search(rf"^{name}: (.*?)\r?$", self.requests[number], re.MULTILINE)
        return match[1] if match else None

    def close(self) -> None:
        for plug in (self._plug, self._listener):
            try:
                if plug is not None:
                    plug.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._listener.close()
        self._thread.join(5)
        assert not self._thread.is_alive()

    def wait(self) -> None:
        """Until the box has hung up."""
        assert self._hung_up.wait(5)

    def _serve(self) -> None:
        while True:
            try:
                self._plug, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with self._plug:
                try:
                    self._talk(self._plug)
                except OSError:
                    pass
            self._hung_up.set()

    def _talk(self, plug: socket.socket) -> None:
        data = b""
        while more := plug.recv(65_536):
            data += more
            while b"\r\n\r\n" in data:
                text, _, data = data.partition(b"\r\n\r\n")
                self.requests.append(text.decode())
                method = text.decode().split()[0]
                count = self.header("CSeq", -1) or ""
                said = self._script(method, count, text.decode())
                plug.sendall(self._usual(method, count) if said is None else said)

    def _usual(self, method: str, count: str) -> bytes:
        more, body = {
            "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER", ""),
            "DESCRIBE": ("Content-Type: application/sdp", self._sdp),
            "SETUP": ("Session: 1a2b;timeout=20", ""),
        }.get(method, ("X: y", ""))
        if method.startswith("RTSP/"):  # it answers us
            return b""
        return answer(200, count, more, body) + (self._stream if method == "PLAY" else b"")


def answer(status: int, count: str, more: str = "X: y", body: str = "") -> bytes:
    text = f"RTSP/1.0 {status} Text\r\nCSeq: {count}\r\n{more}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    return text.encode()


@pytest.fixture(scope="session")
def answered() -> Callable[..., bytes]:
    """(status, CSeq, more header lines, body) -> an answer."""
    return answer


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start cameras; each is one ``Server``."""
    servers: list[Server] = []

    def start(script: Script = lambda *_: None, sdp: str = SDP, stream: bytes = b"") -> Server:
        servers.append(Server(script, sdp.replace("\n", "\r\n"), stream))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def pictures() -> Callable[..., bytes]:
    """(how many, channel) -> interleaved packets of as many small pictures, each with a report and
    sound on the channels behind it; a key frame first."""

    def make(count: int, channel: int = 0, sound: int = 2) -> bytes:
        packetiser, audio = Packetiser(96, 90_000, 1, 0, 0), Packetiser(8, 8000, 2, 0, 0)
        out = []
        for number in range(count):
            unit = (b"\x65" if number == 0 else b"\x41") + struct.pack(">BH", 0x88, number | 0x8080)
            report = packetiser.sender_report(
                number * 1_000_000_000, (1_700_000_000 + number) * 1_000_000_000
            )
            out.append(interleave([report], channel + 1))
            out.append(interleave(packetiser.video("h264", [unit], number * 90_000), channel))
            out.append(interleave(audio.audio(b"sound", 0, aac=False), sound))
        return b"".join(out)

    return make
