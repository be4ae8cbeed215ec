"""HLS playlists (RFC 8216) over the segment files as they lie: fMP4, byte ranges, no copies."""

import base64
import binascii
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError, not_found
from appliance.media.play.footage import Opened, Part, Piece, opened_part

GROUP_NS = 4 * SECOND_NS  # of whole GOPs: what a player fetches at once
_KEY = re.compile(r"[A-Za-z0-9_-]{1,400}")


class _Group(NamedTuple):
    """Some GOPs in one file: bytes [begin, end), seen from start_ns to end_ns."""

    start_ns: int
    end_ns: int
    begin: int
    end: int


def key_of(part: Part) -> str:
    """An opaque name, safe in a URL: the segment's place in the index, not on the disk."""
    text = f"{part.boot_id}/{part.run_id}/{part.sequence}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_key(key: str) -> tuple[str, str, int]:
    """(boot, run, sequence). Raises ``not_found`` for what ``key_of`` never made."""
    try:
        if not _KEY.fullmatch(key):
            raise ValueError
        text = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)).decode()
        boot, run, sequence = text.rsplit("/", 2)
        if not re.fullmatch(r"[0-9]{1,12}", sequence):
            raise ValueError
        return boot, run, int(sequence)
    except (ValueError, binascii.Error) as error:
        raise not_found("segment", key[:200]) from error


def playlist(pieces: list[Piece], stream: str, start_ns: int, end_ns: int, is_growing: bool) -> str | None:
    """None where nothing can be played. ``is_growing``: more will follow, so that only groups that
    will not change any more are named, and there is no end tag. Blocks on the disk."""
    lines: list[str] = []
    longest_s = 1.0
    before: Piece | None = None
    init = ""
    for piece in pieces:
        try:
            with opened_part(piece.part) as file:
                groups = list(_groups(piece, file, start_ns, end_ns, is_growing))
                map_line = _map(piece.part, stream, file)
        except ApplianceError:
            before = None  # damaged or gone: what follows is not its continuation
            continue
        if not groups:
            continue
        if lines and not _follows(before, piece):
            lines.append("#EXT-X-DISCONTINUITY")
            init = ""
        if piece.part.init_sha256 != init:
            lines.append(map_line)
            init = piece.part.init_sha256
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{rfc3339(groups[0].start_ns)}")
        for group in groups:
            length_s = (group.end_ns - group.start_ns) / SECOND_NS
            longest_s = max(longest_s, length_s)
            lines.append(f"#EXTINF:{length_s:.5f},")
            lines.append(f"#EXT-X-BYTERANGE:{group.end - group.begin}@{group.begin}")
            lines.append(_uri(piece.part, stream))
        before = piece
    if not lines:
        return None
    head = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{math.ceil(longest_s)}"]
    head.append(f"#EXT-X-PLAYLIST-TYPE:{'EVENT' if is_growing else 'VOD'}")
    tail = [] if is_growing else ["#EXT-X-ENDLIST"]
    return "\n".join([*head, "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-INDEPENDENT-SEGMENTS", *lines, *tail]) + "\n"


def _uri(part: Part, stream: str) -> str:
    return f"segments/{key_of(part)}.mp4?stream={stream}"


def _map(part: Part, stream: str, file: Opened) -> str:
    return f'#EXT-X-MAP:URI="{_uri(part, stream)}",BYTERANGE="{len(file.start.init)}@0"'


def _follows(before: Piece | None, piece: Piece) -> bool:
    if before is None:
        return False
    last, part = before.part, piece.part
    return (
        last.run == part.run
        and last.sequence + 1 == part.sequence
        and before.end_ns == last.end_ns
        and piece.start_ns == part.start_ns
    )


def _groups(piece: Piece, file: Opened, start_ns: int, end_ns: int, is_growing: bool) -> Iterator[_Group]:
    """Cut at key frames: from the last one at or before the start to the first behind the end."""
    part, anchor_ns = piece.part, file.start.head.anchor_ns
    times = [max(part.start_ns, anchor_ns + key.pts_90k * 100_000 // 9) for key in file.keys]
    times[0] = part.start_ns
    count = len(times)
    seen_from = max(start_ns, piece.start_ns)
    if piece.start_ns > max(start_ns, part.start_ns):  # what lies before is covered by a later pass
        first = next((n for n in range(count) if times[n] >= seen_from), count)
    else:
        first = max((n for n in range(count) if times[n] <= seen_from), default=0)
    seen_to = min(end_ns, piece.end_ns)
    begin = first
    for number in range(first + 1, count + 1):
        is_last = number == count
        until_ns = part.end_ns if is_last else times[number]
        if is_last and is_growing and part.writer is not None:
            return
        if until_ns - times[begin] >= GROUP_NS or is_last or times[number] >= seen_to:
            end = file.end if is_last else file.keys[number].offset
            yield _Group(times[begin], max(until_ns, times[begin] + 1), file.keys[begin].offset, end)
            begin = number
            if is_last or times[number] >= seen_to:
                return
