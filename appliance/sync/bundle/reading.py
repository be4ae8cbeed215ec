"""The hub's side. The stick is a stranger's until its signature fits, and a liar even then: what it shows
once it may not show twice, so nothing is looked at before it is read, and nothing is used that was not
hashed on that very reading. No path comes from it; no link, pipe or device is opened."""

import base64
import binascii
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.base.errors import ApplianceError
from appliance.sync.bundle.folders import Folder
from appliance.sync.bundle.manifest import (
    DAY,
    DEVICE,
    FILES,
    LONGEST_MANIFEST_BYTES,
    LONGEST_ROWS_BYTES,
    MANIFEST,
    NAME,
    ROWS,
    SIGNATURE,
    TOP,
    FileEntry,
    Manifest,
    signed_text,
)
from appliance.sync.envelope.message import Message
from appliance.sync.envelope.reading import read

CHUNK_BYTES = 1 << 20
MOST_NAMES = 100_000  # in one folder
NO_FOLDER = (errno.ENOTDIR, errno.ELOOP, errno.EACCES)  # a file, a link, somebody else's
KeyOf = Callable[[str], bytes | None]


class Found(msgspec.Struct, frozen=True):
    """Something that is named as a bundle is."""

    device_id: str
    day: str
    name: str


class Bundle(msgspec.Struct, frozen=True):
    """Its signature fits, and its rows are what was signed."""

    found: Found
    manifest: Manifest
    messages: tuple[Message, ...]


def find(root: Path, skipped: Callable[[str], object] = lambda _: None) -> Iterator[Found]:
    """By box, oldest first. ``skipped`` is told of each thing that is named like a folder of a box and is
    none: a stick with one of them is still a stick. Raises ``unavailable`` where there is no such folder."""
    try:
        with Folder.at(root) as stick, stick.inner(TOP) as top:
            for device in _sorted(top, DEVICE.fullmatch):
                with _entered(top, device, device, skipped) as days:
                    for day in _sorted(days, DAY.fullmatch) if days else ():
                        with _entered(days, day, f"{device}/{day}", skipped) as names:
                            found = _sorted(names, NAME.fullmatch) if names else []
                            yield from (Found(device, day, name) for name in found)
    except OSError as error:
        hint = f"it needs a folder {TOP}; is it a stick of a box?"
        raise ApplianceError("unavailable", f"{root} cannot be read ({error})", hint) from None


def take(root: Path, found: Found, key_of: KeyOf) -> Bundle:
    """``key_of``: device id -> its public identity key, 32 bytes; None: no such box. Raises ``denied``
    (not signed by that box), ``data_loss`` (not what was signed), ``invalid`` (signed, and no bundle all
    the same), ``unavailable`` (the stick was pulled)."""
    key = key_of(found.device_id)
    if key is None:
        raise ApplianceError("denied", f"no box {found.device_id} is known here", "enrol it first")
    try:
        with _folder(root, found) as folder:
            encoded = folder.read(MANIFEST, LONGEST_MANIFEST_BYTES)
            _check(key, folder.read(SIGNATURE, 200), signed_text(encoded))
            manifest = _manifest(encoded, found)
            rows = folder.read(ROWS, min(manifest.rows_bytes, LONGEST_ROWS_BYTES))
    except OSError as error:
        raise _unreadable(found, error) from None
    if len(rows) != manifest.rows_bytes or hashlib.sha256(rows).hexdigest() != manifest.rows_sha256:
        raise ApplianceError("data_loss", f"the rows of {found.name} are damaged", "deliver them again")
    return Bundle(found, manifest, _messages(rows, manifest))


def copy(root: Path, bundle: Bundle, entry: FileEntry, sink: Callable[[bytes], object]) -> None:
    """Give the file to ``sink`` in pieces of at most 1 MiB. What ``sink`` was given counts only if this
    returns. Raises ``data_loss`` where it is not what was signed, ``unavailable``."""
    digest, left = hashlib.sha256(), entry.size_bytes
    for piece in _pieces(root, bundle.found, entry):
        digest.update(piece)
        left -= len(piece)
        sink(piece)
    if left or digest.hexdigest() != entry.sha256:
        raise _damaged(entry)


def _pieces(root: Path, found: Found, entry: FileEntry) -> Iterator[bytes]:
    """At most ``size_bytes`` together."""
    left = entry.size_bytes
    try:
        with _folder(root, found) as folder, folder.inner(FILES) as files:
            fd = files.open_file(entry.name)
        with os.fdopen(fd, "rb", buffering=0) as file:
            if os.fstat(fd).st_size != left:
                raise _damaged(entry)
            while left and (piece := file.read(min(CHUNK_BYTES, left))):
                left -= len(piece)
                yield piece
    except OSError as error:
        raise _unreadable(found, error) from None


def _folder(root: Path, found: Found) -> Folder:
    for text, shape in ((found.device_id, DEVICE), (found.day, DAY), (found.name, NAME)):
        if shape.fullmatch(text) is None:
            raise ApplianceError("invalid", "this is no name of a bundle", "")
    with (
        Folder.at(root) as stick,
        stick.inner(TOP) as top,
        top.inner(found.device_id) as device,
        device.inner(found.day) as day,
    ):
        return day.inner(found.name)


@contextmanager
def _entered(
    folder: Folder | None, name: str, place: str, skipped: Callable[[str], object]
) -> Iterator[Folder | None]:
    """None: it is no folder, or not one that may be opened. Raises ``OSError`` where the stick fails."""
    assert folder is not None
    try:
        inner = folder.inner(name)
    except OSError as error:
        if error.errno not in NO_FOLDER:
            raise
        skipped(f"{TOP}/{place} is no folder that can be opened ({error.strerror})")
        yield None
        return
    with inner:
        yield inner


def _sorted(folder: Folder, fits: Callable[[str], object]) -> list[str]:
    names: list[str] = []
    for count, name in enumerate(folder.names()):
        if count >= MOST_NAMES:
            break
        if fits(name):
            names.append(name)
    return sorted(names)


def _check(key: bytes, signature: bytes, text: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(signature, validate=True), text)
    except (InvalidSignature, ValueError, binascii.Error):
        hint = "it is no delivery of that box; keep the stick and ask who had it"
        raise ApplianceError("denied", "its signature does not fit", hint) from None


def _manifest(encoded: bytes, found: Found) -> Manifest:
    try:
        manifest = msgspec.json.decode(encoded, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApplianceError("invalid", f"its manifest cannot be read: {error}", "update the hub") from None
    except RecursionError:
        raise ApplianceError("invalid", "its manifest is nested too deeply", "no box writes that") from None
    if (manifest.device_id, manifest.day, manifest.name) != (found.device_id, found.day, found.name):
        raise ApplianceError("denied", "it was signed under another name", "it was moved or renamed")
    return manifest


def _messages(rows: bytes, manifest: Manifest) -> tuple[Message, ...]:
    lines = rows.splitlines()
    if len(lines) != manifest.rows:
        raise ApplianceError("invalid", f"{len(lines)} rows, {manifest.rows} were signed", "")
    messages = tuple(read(line) for line in lines)
    if any(message.device_id != manifest.device_id for message in messages):
        raise ApplianceError("invalid", "a row names another box", "")
    missing = {entry.row_id for entry in manifest.files} - {message.id for message in messages}
    if missing:
        raise ApplianceError("invalid", "there is a file without its row", "")
    return messages


def _unreadable(found: Found, error: OSError) -> ApplianceError:
    return ApplianceError(
        "unavailable", f"{found.name} cannot be read ({error})", "try again, or another slot"
    )


def _damaged(entry: FileEntry) -> ApplianceError:
    return ApplianceError("data_loss", f"the file of {entry.row_id} is damaged", "deliver it again")
