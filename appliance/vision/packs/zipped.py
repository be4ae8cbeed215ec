"""Unpacking a stranger's .zip: plain files with plain names, of a bounded size, in one folder.

A zip may hold paths that lead out, links, device files, two members of one name, and may say less
than it unpacks to: the bytes that come out are counted, not the ones it promises.
"""

import errno
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.packs.pack import DESCRIPTION

LARGEST_BYTES = 2_000_000_000
MOST_MEMBERS = 100
LONGEST_NAME = 200
CHUNK_BYTES = 1 << 20
ENCRYPTED = 0x1  # bit 0 of the general purpose flags (APPNOTE.TXT 4.4.4)
# What zipfile and its decompressors raise for bytes that make no sense; a bad offset is EINVAL, a bad
# bzip2 stream has no number, a file where a folder should be is one of the last three.
_DAMAGE: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    IndexError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    OSError,
)
_DAMAGE_ERRNOS = (None, errno.EINVAL, errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG)
MAC_NOISE = "__MACOSX"  # what a Mac's Finder adds to each zip


def unzip(path: Path, folder: Path, largest_bytes: int = LARGEST_BYTES) -> Path:
    """Unpack into ``folder``, which is made; the folder in it that holds ``model.toml``.

    Raises ``invalid`` (no zip, or not one of ours) and ``exhausted`` (too large).
    """
    folder.mkdir()
    left = largest_bytes
    try:
        with zipfile.ZipFile(path) as archive:
            members = list(_members(archive, path.name))
            for member, parts in members:
                target = folder.joinpath(*parts)
                target.parent.mkdir(exist_ok=True)
                left = _copy(archive, member, target, left, path.name)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in _DAMAGE_ERRNOS:
            raise  # the disk, not the zip
        raise invalid(f"{path.name} is a damaged zip: {error}", "get it again") from error
    homes = [folder.joinpath(*parts[:-1]) for _, parts in members if parts[-1] == DESCRIPTION]
    if len(homes) != 1:
        number = f"{len(homes)} of them" if homes else "none"
        raise invalid(f"{path.name} must hold one {DESCRIPTION}, it holds {number}", "zip one pack's folder")
    return homes[0]


def _members(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[zipfile.ZipInfo, tuple[str, ...]]]:
    found = archive.infolist()
    if len(found) > MOST_MEMBERS:
        raise invalid(f"{name} holds {len(found)} members", f"a pack has at most {MOST_MEMBERS}")
    seen: set[tuple[str, ...]] = set()
    for member in found:
        parts = PurePosixPath(member.filename).parts
        if member.is_dir() or (parts and parts[0] == MAC_NOISE):
            continue
        if fault := _fault(member, parts):
            raise invalid(f"{name}: {member.filename[:80]!r} {fault}", "zip one folder of plain files")
        if parts in seen:
            raise invalid(f"{name} holds {member.filename[:80]!r} twice", "zip the folder again")
        seen.add(parts)
        yield member, parts


def _fault(member: zipfile.ZipInfo, parts: tuple[str, ...]) -> str:
    """Completes "MEMBER ...", or is empty."""
    mode = member.external_attr >> 16  # of archives made on Unix; 0 elsewhere
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or a device"
    if member.flag_bits & ENCRYPTED:
        return "is encrypted"
    if not 1 <= len(parts) <= 2:
        return "is not in one folder"
    for part in parts:
        if part in ("..", "/", ".") or "\\" in part or ":" in part or not part.isprintable():
            return "leads out of the folder"
        if len(part) > LONGEST_NAME:
            return "has too long a name"
    return "leads out of the folder" if member.filename.startswith("/") else ""


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int, name: str) -> int:
    with archive.open(member) as source, target.open("xb") as out:
        while chunk := source.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise ApplianceError("exhausted", f"{name} unpacks to too much", "a pack is at most 2 GB")
            out.write(chunk)
    return left
