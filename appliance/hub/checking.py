"""Is every file there that the database says is complete? A bucket may have been restored from a time before
its database; what it lacks is asked for again.

Looked at newest first, since that is what a restored bucket lacks, a few a minute, and many at once as long
as some are missing. A store of files that is not the one we wrote to (a disk that is not mounted) lacks
everything: so it carries a mark, and without the mark nothing is believed missing (cf. R7).
"""

import logging
from functools import partial

from appliance.base.errors import ApplianceError
from appliance.hub.hub import Hub
from appliance.hub.store import kept, uploads
from appliance.hub.store.uploads import Upload

log = logging.getLogger(__name__)

MARK = "store/mark"
AT_ONCE = 30
AT_MOST = 3_000  # while some are missing
Place = tuple[int, str, str]


class Checker:
    """``once`` each minute; after the oldest it begins again."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._place: Place | None = None

    async def once(self) -> int:
        """How many were found missing. Raises ``unavailable``; ``data_loss`` where this is another store."""
        await self._is_ours()
        missing, looked = 0, 0
        while looked < AT_MOST:
            found = await self._hub.store.read(partial(uploads.complete_ones, self._place, AT_ONCE))
            some = [upload for upload in found if not await self._is_there(upload)]
            for upload in some:
                now_ns = self._hub.clock.now_ns()
                missing += await self._hub.store.write(partial(uploads.lost, upload, now_ns))
            looked += len(found)
            last = found[-1] if len(found) == AT_ONCE else None
            self._place = None if last is None else (last.created_ns, last.id, last.box_id)
            if not some or last is None:
                break
        if missing:
            log.warning("%d complete files are not in the store of files: boxes are asked again", missing)
        return missing

    async def _is_there(self, upload: Upload) -> bool:
        return await self._hub.files.size_bytes(upload.name) == upload.size_bytes

    async def _is_ours(self) -> None:
        if not await self._hub.store.read(lambda: kept.has(MARK)):
            await self._hub.files.put(MARK, b"ours")
            await self._hub.store.write(lambda: kept.keep(MARK, b"ours"))
        elif await self._hub.files.size_bytes(MARK) is None:
            hint = f"mount it; or, if it was emptied for good, write any file named {MARK} there"
            raise ApplianceError("data_loss", "the store of files is not the one that was here", hint)
