"""Files in chunks: what is to come, what has come, and the whole once its hash fits."""

import asyncio
import hashlib
import logging
import re

import msgspec
from aiohttp import web

from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.http_errors import HttpError
from appliance.hub.box_api import body
from appliance.hub.box_api.door import Caller
from appliance.hub.figures import FIGURES
from appliance.hub.hub import Hub
from appliance.hub.store import quota, uploads
from appliance.hub.store.steps import Steps
from appliance.hub.store.uploads import Chunk, Times, Upload
from appliance.sync.protocol.batch import RowId
from appliance.sync.protocol.upload import CHUNK_HASH, LARGEST_CHUNK_BYTES, Manifest, UploadState
from appliance.web.errors import error_body
from appliance.web.params import time_from

log = logging.getLogger(__name__)

LONGEST_MANIFEST_BYTES = 16_000
FINISH_S = 20.0  # how long a box is kept waiting while its file is put together
_HASH = re.compile(r"[0-9a-f]{64}")
_OFFSET = re.compile(r"[0-9]{1,12}")


async def begin(caller: Caller) -> web.StreamResponse:
    upload_id = _id(caller)
    manifest = await body.read_json(caller.request, Manifest, LONGEST_MANIFEST_BYTES)
    times = times_of(manifest)
    hub, box_id, now_ns = caller.hub, caller.box.id, caller.now_ns
    limits = hub.settings.quota

    def work() -> Steps[tuple[Upload | None, bool]]:
        full = yield from quota.check(
            box_id, upload_id, manifest.size_bytes, limits.bytes_per_box, limits.partial_per_box, now_ns
        )
        if full:
            raise HttpError(507, "exhausted", full, "raise it in hub.toml, [quota], or let old files go")
        return (yield from uploads.begin(box_id, upload_id, manifest, times, now_ns))

    upload, new = await hub.store.write(work)
    if upload is None:
        raise ApplianceError("conflict", "this id was delivered as something else", "it is held already")
    if not upload.is_of(manifest):
        raise ApplianceError("conflict", "this id is a complete file of other content", "it is held already")
    return body.answer(await finished(hub, upload), 201 if new else 200)


async def state(caller: Caller) -> web.StreamResponse:
    return body.answer(await finished(caller.hub, await _upload(caller)))


async def chunk(caller: Caller) -> web.StreamResponse:
    try:
        return await _chunk(caller)
    except _WrongOffset as error:
        return body.answer({**error_body(error), "upload": error.upload.told()}, 409)


async def _chunk(caller: Caller) -> web.StreamResponse:
    """Taken whole or not at all; the bytes are on stable storage before the row says so."""
    hub, upload = caller.hub, await _upload(caller)
    offset, said = _offset(caller), caller.request.headers.get(CHUNK_HASH, "")
    if _HASH.fullmatch(said) is None:
        raise invalid(f"{CHUNK_HASH} is missing", "send the chunk's SHA-256 in hex", field=CHUNK_HASH)
    length = caller.request.content_length
    if length is not None and upload.state != "complete" and offset != upload.received_bytes:
        _must_be_there(offset, length, upload)
    data = await body.read(caller.request, LARGEST_CHUNK_BYTES)
    if not data:
        raise invalid("an empty chunk is none", "send at least one byte")
    if hashlib.sha256(data).hexdigest() != said:
        raise invalid("the chunk's hash does not fit: nothing was taken", "send it again", field=CHUNK_HASH)
    if offset + len(data) > upload.size_bytes:
        raise invalid("the chunk goes beyond the file's end", "send what the manifest says", field="offset")
    if offset != upload.received_bytes or upload.state == "complete":
        return await _known_or_wrong(hub, offset, len(data), upload)
    fresh = await add_chunk(hub, upload, data, said)
    if fresh is None:  # another instance was faster, with this chunk or another
        return await _known_or_wrong(hub, offset, len(data), await _upload(caller))
    caller.request.app[FIGURES].file_bytes(len(data))
    return body.answer(await finished(hub, fresh))


async def add_chunk(hub: Hub, upload: Upload, data: bytes, sha256: str) -> Upload | None:
    """Put ``data`` where the upload ends. The upload as it is then; None: it is not where it was."""
    offset = upload.received_bytes
    name = f"{upload.chunk_prefix}{offset:012d}-{len(data)}-{sha256[:16]}"
    await hub.files.put(name, data)
    return await hub.store.write(
        lambda: uploads.advance(upload, Chunk(offset, len(data), name), hub.clock.now_ns())
    )


def _must_be_there(offset: int, length: int, upload: Upload) -> None:
    """Raises ``_WrongOffset`` before the body is read: a chunk that cannot be taken costs nothing."""
    if offset + length > upload.received_bytes:
        raise _WrongOffset(upload)


async def _known_or_wrong(hub: Hub, offset: int, length: int, upload: Upload) -> web.StreamResponse:
    if offset + length <= upload.received_bytes or upload.state == "complete":
        return body.answer(await finished(hub, upload))  # it is there already: nothing is written twice
    raise _WrongOffset(upload)


class _WrongOffset(ApplianceError):
    def __init__(self, upload: Upload) -> None:
        super().__init__(
            "conflict", f"the next byte is {upload.received_bytes}", "go on from there", field="offset"
        )
        self.upload = upload


async def finished(hub: Hub, upload: Upload) -> UploadState:
    """Put the file together if all of it has come; what the box is told. Where that takes long, the box
    is told so far as it is and asks again."""
    if upload.state != "partial" or upload.received_bytes < upload.size_bytes:
        return upload.told()
    key = upload.name
    task = hub.finishing.get(key)
    if task is None:
        task = hub.finishing[key] = asyncio.create_task(_finish(hub, upload), name=f"finish-{upload.id}")
        task.add_done_callback(lambda _: hub.finishing.pop(key, None))
    await asyncio.wait({task}, timeout=FINISH_S)
    if task.done():
        task.result()
    now = await hub.store.read(lambda: uploads.get(upload.box_id, upload.id))
    return (now or upload).told()


async def _finish(hub: Hub, upload: Upload) -> None:
    chunks = await hub.store.read(lambda: uploads.chunks(upload))
    if sum(chunk.length_bytes for chunk in chunks) != upload.size_bytes:
        return  # another instance has finished it, or it began anew
    sha256 = await _joined(hub, upload, [chunk.name for chunk in chunks])
    now_ns = hub.clock.now_ns()
    if sha256 == upload.sha256:
        await hub.store.write(lambda: uploads.complete(upload, now_ns))
    else:
        log.warning("upload %s of box %s is not what was promised: again", upload.id, upload.box_id)
        await hub.store.write(lambda: uploads.broke(upload, now_ns))


async def _joined(hub: Hub, upload: Upload, names: list[str]) -> str:
    """The whole file's SHA-256; empty where a chunk is gone: the database was restored from a time before
    this file was complete, and what was garbage since is swept."""
    try:
        return await hub.files.join(names, upload.name)
    except ApplianceError as error:
        if error.kind != "not_found":
            raise
        return ""


async def _upload(caller: Caller) -> Upload:
    upload_id, box_id = _id(caller), caller.box.id
    found = await caller.hub.store.read(lambda: uploads.get(box_id, upload_id))
    if found is None:
        raise not_found("upload", upload_id)
    return found


def _id(caller: Caller) -> str:
    try:
        return msgspec.convert(caller.request.match_info["id"], RowId)
    except msgspec.ValidationError:
        raise invalid("this is no id", "A-Z, a-z, 0-9, _ and -, at most 64", field="id") from None


def _offset(caller: Caller) -> int:
    text = caller.request.match_info["offset"]
    if _OFFSET.fullmatch(text) is None:
        raise invalid("this is no offset", "bytes from the start, in decimal", field="offset")
    return int(text)


def times_of(manifest: Manifest) -> Times:
    """Raises ``invalid`` where the file's facts make no sense."""
    for name in ("event_id", "camera_id", "stream"):
        text = getattr(manifest.file, name)
        if len(text) > 200 or not text.isprintable():
            raise invalid(f"this is no {name}", "", field=f"file.{name}")
    start_ns = time_from(manifest.file.start_time, "file.start_time")
    end_ns = time_from(manifest.file.end_time, "file.end_time")
    return Times(time_from(manifest.created_at, "created_at"), start_ns, end_ns)
