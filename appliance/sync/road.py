"""Who goes first: rows on their way make files wait."""

import asyncio


class Road:
    """``close`` when something urgent may be waiting, ``open`` when it is known that nothing is."""

    def __init__(self) -> None:
        self._free = asyncio.Event()

    def close(self) -> None:
        self._free.clear()

    def open(self) -> None:
        self._free.set()

    @property
    def is_free(self) -> bool:
        return self._free.is_set()

    async def free(self) -> None:
        await self._free.wait()
