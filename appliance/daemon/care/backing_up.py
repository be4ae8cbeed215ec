"""A backup: databases, secrets and configuration in one file; no footage. Made beside a running daemon.

On a stick it lies under a passphrase, and has its name only when it is whole: written in small steps that are
each on the stick before the next, so that other disks never wait for it, and read once more at the end.
"""

import errno
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from appliance import __version__
from appliance.base.clock import Clock, rfc3339
from appliance.base.config import FILE_NAME, Config
from appliance.base.durable import fsync_folder
from appliance.base.errors import ApplianceError
from appliance.daemon.stores import Stores
from appliance.store import copying, passphrase, settings
from appliance.system import disk
from appliance.system.sticks import BACKUP_SUFFIX
from appliance.system.update import record

MANIFEST = "backup.json"
SCRATCH_PREFIX = ".backup-"
LAST = "last-backup.json"
STEP_BYTES = 8 << 20
RESERVE_BYTES = 64 << 20  # of the box's own disk

Tell = Callable[[str, int, int], None]  # (step: copying | writing | reading, bytes done, bytes in all)


class Manifest(msgspec.Struct, frozen=True):
    """First member of the file. ``files``: name -> SHA-256."""

    version: str
    device_id: str
    created_at: str
    files: dict[str, str]


class LastBackup(msgspec.Struct, frozen=True):
    """Of the newest one that was put on a stick: what is shown for it."""

    at: str
    name: str
    folder: str
    size_bytes: int
    sha256: str


def last(data_dir: Path) -> LastBackup | None:
    """None: none was made since this box was set up or restored."""
    try:
        return msgspec.json.decode((data_dir / LAST).read_bytes(), type=LastBackup)
    except (OSError, msgspec.MsgspecError):
        return None


def to_file(config: Config, stores: Stores, output: Path, clock: Clock) -> int:
    """Not sealed; its size. Raises ``unavailable`` where it cannot be written."""
    with _scratch(config) as name:
        manifest, members = _collect(config, stores, Path(name), clock, _silent)
        partial = output.with_name(f".{output.name}.part")
        try:
            _pack(partial, manifest, members)
            partial.rename(output)
        except OSError as error:
            raise fault(error, output) from error
        finally:
            partial.unlink(missing_ok=True)
    return output.stat().st_size


def to_stick(
    config: Config, stores: Stores, folder: Path, secret: str, clock: Clock, tell: Tell
) -> LastBackup:
    """Raises ``exhausted`` where there is no room, ``unavailable`` where the stick fails or is gone."""
    needed = sum(path.stat().st_size for path in _databases(stores))
    _room(folder, needed, "the stick", "delete older backups on it, or take another")
    _room(config.data_dir, 2 * needed + RESERVE_BYTES, "the box's own disk", "free space on it")
    with _scratch(config) as name:
        scratch = Path(name)
        plain = scratch / "plain.tar"
        try:
            manifest, members = _collect(config, stores, scratch, clock, tell)
            _pack(plain, manifest, members)
        except OSError as error:
            raise fault(error, config.data_dir / LAST) from error
        output = folder / file_name(manifest.device_id, manifest.created_at)
        size, sha256 = _seal(plain, output, secret, tell)
    made = LastBackup(manifest.created_at, output.name, str(folder), size, sha256)
    try:
        record.replace(config.data_dir / LAST, msgspec.json.encode(made))
    except OSError:
        pass  # the backup is made; only its age will not be shown
    return made


def file_name(device_id: str, now: str) -> str:
    """``aries-0190a1b2-20260120T143000Z.backup``: names sort by time."""
    stamp = now[:19].replace("-", "").replace(":", "")
    return f"aries-{device_id.replace('-', '')[-8:]}-{stamp}Z{BACKUP_SUFFIX}"


def fault(error: OSError, output: Path) -> ApplianceError:
    """In words that a person before the box can do something with."""
    why = error.strerror or "it fails"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            hint = "delete what is on it, or take another: what was written of this one is gone again"
            return ApplianceError("exhausted", f"{output.parent} is full", hint)
        case errno.EIO | errno.ENODEV | errno.ENXIO | errno.ENOENT | errno.ESTALE | errno.ENOTCONN:
            hint = "plug it in again and begin anew: what is on it of this backup is not whole"
            return ApplianceError("unavailable", f"{output.parent} went away while it was written", hint)
        case errno.EROFS | errno.EACCES | errno.EPERM:
            hint = "open its lock, or take another"
            return ApplianceError("unavailable", f"{output.parent} can only be read", hint)
        case errno.EFBIG:
            hint = "format it as exFAT, or take another"
            return ApplianceError("exhausted", f"{output.parent} takes no file of this size", hint)
    return ApplianceError("unavailable", f"{output} cannot be written: {why}", "choose another place")


def _scratch(config: Config) -> tempfile.TemporaryDirectory[str]:
    """The copies hold secrets: beside the originals, not in a /tmp that others read."""
    return tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=config.data_dir, ignore_cleanup_errors=True)


def _databases(stores: Stores) -> list[Path]:
    return [database.path for database in (stores.appliance, stores.archive, stores.tracks)]


def _room(folder: Path, needed_bytes: int, whose: str, hint: str) -> None:
    try:
        free = disk.usage(folder).free_bytes
    except OSError as error:
        raise fault(error, folder / MANIFEST) from error
    if free < needed_bytes:
        text = f"{whose} has no room: {needed_bytes / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free"
        raise ApplianceError("exhausted", text, hint)


def _collect(
    config: Config, stores: Stores, scratch: Path, clock: Clock, tell: Tell
) -> tuple[Manifest, list[tuple[str, Path]]]:
    databases = (stores.appliance, stores.archive, stores.tracks)
    sizes = [path.stat().st_size for path in _databases(stores)]
    members = []
    for number, database in enumerate(databases):
        tell("copying", sum(sizes[:number]), sum(sizes))
        copying.copy_to(database, scratch / database.path.name)
        members.append((database.path.name, scratch / database.path.name))
    tell("copying", sum(sizes), sum(sizes))
    members += [
        (f"secrets/{path.name}", path) for path in sorted(config.secrets_dir.iterdir()) if path.is_file()
    ]
    if (config.data_dir / FILE_NAME).is_file():
        members.append((FILE_NAME, config.data_dir / FILE_NAME))
    device_id = stores.appliance.read_now(settings.device_id)
    digests = {member: _sha256(path) for member, path in members}
    return Manifest(__version__, device_id, rfc3339(clock.now_ns()), digests), members


class _Steadily:
    """A new file that never has more than one step in the system's cache: a slow stick would else hold up
    the disks that record. ``sha256`` is of all that was written."""

    def __init__(self, file: BinaryIO, all_bytes: int, tell: Tell) -> None:
        self._file, self._all_bytes, self._tell = file, all_bytes, tell
        self.sha256 = hashlib.sha256()
        self.written = self._waiting = 0

    def write(self, data: bytes, /) -> int:
        self._file.write(data)
        self.sha256.update(data)
        self.written += len(data)
        self._waiting += len(data)
        if self._waiting >= STEP_BYTES:
            self.settle()
        return len(data)

    def settle(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._waiting = 0
        self._tell("writing", min(self.written, self._all_bytes), self._all_bytes)


def _seal(plain: Path, output: Path, secret: str, tell: Tell) -> tuple[int, str]:
    """Size and SHA-256. On a stick there are no modes and no links: a name of its own until it is whole."""
    if output.exists():
        raise ApplianceError("conflict", f"{output} exists", "try again in a second")
    partial = output.with_name(f".{output.name}.part")
    try:
        tell("writing", 0, plain.stat().st_size)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with plain.open("rb") as source, os.fdopen(descriptor, "wb") as file:
            steadily = _Steadily(file, plain.stat().st_size, tell)
            passphrase.seal(source, steadily, secret)
            steadily.settle()
        sha256 = steadily.sha256.hexdigest()
        if _read_again(partial, steadily.written, tell) != sha256:
            text = f"{output.parent} does not give back what was written to it"
            raise ApplianceError("data_loss", text, "take another stick: this one is worn out, or a fake")
        partial.rename(output)
        fsync_folder(output.parent)
        return steadily.written, sha256
    except OSError as error:
        raise fault(error, output) from error
    finally:
        _forget(partial)


def _read_again(path: Path, size: int, tell: Tell) -> str:
    """From the stick, not from memory."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := file.read(STEP_BYTES):
            digest.update(piece)
            done += len(piece)
            tell("reading", done, size)
    return digest.hexdigest()


def _forget(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:
        pass  # the stick is gone, or fails: what went wrong is said already


def _pack(output: Path, manifest: Manifest, members: list[tuple[str, Path]]) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            body = msgspec.json.format(msgspec.json.encode(manifest))
            tar.addfile(_entry(MANIFEST, len(body)), io.BytesIO(body))
            for name, path in members:
                with path.open("rb") as source:
                    tar.addfile(_entry(name, path.stat().st_size), source)
        file.flush()
        os.fsync(file.fileno())


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _silent(step: str, done: int, all_bytes: int) -> None:
    return None
