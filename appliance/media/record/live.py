"""Live view: each stream's newest GOP, and a bounded queue per viewer.

The stream's thread only appends to a list and, while somebody watches, wakes the loop once per
packet; queues live in the loop. A viewer who cannot keep up skips to the next key frame.
"""

import asyncio
from collections import deque

from appliance.base.clock import SECOND_NS
from appliance.base.errors import not_found
from appliance.media.fragment import VIDEO_TRACK, Fragment, StreamInit

VIEWER_NS = 2 * SECOND_NS
VIEWER_BYTES = 4_000_000
GOP_BYTES = 16_000_000  # a camera that never sends a key frame must not fill the memory

_Item = tuple[int, StreamInit | Fragment]


class StreamFan:
    """The ``Tap`` of one stream; ``put`` and friends run in the stream's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._number = 0
        self._init: StreamInit | None = None
        self._gop: tuple[list[_Item], ...] = ([],)
        self._gop_bytes = 0
        self.viewers: list[Viewer] = []

    def started(self, init: StreamInit) -> None:
        self._init = init
        self._begin_gop()
        self._hand_on(init)

    def put(self, fragment: Fragment) -> None:
        if fragment.track != VIDEO_TRACK:
            return
        if fragment.is_key or self._gop_bytes > GOP_BYTES:
            self._begin_gop()
        self._gop_bytes += len(fragment.body)
        self._hand_on(fragment)

    def ended(self) -> None:
        self._begin_gop()

    def _begin_gop(self) -> None:
        self._gop = ([],)
        self._gop_bytes = 0

    def _hand_on(self, item: StreamInit | Fragment) -> None:
        self._number += 1
        numbered = (self._number, item)
        if isinstance(item, Fragment):
            self._gop[0].append(numbered)
        if self.viewers:
            try:
                self._loop.call_soon_threadsafe(self._deliver, numbered)
            except RuntimeError:
                pass  # the loop is closing; recording goes on until the stream is stopped

    def _deliver(self, item: _Item) -> None:
        for viewer in self.viewers:
            viewer.offer(item)

    def newest(self) -> tuple[StreamInit | None, list[_Item]]:
        """The current parameters and the GOP so far, as the stream's thread has left them."""
        gop = self._gop[0]
        items = list(gop)
        if items and not (isinstance(items[0][1], Fragment) and items[0][1].is_key):
            items = []
        return self._init, items

    def attach(self, viewer: "Viewer") -> None:
        """In the loop: register first, then catch up; the numbers take out what came twice."""
        self.viewers = [*self.viewers, viewer]
        init, items = self.newest()
        if init is not None:
            viewer.offer((0, init))
        for item in items:
            viewer.offer(item)

    def detach(self, viewer: "Viewer") -> None:
        self.viewers = [other for other in self.viewers if other is not viewer]

    def close(self) -> None:
        for viewer in self.viewers:
            viewer.finish()


class Viewer:
    """One watcher. ``await next()`` gives parameters, then fragments from a key frame on."""

    def __init__(self, fan: StreamFan) -> None:
        self._fan = fan
        self._queue: deque[StreamInit | Fragment] = deque()
        self._bytes = 0
        self._last = -1
        self._wait_for_key = True
        self._finished = False
        self._wake = asyncio.Event()
        self.skipped = 0

    async def next(self) -> StreamInit | Fragment | None:
        """None when the camera was removed."""
        while not self._queue:
            if self._finished:
                return None
            self._wake.clear()
            await self._wake.wait()
        item = self._queue.popleft()
        if isinstance(item, Fragment):
            self._bytes -= len(item.body)
        return item

    def skip_to_key(self) -> None:
        """The socket is behind: drop what waits and go on with the next key frame."""
        inits = [item for item in self._queue if isinstance(item, StreamInit)]
        self.skipped += len(self._queue) - len(inits)
        self._queue = deque(inits[-1:])
        self._bytes = 0
        self._wait_for_key = True

    def offer(self, numbered: _Item) -> None:
        number, item = numbered
        if 0 < number <= self._last:
            return
        self._last = max(self._last, number)
        if isinstance(item, StreamInit):
            self._queue.append(item)
            self._wait_for_key = True
        elif item.is_key or not self._wait_for_key:
            if self._too_much(item):
                self.skip_to_key()
            if item.is_key or not self._wait_for_key:
                self._wait_for_key = False
                self._queue.append(item)
                self._bytes += len(item.body)
            else:
                self.skipped += 1
        else:
            self.skipped += 1
        self._wake.set()

    def _too_much(self, item: Fragment) -> bool:
        if self._bytes + len(item.body) > VIEWER_BYTES and self._queue:
            return True
        first = next((other for other in self._queue if isinstance(other, Fragment)), None)
        return first is not None and item.time_ns - first.time_ns > VIEWER_NS and len(self._queue) > 32

    def finish(self) -> None:
        self._finished = True
        self._wake.set()

    def close(self) -> None:
        self._fan.detach(self)


class LiveHub:
    """All fans, by camera and stream; ``open`` falls back to main where there is no sub stream."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._fans: dict[tuple[str, str], StreamFan] = {}

    def fan(self, camera_id: str, stream: str) -> StreamFan:
        """The fan of a stream, made when the recorder first asks for it."""
        return self._fans.setdefault((camera_id, stream), StreamFan(self.loop))

    def remove(self, camera_id: str, stream: str) -> None:
        fan = self._fans.pop((camera_id, stream), None)
        if fan is not None:
            fan.close()

    def open(self, camera_id: str, stream: str) -> Viewer:
        """Raises ``not_found`` where the camera does not exist."""
        fan = self._fans.get((camera_id, stream)) or self._fans.get((camera_id, "main"))
        if fan is None:
            raise not_found("camera", camera_id)
        viewer = Viewer(fan)
        fan.attach(viewer)
        return viewer

    def viewers(self) -> int:
        return sum(len(fan.viewers) for fan in self._fans.values())
