"""vision -> rules: a bounded queue that loses no beginning and no end of a track."""

import asyncio
from collections.abc import Sequence

from appliance.base.model import TrackPoint

BOUND = 1_000


class PointQueue:
    """``offer`` (on the loop) never waits. When it is full, updates go, oldest first, and are
    counted; starts and ends stay, even beyond the bound: there are few, and rules rely on them."""

    def __init__(self, bound: int = BOUND) -> None:
        self.dropped = 0
        self._bound = bound
        self._points: list[TrackPoint] = []
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._points)

    def offer(self, points: Sequence[TrackPoint]) -> None:
        self._points += points
        if (excess := len(self._points) - self._bound) > 0:
            self._shed(excess)
        if self._points:
            self._news.set()

    async def take(self) -> list[TrackPoint]:
        """Everything that waits, in order; at least one point."""
        while not self._points:
            self._news.clear()
            await self._news.wait()
        points, self._points = self._points, []
        return points

    def _shed(self, excess: int) -> None:
        kept: list[TrackPoint] = []
        for point in self._points:
            if excess and point.phase == "update":
                excess -= 1
                self.dropped += 1
            else:
                kept.append(point)
        self._points = kept
