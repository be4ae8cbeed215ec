"""The camera's end of a connection, and bytes that come in any pieces."""

import itertools
import os
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from appliance.media.rtsp.connection import Connection, Handlers


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
    root = Path(__file__).parents[3]
    folders = os.environ.get("APPLIANCE_ASSETS_PATH", str(root.parent / "shared" / "data")).split(":")
    for folder in folders:
        path = Path(folder) / "rtsp" / "bunny.rtsp"
        if path.is_file():
            return path.read_bytes()
    pytest.skip("the recorded stream is not here; set APPLIANCE_ASSETS_PATH")
