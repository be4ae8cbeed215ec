"""Putting a pack into a folder of packs: whole and on stable storage, or not at all.

It is built beside its final place, every file and folder is synced, and one rename makes it visible.
A pack that is replaced is exchanged in one step (renameat2(2), RENAME_EXCHANGE); where the file system
has no such step, the old one is kept under a hidden name until the new one stands, and ``mended``
gives it back after a crash between the two.
"""

import ctypes
import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.packs import catalogue
from appliance.vision.packs.pack import DESCRIPTION, Pack, PackFile, check_files, load_pack, not_there, sha256

SCRATCH = ".install-"
OLD = ".old-"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fs.h


@contextmanager
def workplace(models_path: Path) -> Iterator[Path]:
    """An empty folder beside the packs, for one installer at a time; gone afterwards. What a killed
    one left behind is cleared first. Raises ``conflict`` while another command installs."""
    models_path.mkdir(parents=True, exist_ok=True)
    lock = os.open(models_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of the folder itself: no file to leave behind
        mended(models_path)
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=models_path) as name:
            yield Path(name)
    except BlockingIOError:
        hint = "wait until it is done, then try again"
        raise ApplianceError("conflict", f"another command installs into {models_path}", hint) from None
    finally:
        os.close(lock)


def mended(models_path: Path) -> None:
    """Undo what a crash left half done. Only the holder of the lock may call it."""
    for path in models_path.glob(SCRATCH + "*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in models_path.glob(OLD + "*"):
        target = models_path / path.name.removeprefix(OLD)
        if target.exists():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.rename(target)


def place(folder: Path, models_path: Path) -> Pack:
    """Check the pack in ``folder``, a folder on the same file system, and move it to its name.

    Raises ``invalid``, ``not_found``, ``data_loss``, and ``conflict`` where a known model's name stands over
    other files: then nothing has changed.
    """
    pack = load_pack(folder)
    check_files(pack)
    known = catalogue.known(pack.name)
    if known is not None and not same_files(pack, known):
        text = f"{pack.name} is the name of a known model, and these are not its files"
        raise ApplianceError("conflict", text, f"give the pack another name (name in {DESCRIPTION})")
    for entry in (DESCRIPTION, *(entry.path for entry in pack.files)):
        _sync(folder / entry)
    _sync(folder)
    target, old = models_path / pack.name, models_path / f"{OLD}{pack.name}"
    if target.is_symlink() or target.is_file():
        raise ApplianceError("conflict", f"{target} is not a folder", "move it away")
    if not target.exists():
        folder.rename(target)
    elif not _exchange(folder, target):
        target.rename(old)
        folder.rename(target)
    _sync(models_path)
    shutil.rmtree(old, ignore_errors=True)
    return load_pack(target)


def write_pack(pack: Pack, sources: Mapping[str, Path], folder: Path) -> None:
    """Make ``folder`` from a description and, for each name in it, the file it is copied from."""
    folder.mkdir()
    for entry in pack.files:
        shutil.copyfile(sources[entry.path], folder / entry.path)
    (folder / DESCRIPTION).write_text(describe(pack))


def copy_pack(source: Path, folder: Path) -> None:
    """Only ``model.toml`` and what it names; a pack brings nothing else along, and no links."""
    pack = load_pack(source)
    folder.mkdir()
    for name in (DESCRIPTION, *(entry.path for entry in pack.files)):
        path = source / name
        if path.is_symlink():
            hint = "copy the file itself into the pack"
            raise invalid(f"{name} of {pack.name} is a link", hint, field="files.path")
        if not path.is_file():
            raise not_there(name, pack.name)
        shutil.copyfile(path, folder / name)


def same_files(one: Pack, other: Pack) -> bool:
    return {entry.sha256 for entry in one.files} == {entry.sha256 for entry in other.files}


def file_entry(path: Path, name: str | None = None) -> PackFile:
    return PackFile(name or path.name, sha256(path))


def describe(pack: Pack) -> str:
    """The text of ``model.toml``. JSON's strings, numbers and lists are TOML's too."""
    fields: dict[str, Any] = msgspec.to_builtins(pack)
    plain = [key for key, value in fields.items() if key not in ("files", "folder") and value is not None]
    lines = [f"{key} = {_value(fields[key])}" for key in plain]
    for entry in fields["files"]:
        lines += ["", "[[files]]", *(f"{key} = {_value(value)}" for key, value in entry.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # the one TOML forbids


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the kernel or the file system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    done = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(number, os.strerror(number), str(other))
