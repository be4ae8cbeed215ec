"""A camera's packets as the daemon writes them: a header each, then the body (``messages.HEADER``)."""

import socket
from collections.abc import Iterator

from appliance.vision.messages import HEADER

LARGEST_PACKET_BYTES = 64 * 1024 * 1024  # a longer one is not the daemon's: the stream is out of step


def packets(connection: socket.socket, buffer_bytes: int) -> Iterator[tuple[int, int, bytes, int]]:
    """(kind, flags, body, time_ns) until the other end closes, also in the middle of one."""
    with connection.makefile("rb", buffering=buffer_bytes) as stream:
        while len(head := stream.read(HEADER.size)) == HEADER.size:
            kind, flags, _, size, time_ns = HEADER.unpack(head)
            body = stream.read(size) if 0 < size <= LARGEST_PACKET_BYTES else b""
            if len(body) < size:
                return
            yield kind, flags, body, time_ns
