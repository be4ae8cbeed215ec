"""/uploads: stills and clips, watched with Range; also what has arrived of one that is on its way."""

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.errors import not_found
from appliance.hub.hub import Hub
from appliance.hub.people.routes import API, BOX, ID, Call, Route, answer
from appliance.hub.store import clips, uploads
from appliance.hub.store.steps import Steps
from appliance.hub.store.uploads import Chunk, Upload
from appliance.web.cameras.files import outside, wanted_range
from appliance.web.params import choices_of, one_of

KINDS = ("still", "small_clip", "clip", "sample")
STATES = ("partial", "complete", "broken")
_ENDINGS = {"image/jpeg": "jpg", "video/mp4": "mp4"}


def upload_json(upload: Upload) -> dict[str, Any]:
    return {
        "box_id": upload.box_id,
        "id": upload.id,
        "kind": upload.kind,
        "event_id": upload.event_id,
        "camera_id": upload.camera_id,
        "stream": upload.stream,
        "start_time": rfc3339(upload.start_ns),
        "end_time": rfc3339(upload.end_ns),
        "created_at": rfc3339(upload.created_ns),
        "changed_at": rfc3339(upload.changed_ns),
        "state": upload.state,
        "lost": bool(upload.lost),
        "received_bytes": upload.received_bytes,
        "size_bytes": upload.size_bytes,
        "sha256": upload.sha256,
        "mime": upload.mime,
        "url": f"{API}/uploads/{upload.box_id}/{upload.id}/file",
    }


async def all_uploads(call: Call) -> web.StreamResponse:
    (limit, cursor), request, person_id = call.page, call.request, call.person.id
    box_ids, event_ids = choices_of(request, "box_id"), choices_of(request, "event_id")
    kinds, states = one_of(request, "kind", KINDS), one_of(request, "state", STATES)
    found, more = await call.hub.store.read(
        lambda: clips.page(
            person_id, limit, cursor, box_ids=box_ids, event_ids=event_ids, kinds=kinds, states=states
        )
    )
    return answer({"uploads": [upload_json(upload) for upload in found], "next_cursor": more})


async def one_upload(call: Call) -> web.StreamResponse:
    return answer({"upload": upload_json((await _found(call))[0])})


async def file(call: Call) -> web.StreamResponse:
    """Of one that is on its way: what has arrived, as the beginning of a file of its final size."""
    upload, chunks = await _found(call)
    await _note_view(call, upload)
    etag = f'"{upload.sha256[:32]}"'
    there = upload.size_bytes if upload.state == "complete" else upload.received_bytes
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Upload-State": upload.state,
        "Content-Disposition": f'inline; filename="{upload.id}.{_ENDINGS.get(upload.mime, "bin")}"',
    }
    if upload.state == "complete" and call.request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    unchanged = call.request.headers.get("If-Range") in (None, etag)
    part = wanted_range(call.request.headers.get("Range"), upload.size_bytes) if unchanged else None
    offset, length = part or (0, there)
    length = min(length, there - offset)
    if part is not None and length <= 0:
        raise outside(upload.size_bytes)
    if part is not None:
        headers["Content-Range"] = f"bytes {offset}-{offset + length - 1}/{upload.size_bytes}"
    response = web.StreamResponse(status=206 if part else 200, headers=headers)
    response.content_type, response.content_length = upload.mime, length
    await response.prepare(call.request)
    try:
        if call.request.method != "HEAD":
            async for piece in pieces(call.hub, upload, chunks, offset, length):
                await response.write(piece)
        await response.write_eof()
    except ConnectionResetError:
        pass  # players let go of a clip as soon as they have what they show
    return response


async def pieces(
    hub: Hub, upload: Upload, chunks: list[Chunk], offset: int, length: int
) -> AsyncIterator[bytes]:
    """Bytes [offset, offset + length) of the whole file, or of its chunks."""
    if upload.state == "complete":
        async for piece in hub.files.read(upload.name, offset, length):
            yield piece
        return
    end = offset + length
    for chunk in chunks:
        first, last = max(offset, chunk.offset_bytes), min(end, chunk.offset_bytes + chunk.length_bytes)
        if first < last:
            async for piece in hub.files.read(chunk.name, first - chunk.offset_bytes, last - first):
                yield piece


async def _found(call: Call) -> tuple[Upload, list[Chunk]]:
    box_id, upload_id, person_id = call.name("box"), call.name("id"), call.person.id

    def look() -> Steps[tuple[Upload, list[Chunk]] | None]:
        upload = yield from clips.get(person_id, box_id, upload_id)
        return None if upload is None else (upload, (yield from uploads.chunks(upload)))

    found = await call.hub.store.read(look, together=True)
    if found is None:
        raise not_found("upload", upload_id)
    return found


async def _note_view(call: Call, upload: Upload) -> None:
    """Who watched whom: once per reading from the start, not per piece that a player fetches. Not stills:
    a list of events shows dozens, and a row for each would bury the others."""
    asked = call.request.headers.get("Range", "").replace(" ", "")
    if upload.kind != "still" and asked in ("", "bytes=0-") and call.request.method != "HEAD":
        thing = f"upload/{upload.box_id}/{upload.id}"
        await call.hub.store.write(lambda: call.audit("viewed", thing))


ROUTES = (
    Route("GET", f"{API}/uploads", "viewer", all_uploads),
    Route("GET", f"{API}/uploads/{BOX}/{ID}", "viewer", one_upload),
    Route("GET", f"{API}/uploads/{BOX}/{ID}/file", "viewer", file),
)
