"""The box's side: rows and files -> a bundle, whole or not there. Blocks: to be called in a thread."""

import base64
import hashlib
import os
from collections.abc import Callable, Sequence

import msgspec

from appliance.base.clock import rfc3339
from appliance.store.outbox import OutboxRow
from appliance.sync.bundle.folders import Folder
from appliance.sync.bundle.manifest import (
    FILES,
    MANIFEST,
    PARTIAL,
    ROWS,
    SIGNATURE,
    TOP,
    FileEntry,
    Manifest,
    signed_text,
)
from appliance.sync.bundle.receipt import RECEIPT

Sign = Callable[[bytes], bytes]


class Draft(msgspec.Struct, frozen=True):
    """A bundle to be. ``lines``: the messages of ``rows``, one each."""

    manifest: Manifest
    rows: bytes

    @property
    def partial(self) -> str:
        return PARTIAL + self.manifest.name


def draft(
    device_id: str, rows: Sequence[OutboxRow], lines: Sequence[bytes], files: Sequence[FileEntry] = ()
) -> Draft:
    text = b"".join(line + b"\n" for line in lines)
    manifest = Manifest(
        device_id=device_id,
        created_at=rfc3339(rows[0].created_ns),
        rows=len(lines),
        rows_bytes=len(text),
        rows_sha256=hashlib.sha256(text).hexdigest(),
        files=tuple(files),
    )
    return Draft(manifest, text)


def day_folder(root: Folder, manifest: Manifest) -> Folder:
    """``aries/DEVICE/DAY``, made where it is missing."""
    with root.inner(TOP, make=True) as top, top.inner(manifest.device_id, make=True) as device:
        return device.inner(manifest.day, make=True)


def is_there(day: Folder, one: Draft) -> bool:
    """A bundle of this name is there, of this very manifest, and its parts are as long as they should
    be: an earlier delivery. One that somebody has touched is removed and made again; so is one with the
    hub's receipt: it would not be owed again if the hub had found it whole."""
    name = one.manifest.name
    if not day.has(name):
        return False
    encoded = msgspec.json.encode(one.manifest)
    try:
        with day.inner(name) as folder:
            if (
                folder.read(MANIFEST, len(encoded)) == encoded
                and folder.has(SIGNATURE)
                and not folder.has(RECEIPT)
                and _fits(folder, one)
            ):
                return True
    except OSError:
        pass
    day.remove(name)
    return False


def finish(day: Folder, one: Draft, sign: Sign) -> None:
    """Its files lie in ``one.partial`` already, on stable storage. After this the bundle is there."""
    encoded = msgspec.json.encode(one.manifest)
    with day.inner(one.partial, make=True) as folder:
        folder.write(ROWS, one.rows)
        folder.write(MANIFEST, encoded)
        folder.write(SIGNATURE, base64.b64encode(sign(signed_text(encoded))))
        folder.sync()
    day.rename(one.partial, one.manifest.name)
    day.sync()


def _fits(folder: Folder, one: Draft) -> bool:
    if folder.read(ROWS, len(one.rows)) != one.rows:
        return False
    if not one.manifest.files:
        return True
    with folder.inner(FILES) as files:
        for each in one.manifest.files:
            with os.fdopen(files.open_file(each.name), "rb") as file:
                if file.seek(0, 2) != each.size_bytes:
                    return False
    return True
