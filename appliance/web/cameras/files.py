"""Clips as HTTP files: one range at a time (RFC 9110, section 14), validated by the clip's ETag."""

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from aiohttp import web

from appliance.base.clock import rfc3339
from appliance.base.http_errors import HttpError
from appliance.media.span import Clip, Span
from appliance.web.routes import Call

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
LONGEST_HEADER = 6_000  # clients give up at 8 kB
MOST_STEADY = 64

Key = tuple[str, str]
STEADY: web.AppKey[OrderedDict[Key, Clip]] = web.AppKey("steady", OrderedDict)


async def steady(call: Call, make: Callable[[], Awaitable[Clip]]) -> Clip:
    """The clip anew, or, for a range inside it, the one this person began to read: a clip that ends
    now is longer at each look, and a player that fetches it piece by piece must not see it grow."""
    clips = call.request.app[STEADY]
    key = (call.who.session.family if call.who else "", call.request.path_qs)
    match = _RANGE.fullmatch(call.request.headers.get("Range", "").replace(" ", ""))
    if key in clips and match is not None and match[1] not in ("", "0"):
        return clips[key]
    clips[key] = clip = await make()
    clips.move_to_end(key)
    while len(clips) > MOST_STEADY:
        clips.popitem(last=False)
    return clip


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(offset, length); None: the whole file. Raises 416 where the range lies outside it.

    What is not one well-formed range is ignored, as section 14.2 asks.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise outside(size)
        return size - length, length
    offset = int(first)
    if last and int(last) < offset:
        return None
    if offset >= size:
        raise outside(size)
    end = min(int(last), size - 1) if last else size - 1
    return offset, end - offset + 1


def outside(size: int) -> HttpError:
    return HttpError(
        416,
        "invalid",
        "the range lies outside the file",
        f"the file has {size} bytes",
        headers={"Content-Range": f"bytes */{size}"},
    )


async def serve_clip(request: web.Request, clip: Clip, name: str, start_ns: int) -> web.StreamResponse:
    """Headers, then the bytes as they are read; ``name`` is for saving it."""
    etag = f'"{clip.etag.strip(chr(34))}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="{name}-{_stamp(start_ns)}.mp4"',
        "X-Clip-Start": rfc3339(clip.start_ns),
        "X-Clip-Gaps": gaps_header(clip.gaps),
        "X-Clip-Complete": str(int(clip.complete)),
    }
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    unchanged = request.headers.get("If-Range") in (None, etag)
    part = wanted_range(request.headers.get("Range"), clip.size_bytes) if unchanged else None
    offset, length = part or (0, clip.size_bytes)
    if part is not None:
        headers["Content-Range"] = f"bytes {offset}-{offset + length - 1}/{clip.size_bytes}"
    response = web.StreamResponse(status=206 if part else 200, headers=headers)
    response.content_type = "video/mp4"
    response.content_length = length
    await response.prepare(request)
    try:
        if request.method != "HEAD":
            async for chunk in clip.read(offset, length):
                await response.write(chunk)
        await response.write_eof()
    except ConnectionResetError:
        pass  # players let go of a clip as soon as they have what they show
    return response


def gaps_header(gaps: Sequence[Span]) -> str:
    """``[{"start","end","cause"}]``. Where they are too many for a header, neighbours are joined
    (their ``cause`` is then that of the longer one), so that no gap goes unsaid."""
    rows = [(gap.start_ns, gap.end_ns, gap.cause) for gap in gaps]
    while True:
        text = msgspec.json.encode(
            [{"start": rfc3339(start), "end": rfc3339(end), "cause": cause} for start, end, cause in rows]
        ).decode()
        if len(text) <= LONGEST_HEADER:
            return text
        rows = [
            (
                pair[0][0],
                pair[-1][1],
                max(pair, key=lambda row: row[1] - row[0])[2],
            )
            for pair in (rows[i : i + 2] for i in range(0, len(rows), 2))
        ]


def _stamp(time_ns: int) -> str:
    return rfc3339(time_ns)[:19].replace("-", "").replace(":", "") + "Z"
