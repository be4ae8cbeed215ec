"""How much may be on its way: bodies go out in small pieces, and few of them lie in any buffer.

What the kernel, a modem or a tunnel has queued cannot be called back: on 64 kbit/s the 64 KiB that an
asyncio transport takes without a word are 8 s that no alert can overtake. So a piece is written only while
what is unacknowledged (SIOCOUTQ, tcp(7)) fits a window of ``QUEUE_S`` of the link's measured rate. That is
the aim of LEDBAT (RFC 6817: a bound on the queue's delay), kept above TCP, which does the rest.
"""

import array
import asyncio
import fcntl
import termios
from collections.abc import Awaitable, Callable

from aiohttp import Payload
from aiohttp.abc import AbstractStreamWriter

SMALLEST_PIECE_BYTES = 1_024
LARGEST_PIECE_BYTES = 16_384
SMALLEST_WINDOW_BYTES = 4_096
LARGEST_WINDOW_BYTES = 1 << 20
QUEUE_S = 0.5
FIRST_POLL_S = 0.001
LONGEST_POLL_S = 0.02
LOOK_S = 0.5  # so long at least is measured before it is believed
UNKNOWN_RATE = 8_000.0  # bytes/s, until something was measured
LARGEST_RATE = 1e9
UNKNOWN_ROUND_S = 0.2
FORGET = 1.05  # of the shortest round trip, at each new one

Ready = Callable[[int], Awaitable[None]]


class Flow:
    """What is known of the way up to one peer: bytes per second, and the shortest round trip."""

    def __init__(self) -> None:
        self.rate = UNKNOWN_RATE
        self.round_s = UNKNOWN_ROUND_S

    @property
    def window_bytes(self) -> int:
        """Of what may be unacknowledged: one round trip's worth, and ``QUEUE_S`` of queue."""
        wanted = self.rate * (self.round_s + QUEUE_S)
        return round(min(LARGEST_WINDOW_BYTES, max(SMALLEST_WINDOW_BYTES, wanted)))

    @property
    def piece_bytes(self) -> int:
        """Four fit the window, so that the link does not stand still between them."""
        return min(LARGEST_PIECE_BYTES, max(SMALLEST_PIECE_BYTES, self.window_bytes // 4))

    def ran_dry(self) -> None:
        """All was acknowledged while we slept: it was the window that held the rate down."""
        self.rate = min(LARGEST_RATE, 2 * self.rate)

    def learn(self, acknowledged_bytes: int, took_s: float) -> None:
        """So much was acknowledged in so much time, and there was always more to send."""
        self.rate = (self.rate + acknowledged_bytes / max(0.001, took_s)) / 2

    def learn_round(self, took_s: float) -> None:
        """A small request took so long; the shortest is believed, and slowly forgotten."""
        self.round_s = min(max(0.001, took_s), self.round_s * FORGET)


class Pieces(Payload):
    """A body that is in memory and goes out as the link takes it. ``ready`` is asked before each piece;
    ``moved(False)`` is called before that and ``moved(True)`` as a piece has gone: what passes between
    is not the link's time."""

    def __init__(
        self,
        data: bytes,
        flow: Flow,
        ready: Ready | None = None,
        moved: Callable[[bool], None] = lambda _: None,
    ) -> None:
        super().__init__(data, content_type="application/octet-stream")
        self._size = len(data)
        self._data = data
        self._flow = flow
        self._ready = ready
        self._moved = moved

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._data.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        view, at = memoryview(self._data), 0
        look = _Look(self._flow, writer)
        while at < len(view):
            piece = view[at : at + self._flow.piece_bytes]
            if self._ready is not None:
                self._moved(False)
                began_s = look.now_s()
                await self._ready(len(piece))
                if look.now_s() - began_s > FIRST_POLL_S:
                    look.anew()
                self._moved(True)
            await look.room_for(len(piece))
            await writer.write(piece)
            await writer.drain()
            look.written += len(piece)
            self._moved(True)
            at += len(piece)


class _Look:
    """Watches one body go: how much of it is acknowledged, since when."""

    def __init__(self, flow: Flow, writer: AbstractStreamWriter) -> None:
        self._flow = flow
        self._transport = getattr(writer, "transport", None)
        self.written = 0
        self.now_s = asyncio.get_running_loop().time
        self.anew()

    def anew(self) -> None:
        self._since_s, self._since_bytes = self.now_s(), self.written - self._queued()

    def _queued(self) -> int:
        if self._transport is None:
            return 0
        return unacknowledged_bytes(self._transport) + int(self._transport.get_write_buffer_size())

    async def room_for(self, length: int) -> None:
        pause_s = FIRST_POLL_S
        while (queued := self._queued()) and queued + length > self._flow.window_bytes:
            if self._transport is None or self._transport.is_closing():
                return  # the write that follows says so
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_POLL_S, 2 * pause_s)
            if self._queued() == 0:
                self._flow.ran_dry()
                self.anew()
            elif (took_s := self.now_s() - self._since_s) >= LOOK_S:
                self._flow.learn(self.written - self._queued() - self._since_bytes, took_s)
                self.anew()


def unacknowledged_bytes(transport: asyncio.WriteTransport) -> int:
    """Of what the kernel was given; 0 where it does not say."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return 0
    found = array.array("i", [0])
    try:
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, found)  # the same number as SIOCOUTQ
    except OSError:
        return 0
    return found[0]
