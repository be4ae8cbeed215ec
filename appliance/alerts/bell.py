"""The bell that is rung after each commit to the journal, so that readers need not poll."""

import asyncio
from collections.abc import Callable


class JournalBell:
    """Lives on the event loop; rung from anywhere else it must be by ``call_soon_threadsafe``."""

    def __init__(self, newest: int = 0) -> None:
        self.newest = newest
        self._waiting: set[asyncio.Future[None]] = set()
        self._listeners: list[Callable[[], None]] = []

    def ring(self, newest: int) -> None:
        """The journal was committed up to position ``newest``."""
        self.newest = max(self.newest, newest)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        for listener in list(self._listeners):
            listener()

    def listen(self, on_ring: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_ring`` after each ring from now on; what is returned ends it."""
        self._listeners.append(on_ring)
        return lambda: self._listeners.remove(on_ring) if on_ring in self._listeners else None

    async def wait(self, after: int, timeout_s: float) -> int:
        """Until there is something after position ``after``, or ``timeout_s`` have passed; the
        newest position known then. Returns at once where it is there already."""
        if self.newest > after:
            return self.newest
        rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(rung)
        try:
            await asyncio.wait_for(rung, timeout_s)
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(rung)
        return self.newest
