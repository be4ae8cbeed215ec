"""One file of a bundle -> an upload, by the way that chunks over the link take."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.hub.box_api.body import reason
from appliance.hub.box_api.uploads import add_chunk, finished, times_of
from appliance.hub.hub import Hub
from appliance.hub.store import uploads
from appliance.hub.store.uploads import Upload
from appliance.sync.bundle import reading
from appliance.sync.bundle.manifest import FileEntry
from appliance.sync.bundle.reading import Bundle
from appliance.sync.envelope.message import Message
from appliance.sync.protocol.upload import LARGEST_CHUNK_BYTES, Manifest

TRIES = 3  # what came over the link before may turn out to be broken: then from 0


async def take_file(
    hub: Hub, root: Path, scratch: Path, bundle: Bundle, message: Message, entry: FileEntry
) -> Literal["new", "known"]:
    """Raises ``data_loss`` (not what was signed), ``conflict``, ``invalid``; ``unavailable``, ``exhausted``
    where the stick or the hub's storage is."""
    manifest = _manifest(message, entry)
    times, box_id = times_of(manifest), bundle.found.device_id
    upload = await hub.store.read(lambda: uploads.get(box_id, message.id))
    if upload is not None and upload.state == "complete" and upload.is_of(manifest):
        return "known"
    with _copied(scratch) as file:  # before anything is begun here: a liar's file leaves no trace
        await asyncio.to_thread(_copy, root, bundle, entry, file)
        upload, _ = await hub.store.write(
            lambda: uploads.begin(box_id, message.id, manifest, times, hub.clock.now_ns())
        )
        if upload is None or not upload.is_of(manifest):
            raise ApplianceError("conflict", "this id is held as something else", "it is held already")
        if upload.state == "complete":
            return "known"
        await _deliver(hub, upload, file)
    return "new"


async def _deliver(hub: Hub, upload: Upload, file: BinaryIO) -> None:
    """From where it stands, whoever brought it there, until it is complete."""
    for _ in range(TRIES):
        while upload.state != "complete" and upload.received_bytes < upload.size_bytes:
            data = await asyncio.to_thread(_piece, file, upload.received_bytes)
            fresh = await add_chunk(hub, upload, data, hashlib.sha256(data).hexdigest())
            upload = fresh or await _as_it_is(hub, upload)
        while upload.state == "partial" and upload.received_bytes == upload.size_bytes:
            await finished(hub, upload)
            upload = await _as_it_is(hub, upload)
        if upload.state == "complete":
            return
    raise ApplianceError("unavailable", "it could not be put together here", "look at the hub's files")


async def _as_it_is(hub: Hub, upload: Upload) -> Upload:
    found = await hub.store.read(lambda: uploads.get(upload.box_id, upload.id))
    if found is None:
        raise ApplianceError("conflict", "this upload was begun anew meanwhile", "import it again")
    return found


def _manifest(message: Message, entry: FileEntry) -> Manifest:
    """As if the box had announced it."""
    told = {
        "kind": message.kind,
        "created_at": message.created_at,
        "size_bytes": entry.size_bytes,
        "sha256": entry.sha256,
        "mime": entry.mime,
    }
    try:
        told["file"] = msgspec.json.decode(message.body)
        return msgspec.convert(told, Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(reason(error)) from None


def _copy(root: Path, bundle: Bundle, entry: FileEntry, file: BinaryIO) -> None:
    try:
        reading.copy(root, bundle, entry, file.write)
    except OSError as error:
        raise ApplianceError(
            "exhausted", f"the hub's own disk: {error.strerror}", "free space where its data is"
        ) from error
    except ApplianceError as error:
        # Whatever keeps it from being read: what was signed is not there. The next bundle may be good.
        raise ApplianceError("data_loss", error.message, error.hint) from None


def _piece(file: BinaryIO, offset: int) -> bytes:
    return os.pread(file.fileno(), LARGEST_CHUNK_BYTES, offset)


@contextmanager
def _copied(scratch: Path) -> Iterator[BinaryIO]:
    """A file without a name, gone with this block or with this process."""
    with tempfile.TemporaryFile(dir=scratch, buffering=0) as file:
        yield file
