"""Files in a folder: written beside, fsynced, renamed, and the folder fsynced too.

(Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014: without the last one the name may be
lost in a power cut though the bytes are there.)
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from appliance.base.durable import fsync_folder
from appliance.base.errors import ApplianceError, not_found
from appliance.hub.files import PIECE_BYTES, checked

T = TypeVar("T")


class Folder:
    """``path`` is made where it is missing."""

    kind = "folder"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def put(self, name: str, data: bytes) -> None:
        await self._in_thread(lambda: self._put(checked(name), data))

    async def read(self, name: str, offset_bytes: int, length_bytes: int) -> AsyncIterator[bytes]:
        path = self._path / checked(name)
        file = await self._in_thread(lambda: path.open("rb"))
        with file:
            await self._in_thread(lambda: file.seek(offset_bytes))
            left_bytes = length_bytes
            while left_bytes > 0:
                wanted_bytes = min(PIECE_BYTES, left_bytes)
                piece = await self._in_thread(partial(file.read, wanted_bytes))
                if not piece:
                    return
                left_bytes -= len(piece)
                yield piece

    async def size_bytes(self, name: str) -> int | None:
        path = self._path / checked(name)
        return await self._in_thread(lambda: path.stat().st_size if path.is_file() else None)

    async def join(self, names: Sequence[str], whole: str) -> str:
        paths = [self._path / checked(name) for name in names]
        return await self._in_thread(lambda: self._join(paths, checked(whole)))

    async def delete(self, prefix: str) -> None:
        await self._in_thread(lambda: self._delete(checked(prefix)))

    async def probe(self) -> None:
        name = f"probe/{secrets.token_hex(8)}"
        await self.put(name, b"ours")
        await self.delete(name)

    def _put(self, name: str, data: bytes) -> None:
        with self._written(name) as write:
            write(data)

    def _join(self, paths: Sequence[Path], whole: str) -> str:
        digest = hashlib.sha256()
        with self._written(whole) as write:
            for path in paths:
                with path.open("rb") as file:
                    while piece := file.read(PIECE_BYTES):
                        digest.update(piece)
                        write(piece)
        return digest.hexdigest()

    @contextlib.contextmanager
    def _written(self, name: str) -> Iterator[Callable[[bytes], object]]:
        path = self._path / name
        self._make(path.parent)
        partial = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}")
        try:
            with partial.open("xb") as file:
                yield file.write
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        fsync_folder(path.parent)

    def _make(self, folder: Path) -> None:
        """With all that leads to it, each on stable storage."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            fsync_folder(each.parent)

    def _delete(self, prefix: str) -> None:
        path = self._path / prefix
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        for folder in (path.parent, path.parent.parent):  # the box's and the upload's, once they are empty
            try:
                if folder != self._path:
                    folder.rmdir()
            except OSError:
                return  # not empty, or another instance was faster

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except FileNotFoundError as error:
            raise not_found("file", Path(error.filename or "").name) from error
        except OSError as error:
            raise _foreign(error) from error


def _foreign(error: OSError) -> ApplianceError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ApplianceError("exhausted", "the hub's disk is full", "free space on the hub's disk")
    text = f"the hub's folder of files cannot be used: {error.strerror}"
    return ApplianceError("unavailable", text, "look at the hub's disk")
