"""Stills of events: two JPEGs each, plain and with the box drawn, in DIR/stills/YYYY-MM-DD/.

The day is the one in the event's id (UUIDv7), so that the id alone leads to the file.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from appliance.base.errors import ApplianceError
from appliance.base.model import Box, Event

Still = Callable[[str, int, Box | None], Awaitable[bytes]]
"""(camera id, moment in ns, box to draw or None) -> JPEG; raises ``not_found``, ``unavailable``."""

TIMEOUT_S = 15.0


class Stills:
    """``still`` is asked at once: the vision worker remembers two seconds."""

    def __init__(self, folder: Path, still: Still) -> None:
        self._folder = folder
        self._still = still

    async def keep(self, event: Event, seen_ns: int) -> bool:
        """Fetch and store both pictures of ``event``; False where there is no picture to be had."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                plain, boxed = await asyncio.gather(
                    self._still(event.camera_id, seen_ns, None),
                    self._still(event.camera_id, seen_ns, event.bbox),
                )
        except (ApplianceError, TimeoutError):
            return False
        await asyncio.to_thread(self._store, event.id, plain, boxed)
        return True

    async def read(self, event_id: str, with_box: bool) -> bytes | None:
        """The stored JPEG; None where none was kept."""
        path = self._path(event_id, boxed=with_box)
        return None if path is None else await asyncio.to_thread(_read, path)

    def delete(self, event_ids: Iterable[str]) -> None:
        """Blocks: call it in a thread. Days that are empty then go too."""
        days: set[Path] = set()
        for event_id in event_ids:
            for boxed in (False, True):
                path = self._path(event_id, boxed=boxed)
                if path is not None:
                    path.unlink(missing_ok=True)
                    days.add(path.parent)
        for day in days:
            try:
                day.rmdir()
            except OSError:
                pass  # stills of other events are left in it, or it never was

    def _path(self, event_id: str, *, boxed: bool) -> Path | None:
        try:
            id_ = UUID(event_id)
            day = datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
        except (ValueError, OverflowError):
            return None  # not an id of ours: never a part of a path
        return self._folder / f"{day:%Y-%m-%d}" / f"{id_}{'.box' if boxed else ''}.jpg"

    def _store(self, event_id: str, plain: bytes, boxed: bytes) -> None:
        for is_boxed, jpeg in ((False, plain), (True, boxed)):
            path = self._path(event_id, boxed=is_boxed)
            assert path is not None
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial = path.with_suffix(".new")
            partial.write_bytes(jpeg)
            partial.replace(path)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
