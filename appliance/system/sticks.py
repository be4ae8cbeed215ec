"""What is plugged in: mounted sticks and disks under the folders that they are mounted in."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from appliance.system import disk

BACKUP_SUFFIX = ".backup"
PLACES = (Path("/media"), Path("/run/media"), Path("/mnt"))
_VIRTUAL = {"autofs", "overlay", "squashfs", "proc", "sysfs"}


class Stick(msgspec.Struct, frozen=True):
    """``folder``: where it is mounted. ``writable``: by this process."""

    folder: str
    name: str
    size_bytes: int
    free_bytes: int
    writable: bool


def mounted(places: Iterable[Path]) -> Iterator[Path]:
    """Mount points under the places, and their folders: /media/stick, /media/user/stick."""
    for place in places:
        for depth in (place, *_below(place)):
            if depth.is_mount() or depth.parent in places or depth.parent.parent in places:
                yield depth


def sticks(places: Sequence[Path], never: Iterable[Path]) -> list[Stick]:
    """Those that a file may be put on: mounts of their own, none that holds one of ``never`` (the box's own
    disks). Blocks for as long as a bad stick takes to answer."""
    own = {_device(path) for path in (Path("/"), *never)}
    found = []
    for folder in mounted(places):
        if folder in places or not folder.is_mount() or _device(folder) in own:
            continue
        mount = disk.mount_of(folder)
        if mount is None or mount.kind in _VIRTUAL or mount.network:
            continue
        try:
            usage = disk.usage(folder)
        except OSError:
            continue  # it is being pulled out
        writable = not mount.read_only and os.access(folder, os.W_OK | os.X_OK)
        found.append(Stick(str(folder), folder.name, usage.total_bytes, usage.free_bytes, writable))
    return sorted(found, key=lambda stick: stick.folder)


def backups(folder: Path) -> list[str]:
    """Names of the backups in a stick's top folder, the newest last: they end in their time. Empty where
    it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []
    found = [name for name in names if name.endswith(BACKUP_SUFFIX) and not name.startswith(".")]
    return sorted(found, key=lambda name: name.rsplit("-", 1)[-1])


def _device(path: Path) -> int | None:
    """Of the disk that ``path`` is on, or will be on."""
    for each in (path, *path.parents):
        try:
            return each.stat().st_dev
        except OSError:
            continue
    return None


def _below(folder: Path) -> Iterator[Path]:
    for each in _folders(folder):
        yield each
        yield from _folders(each)


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
