"""Files that the outbox owes, made from the ring when they are asked for.

A row of a file holds only which footage it is (``FileBody``); the bytes are in the ring, pinned (D4). What
is made is the same each time, so that an upload goes on after a reboot: a clip's bytes follow from the
samples and their times alone (``media.play.clip``: no clock, no random, no library's version), once all of
it is written. Until ``SETTLE_NS`` after its end it is not: sound lies in the file up to a second behind its
picture, and the last second may not be on stable storage yet (R2). What still changes it later is a loss or
a second pass over the same time (a clock that was set back); then its hash is another one, and the upload
starts anew.

``sub`` that is not recorded is sent as ``main``: late and large is better than nothing. The material's
``stream`` says so, and the hub is told in the manifest's body.
"""

import asyncio
import hashlib
import itertools
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from appliance.alerts.stills import Stills
from appliance.base.clock import SECOND_NS, Clock, parse_rfc3339
from appliance.base.errors import ApplianceError
from appliance.media.play.archive import Archive
from appliance.media.play.clip import Split
from appliance.media.ring.volumes import Volumes
from appliance.media.span import Clip
from appliance.store import events
from appliance.store.database import Database
from appliance.store.outbox import OutboxRow
from appliance.sync.protocol.batch import FileBody

log = logging.getLogger(__name__)

SETTLE_NS = 3 * SECOND_NS
AHEAD_NS = 60 * SECOND_NS  # a row that was made so far ahead of now was made before the clock was set back
STILL_NS = 20 * SECOND_NS  # so long after an event its still may be on its way from the vision worker
READ_BYTES = 1 << 16
REMEMBERED = 256
DOUBTED = 2  # times that all of it was sent, to be wanted once more
IN_VAIN = 5  # times that it could not be read
MANIFESTS = "manifests.json"


class Made(msgspec.Struct, frozen=True):
    """What is remembered of a file: ``etag`` says which layout of which segments was hashed."""

    etag: str
    size_bytes: int
    sha256: str


class Still:
    """A JPEG, held in memory: 100 kB."""

    mime = "image/jpeg"

    def __init__(self, jpeg: bytes, stream: str) -> None:
        self._jpeg, self.stream = jpeg, stream
        self.size_bytes = len(jpeg)
        self.sha256 = hashlib.sha256(jpeg).hexdigest()

    async def read(self, offset: int, length_bytes: int) -> AsyncIterator[bytes]:
        for at in range(offset, min(offset + length_bytes, self.size_bytes), READ_BYTES):
            yield self._jpeg[at : min(at + READ_BYTES, offset + length_bytes)]


class Footage:
    """A clip: laid out, and read from the segments as it is sent. ``ended`` is told when its last byte was
    read (True), and when it could not be read (False)."""

    mime = "video/mp4"

    def __init__(self, clip: Clip, made: Made, stream: str, ended: Callable[[bool], None]) -> None:
        self._clip, self.stream, self._ended = clip, stream, ended
        self.size_bytes, self.sha256 = made.size_bytes, made.sha256

    async def read(self, offset: int, length_bytes: int) -> AsyncIterator[bytes]:
        try:
            async for piece in self._clip.read(offset, length_bytes):
                for at in range(0, len(piece), READ_BYTES):
                    yield piece[at : at + READ_BYTES]
        except ApplianceError:
            self._ended(False)
            raise
        if offset + length_bytes >= self.size_bytes:
            self._ended(True)


class RingMaterials:
    """``sync.targets.Materials``, over the archive. ``folder``: where ``MANIFESTS`` lies, so that a resume
    after a reboot does not hash a large clip again. One thing at a time is hashed, in threads."""

    def __init__(
        self, db: Database, archive: Archive, volumes: Volumes, stills: Stills, clock: Clock, folder: Path
    ) -> None:
        self._db, self._archive, self._volumes = db, archive, volumes
        self._stills, self._clock = stills, clock
        self._path = folder / MANIFESTS
        self._known: OrderedDict[str, Made] | None = None
        self._sent: OrderedDict[str, int] = OrderedDict()  # how often to the end, since it was hashed
        self._hashing = asyncio.Lock()

    async def open(self, row: OutboxRow) -> Still | Footage:
        """Raises ``not_found`` where there is no such footage (any more), ``unavailable`` where it is not
        there yet, or its disk is not."""
        try:
            body = msgspec.json.decode(row.body, type=FileBody)
            start_ns, end_ns = parse_rfc3339(body.start_time), parse_rfc3339(body.end_time)
        except (msgspec.MsgspecError, ApplianceError) as error:
            raise _none(f"row {row.id} does not say what it owes") from error
        if row.kind in ("still", "sample"):
            return await self._still(row, body, start_ns)
        now_ns, settled_ns = self._clock.now_ns(), end_ns + SETTLE_NS
        if row.created_ns > now_ns + AHEAD_NS:
            now_ns = settled_ns  # the run ended with the step: nothing will be added
        if now_ns < settled_ns:
            raise _not_yet(f"{body.camera_id} is still being recorded")
        span_ns = (start_ns, end_ns, settled_ns)
        try:
            return await self._footage(row, body.camera_id, body.stream, span_ns)
        except ApplianceError as error:
            if error.kind != "not_found" or body.stream == "main":
                raise
        return await self._footage(row, body.camera_id, "main", span_ns)

    # -- stills

    async def _still(self, row: OutboxRow, body: FileBody, start_ns: int) -> Still:
        """The one that was kept with the event, with the box drawn, as people see it here too. One that
        could not be kept then is made from the ring now, and kept: the next making gives the same. A sample
        has no box drawn: nothing is to be learnt from our own pen."""
        jpeg = await self._stills.read(body.event_id, with_box=row.kind == "still")
        if jpeg is None:
            if self._clock.now_ns() < row.created_ns + STILL_NS:
                raise _not_yet("the still is being made")
            jpeg = await self._make_still(body, start_ns, with_box=row.kind == "still")
        return Still(jpeg, body.stream)

    async def _make_still(self, body: FileBody, start_ns: int, *, with_box: bool) -> bytes:
        event = await self._db.read(lambda conn: events.get(conn, body.event_id))
        if event is None:
            raise _none(f"event {body.event_id} is gone, and its still with it")
        try:
            # Asked first: it says whether there is a picture at all; ``keep`` only that there was none.
            await self._archive.frame_source(body.camera_id, "main", start_ns)
        except ApplianceError as error:
            raise self._gone_or_not_yet(error) from error
        if await self._stills.keep(event, start_ns):
            jpeg = await self._stills.read(body.event_id, with_box=with_box)
            if jpeg is not None:
                return jpeg
        raise _not_yet("the vision worker makes no stills now")

    # -- clips

    async def _footage(
        self, row: OutboxRow, camera_id: str, stream: str, span_ns: tuple[int, int, int]
    ) -> Footage:
        clip = await self._clip(camera_id, stream, *span_ns)
        is_damaged = any(gap.cause == "damaged" for gap in clip.gaps)
        if is_damaged and self._disk_is_away():
            raise _not_yet("a disk with footage is missing")
        if not clip.complete and not is_damaged:
            raise _not_yet(f"{camera_id} is still being recorded")
        try:
            made = await self._manifest(row.id, clip)
        except ApplianceError as error:
            self._archive.drop(clip)  # what can be read of it is laid out anew
            if row.attempts < IN_VAIN:
                raise _not_yet(error.message) from error
            raise self._gone_or_not_yet(error) from error
        return Footage(clip, made, stream, lambda whole: self._note_sent(row.id, 1 if whole else DOUBTED))

    async def _clip(self, camera_id: str, stream: str, start_ns: int, end_ns: int, settled_ns: int) -> Clip:
        """Where the video's parameters change inside, the longest part that has one set of them."""
        try:
            return await self._archive.clip(camera_id, stream, start_ns, end_ns, as_of_ns=settled_ns)
        except Split as split:
            edges = [start_ns, *split.at_ns, end_ns]
        except ApplianceError as error:
            raise self._gone_or_not_yet(error) from error
        start_ns, end_ns = max(itertools.pairwise(edges), key=lambda part: part[1] - part[0])
        log.info("%s changed its picture inside a clip: the longest part is sent", camera_id)
        try:
            return await self._archive.clip(camera_id, stream, start_ns, end_ns, as_of_ns=settled_ns)
        except ApplianceError as error:
            raise self._gone_or_not_yet(error) from error

    async def _manifest(self, row_id: str, clip: Clip) -> Made:
        """What could not be read, or was sent to its end and is wanted again and again, is hashed anew: most
        likely answers got lost, but if a disk gives other bytes than were hashed, nothing else helps."""
        async with self._hashing:
            known = await self._load()
            made = known.get(row_id)
            is_doubted = self._sent.get(row_id, 0) >= DOUBTED
            if made is None or made.etag != clip.etag or is_doubted:
                made = Made(clip.etag, clip.size_bytes, await _sha256(clip))
                self._sent.pop(row_id, None)
                known[row_id] = made
                while len(known) > REMEMBERED:
                    known.popitem(last=False)
                await asyncio.to_thread(self._store, dict(known))
            return made

    def _note_sent(self, row_id: str, times: int) -> None:
        self._sent[row_id] = self._sent.get(row_id, 0) + times
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _disk_is_away(self) -> bool:
        return any(volume.usable() is not None for volume in self._volumes.all)

    def _gone_or_not_yet(self, error: ApplianceError) -> ApplianceError:
        if self._disk_is_away():
            return _not_yet("a disk with footage is missing")
        return error if error.kind in ("not_found", "unavailable") else _none(error.message)

    # -- what is remembered of the last ones

    async def _load(self) -> OrderedDict[str, Made]:
        if self._known is None:
            self._known = await asyncio.to_thread(_read, self._path)
        return self._known

    def _store(self, known: dict[str, Made]) -> None:
        """A cache: where it cannot be written, the next start hashes again."""
        partial = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.write_bytes(msgspec.json.encode(known))
            partial.replace(self._path)
        except OSError as error:
            log.info("%s is not written: %s", self._path.name, error.strerror)


async def _sha256(clip: Clip) -> str:
    """Piece by piece, none of it on the loop. Raises ``data_loss`` where it cannot be read."""
    digest = hashlib.sha256()
    async for piece in clip.read():
        await asyncio.to_thread(digest.update, piece)
    return digest.hexdigest()


def _read(path: Path) -> OrderedDict[str, Made]:
    try:
        return OrderedDict(msgspec.json.decode(path.read_bytes(), type=dict[str, Made]))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return OrderedDict()


def _none(message: str) -> ApplianceError:
    return ApplianceError("not_found", message, "its recordings show what there is")


def _not_yet(message: str) -> ApplianceError:
    return ApplianceError("unavailable", message, "it is tried again by itself")
