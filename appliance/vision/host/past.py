"""The daemon's side of a look back: packets from the ring to the worker, only as fast as it judges them."""

import asyncio
import socket
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.vision.host.session import Session
from appliance.vision.messages import (
    CODECS,
    CONFIG,
    ENDED,
    HEADER,
    KEY,
    PACKET,
    OpenPast,
    PastDone,
    PastPoints,
)
from appliance.vision.state import VisionFigures

JOINED_NS = 1 * SECOND_NS  # packets of the next file that come so soon go on where the last one ended
STUCK_S = 120.0  # nothing is heard, though nothing holds it up
BUSY_SHARE = 0.1  # of the wanted frames that were not judged: the live cameras need all there is
QUIET_NS = 2 * SECOND_NS
PAUSE_S = 0.25


class Footage(Protocol):
    """``media.play.packets.Packets``."""

    @property
    def codec(self) -> str: ...
    @property
    def codec_config(self) -> bytes: ...
    @property
    def from_ns(self) -> int: ...
    @property
    def samples(self) -> Sequence[tuple[bytes, int, bool]]: ...


class Load:
    """Do the live cameras leave anything over? Judged by the frames of theirs that waited in vain, not
    by their rates: a camera that sends less than it should is no load."""

    def __init__(self, clock: Clock, figures: Callable[[], Mapping[str, VisionFigures]]) -> None:
        self._clock, self._figures = clock, figures
        self._then_ns = clock.monotonic_ns()
        self._before: dict[str, int] = {}
        self._low = False

    def is_low(self) -> bool:
        """As of the last two seconds; False before they have passed."""
        now_ns = self._clock.monotonic_ns()
        seconds = (now_ns - self._then_ns) / SECOND_NS
        if now_ns - self._then_ns < QUIET_NS:
            return self._low
        now = dict(self._figures())
        known = [camera_id for camera_id in now if camera_id in self._before]
        self._low = len(known) == len(now) and all(
            now[camera_id].skipped - self._before[camera_id]
            <= BUSY_SHARE * now[camera_id].fps_wanted * seconds
            for camera_id in known
        )
        self._before = {camera_id: figure.skipped for camera_id, figure in now.items()}
        self._then_ns = now_ns
        return self._low


async def look_back(
    session: Session,
    order: OpenPast,
    source: AsyncIterable[Footage],
    heard: Callable[[PastPoints], None],
    may_go: Callable[[], bool],
    clock: Clock,
) -> int:
    """Have a worker judge ``source``; how many frames its detector saw. ``may_go`` False: no packet more
    is given for now. Raises ``unavailable`` where the worker ends, or is stuck over it."""
    over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    news = asyncio.Event()

    def hear(report: PastPoints | PastDone | None) -> None:
        news.set()
        if isinstance(report, PastPoints):
            heard(report)
        elif not over.done():
            if report is None:
                over.set_exception(
                    ApplianceError("unavailable", "the vision worker ended", "it starts again")
                )
            else:
                over.set_result(report.looked)

    connection = session.open_past(order, hear)
    feeding = asyncio.ensure_future(_feed(connection, source, may_go, clock))
    watching = asyncio.ensure_future(_stuck(news, may_go, clock))
    tasks: list[asyncio.Future[Any]] = [feeding, watching, over]
    try:
        while not over.done():
            waiting = [task for task in tasks if not task.done()]
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        return over.result()
    finally:
        feeding.cancel()
        watching.cancel()
        over.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        connection.close()
        session.close_past(order.span_id)


async def _feed(
    connection: socket.socket, source: AsyncIterable[Footage], may_go: Callable[[], bool], clock: Clock
) -> None:
    loop = asyncio.get_running_loop()
    try:
        async for frame in _framed(source):
            while not may_go():
                await clock.sleep(PAUSE_S)
            await loop.sock_sendall(connection, frame)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the worker is gone; the session hears of it


async def _stuck(news: asyncio.Event, may_go: Callable[[], bool], clock: Clock) -> None:
    """Raises ``unavailable``."""
    silent_s = 0.0
    while silent_s < STUCK_S:
        await clock.sleep(1.0)
        silent_s = 0.0 if news.is_set() or not may_go() else silent_s + 1.0
        news.clear()
    raise ApplianceError("unavailable", f"nothing was heard of a look back for {STUCK_S:.0f} s")


async def _framed(source: AsyncIterable[Footage]) -> AsyncIterator[bytes]:
    config, newest_ns = b"", 0
    async for some in source:
        if some.codec_config:
            joined = some.codec_config == config and abs(some.samples[0][1] - newest_ns) < JOINED_NS
            if not joined:
                config = some.codec_config
                yield HEADER.pack(CONFIG, CODECS[some.codec], 0, len(config), some.from_ns) + config
        for frame, time_ns in _packets(some):
            newest_ns = time_ns
            yield frame
    yield HEADER.pack(ENDED, 0, 0, 0, 0)


def _packets(some: Footage) -> Iterator[tuple[bytes, int]]:
    for body, time_ns, is_key in some.samples:
        yield HEADER.pack(PACKET, KEY if is_key else 0, 0, len(body), time_ns) + body, time_ns
