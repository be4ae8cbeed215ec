"""Folders held open by their descriptor: what was checked is what is used, whatever is mounted or linked
there meanwhile. No link is ever followed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO must not stop us


class Folder:
    """Names are single: none has a slash in it. Raises ``OSError``."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def at(cls, path: Path) -> "Folder":
        return cls(os.open(path, _FOLDER))

    def __enter__(self) -> "Folder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)

    def inner(self, name: str, *, make: bool = False) -> "Folder":
        if make:
            try:
                os.mkdir(_single(name), dir_fd=self.fd)
                self.sync()
            except FileExistsError:
                pass
        return Folder(os.open(_single(name), _FOLDER, dir_fd=self.fd))

    def names(self) -> Iterator[str]:
        with os.scandir(self.fd) as entries:
            for entry in entries:
                yield entry.name

    def has(self, name: str) -> bool:
        try:
            os.stat(_single(name), dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def open_file(self, name: str) -> int:
        """A descriptor of a regular file. Raises ``OSError`` for anything else."""
        fd = os.open(_single(name), _READ, dir_fd=self.fd)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError("no regular file")
        return fd

    def read(self, name: str, most_bytes: int) -> bytes:
        """All of a file of at most ``most_bytes``."""
        with os.fdopen(self.open_file(name), "rb") as file:
            data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise OSError("longer than it may be")
        return data

    def write(self, name: str, data: bytes) -> None:
        """On stable storage when it returns; its name is only after ``sync``."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(_single(name), flags, 0o644, dir_fd=self.fd), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def write_new(self, name: str, data: bytes) -> None:
        """As ``write``, where nothing of that name may be there yet."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(_single(name), flags, 0o644, dir_fd=self.fd), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def rename(self, old: str, new: str) -> None:
        os.rename(_single(old), _single(new), src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def sync(self) -> None:
        try:
            os.fsync(self.fd)
        except OSError as error:
            if error.errno != 22:  # EINVAL: this file system cannot sync folders
                raise

    def remove(self, name: str) -> None:
        """A folder and all in it; links are removed, not followed."""
        with self.inner(name) as inner:
            for each in list(inner.names()):
                found = os.stat(each, dir_fd=inner.fd, follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    inner.remove(each)
                else:
                    os.unlink(each, dir_fd=inner.fd)
        os.rmdir(name, dir_fd=self.fd)

    def status(self) -> os.stat_result:
        return os.fstat(self.fd)


def _single(name: str) -> str:
    if not name or "/" in name or "\x00" in name or name in (".", ".."):
        raise OSError("no single name")
    return name
