"""A mounted disk or a stick, carried by hand: see ``sync.bundle``.

Held: the bundle has its name, and all of it is on stable storage. Dedupe: the same rows are the same bundle.
A stick that is away is the usual case: rows wait. A file that was begun goes on where it stopped.
What is acknowledged (D3) is acknowledged by the disk, and sticks get lost: with ``resend_days`` rows are
owed again unless the hub's receipt for them has come back by then (``receipts``).

    file:///media/usb    options: stick (the id in its marker), schema, longest_bytes, resend_days
"""

import asyncio
import errno
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError, invalid
from appliance.store.outbox import OutboxRow
from appliance.store.targets import Target
from appliance.sync.answer import Verdict
from appliance.sync.bundle import marker, writing
from appliance.sync.bundle.folders import Folder
from appliance.sync.bundle.manifest import ENDINGS, FILES, PARTIAL, FileEntry
from appliance.sync.envelope.writing import write
from appliance.sync.protocol.upload import LARGEST_FILE_BYTES
from appliance.sync.targets import Material, Pace, Probed
from appliance.sync.targets.checks import options, told, words
from appliance.sync.targets.given import Given
from appliance.sync.targets.receipts import Receipts

ABANDONED_S = 7 * 86_400
RECEIPTS_S = 30.0
_T = TypeVar("_T")


class DirectoryOptions(msgspec.Struct, frozen=True, kw_only=True):
    stick: str = ""
    schema: Literal[1, 2] = 2
    longest_bytes: Annotated[int, msgspec.Meta(ge=1_000, le=64_000)] = 60_000
    resend_days: Annotated[float, msgspec.Meta(ge=0, le=3650)] = 0  # 0: never, the disk is the archive


def check(given: Target, secret: str | None) -> None:
    """Raises ``invalid``."""
    chosen = options(given, DirectoryOptions)
    if chosen.resend_days > given.policy.journal_days:
        hint = "raise journal_days of its policy, or lower resend_days"
        raise invalid("what is forgotten cannot be sent again", hint, field="resend_days")
    path_of(given)


def path_of(target: Target) -> Path:
    parts = urlsplit(target.url)
    path = unquote(parts.path)
    is_plain = (
        not (parts.netloc or parts.query or parts.fragment) and path.startswith("/") and "\x00" not in path
    )
    if parts.scheme != "file" or not is_plain or len(path) < 2 or ".." in Path(path).parts:
        raise invalid("this is no folder", "write file:///media/usb", field="url")
    return Path(path)


def make(given: Given) -> "DirectoryTarget":
    check(given.target, given.secret)
    if given.sign is None:
        hint = "make its identity first: enrol the box, or let the hub's admin do it"
        raise ApplianceError("unavailable", "this box cannot sign bundles", hint)
    return DirectoryTarget(given, given.sign)


class DirectoryTarget:
    takes_files = True
    most_rows = 1_000

    def __init__(self, given: Given, sign: writing.Sign) -> None:
        self._given, self._sign = given, sign
        self._chosen = options(given.target, DirectoryOptions)
        self._root = path_of(given.target)

    async def put(self, rows: Sequence[OutboxRow]) -> Verdict:
        written = [(row, write(self._given.device_id, row, self._chosen.schema)) for row in rows]
        longest = self._chosen.longest_bytes
        fits = [(row, line) for row, line in written if len(line) <= longest]
        rejected = tuple(
            (row.id, f"too long: {len(line)} bytes, {longest} fit")
            for row, line in written
            if len(line) > longest
        )
        if fits:
            one = writing.draft(self._given.device_id, [row for row, _ in fits], [line for _, line in fits])
            try:
                await asyncio.to_thread(self._in_day, one, lambda day: self._finish(day, one))
            except (ApplianceError, OSError) as error:
                await self._give_up(one)
                return Verdict("later", error=self._words(error))
        why = rejected[0][1] if rejected else ""
        return Verdict("delivered", tuple(row.id for row, _ in fits), rejected, why)

    async def put_file(self, row: OutboxRow, material: Material, pace: Pace) -> Verdict:
        if material.mime not in ENDINGS or not 0 < material.size_bytes <= LARGEST_FILE_BYTES:
            why = f"{material.mime[:40]} of {material.size_bytes} bytes does not go into a bundle"
            return Verdict("delivered", rejected=((row.id, why),), error=why)
        line = write(self._given.device_id, row, self._chosen.schema)
        entry = FileEntry(row.id, material.mime, material.size_bytes, material.sha256)  # type: ignore[arg-type]  # checked above
        one = writing.draft(self._given.device_id, [row], [line], [entry])
        try:
            fd = await asyncio.to_thread(self._in_day, one, lambda day: self._begin(day, one, entry))
            if fd is not None:
                try:
                    await self._copy(fd, entry, material, pace)
                finally:
                    await asyncio.to_thread(os.close, fd)
                await asyncio.to_thread(self._in_day, one, lambda day: self._finish(day, one))
        except OSError as error:
            if error.errno in (errno.EFBIG, errno.ENOSPC):
                await self._give_up(one)
            if error.errno == errno.EFBIG:
                why = f"{material.size_bytes} bytes are too long for the file system of the stick"
                return Verdict("delivered", rejected=((row.id, why),), error=why)
            return Verdict("later", error=self._words(error))
        except ApplianceError as error:
            if error.kind == "data_loss":
                await self._give_up(one)
            return Verdict("later", error=self._words(error))
        return Verdict("delivered", (row.id,))

    async def probe(self) -> Probed:
        try:
            return Probed(True, await asyncio.to_thread(self._look))
        except (ApplianceError, OSError) as error:
            return Probed.failed(_fault(error))

    async def attend(self) -> None:
        """For ever: receipts, as soon as a stick with some is there."""
        receipts = Receipts(self._given)
        while True:
            await asyncio.to_thread(self._look_for_receipts, receipts)
            await receipts.settle(self._chosen.resend_days)
            await self._given.clock.sleep(RECEIPTS_S)

    def _look_for_receipts(self, receipts: Receipts) -> None:
        try:
            with marker.opened(self._root) as root:
                marker.found(root, self._given.device_id, self._chosen.stick)
                receipts.look(root)
        except (ApplianceError, OSError):
            return  # the stick is away, which is the usual case

    async def close(self) -> None:
        """Nothing is held open between deliveries: a stick may be pulled at any time."""

    def _in_day(self, one: writing.Draft, work: Callable[[Folder], _T]) -> _T:
        with marker.opened(self._root) as root:
            marker.found(root, self._given.device_id, self._chosen.stick)
            with writing.day_folder(root, one.manifest) as day:
                return work(day)

    def _finish(self, day: Folder, one: writing.Draft) -> None:
        if not writing.is_there(day, one):
            self._sweep(day, one)
            writing.finish(day, one, self._sign)

    def _begin(self, day: Folder, one: writing.Draft, entry: FileEntry) -> int | None:
        """None: the bundle is there already."""
        if writing.is_there(day, one):
            return None
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with day.inner(one.partial, make=True) as folder, folder.inner(FILES, make=True) as files:
            fd = os.open(entry.name, flags, 0o644, dir_fd=files.fd)
            files.sync()
        return fd

    async def _copy(self, fd: int, entry: FileEntry, material: Material, pace: Pace) -> None:
        """What is there already and is the same is not written again. Raises ``data_loss``."""
        digest, offset = hashlib.sha256(), 0
        async for piece in material.read(0, entry.size_bytes):
            digest.update(piece)
            if await asyncio.to_thread(os.pread, fd, len(piece), offset) != piece:
                await pace.ready(len(piece))
                await asyncio.to_thread(_write_all, fd, piece, offset)
            offset += len(piece)
        if offset != entry.size_bytes or digest.hexdigest() != entry.sha256:
            raise ApplianceError("data_loss", "the file changed while it was read", "it is made again")
        await asyncio.to_thread(os.ftruncate, fd, offset)
        await asyncio.to_thread(os.fsync, fd)

    async def _give_up(self, one: writing.Draft) -> None:
        def remove(day: Folder) -> None:
            if day.has(one.partial):
                day.remove(one.partial)

        try:
            await asyncio.to_thread(self._in_day, one, remove)
        except (ApplianceError, OSError):
            return  # the stick is away; no reader looks at a partial bundle

    def _sweep(self, day: Folder, one: writing.Draft) -> None:
        """What nobody went on with for a week: its row was dropped."""
        before_s = self._given.clock.now_ns() // SECOND_NS - ABANDONED_S
        for name in list(day.names()):
            if not name.startswith(PARTIAL) or name == one.partial:
                continue
            if os.stat(name, dir_fd=day.fd, follow_symlinks=False).st_mtime < before_s:
                day.remove(name)

    def _look(self) -> str:
        with marker.opened(self._root) as root:
            mark = marker.found(root, self._given.device_id, self._chosen.stick)
            free = os.fstatvfs(root.fd)
            if os.fstatvfs(root.fd).f_flag & os.ST_RDONLY:
                raise ApplianceError("unavailable", "the stick is write-protected", "move its switch")
        free_mb = free.f_bavail * free.f_frsize // 1_000_000
        return f"the stick can be written, {free_mb} MB are free (stick {mark.id})"

    def _words(self, error: Exception) -> str:
        return words(_fault(error))


def _fault(error: Exception) -> ApplianceError:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return ApplianceError("exhausted", "the stick is full", "take it to the hub, or use another")
    if isinstance(error, OSError):
        why = words(f"the stick cannot be written: {(error.strerror or str(error)).lower()}")
        return ApplianceError("unavailable", why, "is it in, and mounted at that folder?")
    return told(error)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    while data:
        count = os.pwrite(fd, data, offset)
        data, offset = data[count:], offset + count
