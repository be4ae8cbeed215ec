"""All cameras' feeds, and the loop that goes on where a socket took no more bytes."""

import asyncio

from appliance.vision.host.feed import Feed


class Feeds:
    """``of`` from anywhere on the loop; between ``begin`` and ``end`` what waits is sent."""

    def __init__(self) -> None:
        self._feeds: dict[str, Feed] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        self._loop = None

    def of(self, camera_id: str) -> Feed:
        feed = self._feeds.get(camera_id)
        if feed is None:
            feed = self._feeds[camera_id] = Feed(camera_id, self._wake)
        return feed

    def _wake(self, feed: Feed) -> None:
        """From a stream thread or the loop: bytes wait for the socket."""
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._arm, feed)
        except RuntimeError:
            pass  # the loop is closing

    def _arm(self, feed: Feed) -> None:
        if self._loop is not None and (descriptor := feed.fileno()) >= 0:
            self._loop.add_writer(descriptor, self._drain, feed, descriptor)

    def _drain(self, feed: Feed, descriptor: int) -> None:
        if self._loop is not None and (feed.fileno() != descriptor or not feed.writable()):
            self._loop.remove_writer(descriptor)
