"""Walking a segment file: what is in it, and up to where it is whole.

Reads our own boxes only (``fragmenter``, ``segment``), without decoding anything. Used by recovery,
``check`` and the tests; playback reads the same boxes with ``layout``, which never maps a file.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple

import msgspec

from appliance.base.errors import ApplianceError
from appliance.media.fragment import VIDEO_TRACK
from appliance.media.mp4 import boxes
from appliance.media.mp4.fragmenter import ns_from_90k
from appliance.media.ring.segment import FOOTER, HEAD, Footer, Head, Key


class Sample(NamedTuple):
    """One video sample inside a file: where, when (run ticks), and whether a key frame."""

    offset: int
    size: int
    decode_90k: int
    duration: int
    pts_90k: int
    is_key: bool


class AudioRun(NamedTuple):
    """The AAC frames of one audio fragment: where they begin, their sizes, when in samples."""

    offset: int
    sizes: tuple[int, ...]
    decode: int
    frame_ticks: int


class Scan(NamedTuple):
    """What a walk over a file found. ``whole_bytes`` ends behind the last whole fragment."""

    head: Head
    init: bytes
    video: list[Sample]
    audio: list[AudioRun]
    keys: list[Key]
    whole_bytes: int
    footer: Footer | None
    footer_bytes: int

    @property
    def last_ns(self) -> int:
        """Where the last sample ends, by the box clock. There must be one."""
        ends = (ns_from_90k(sample.pts_90k) + ns_from_90k(sample.duration) for sample in self.video)
        return self.head.anchor_ns + max(ends)


def scan(path: Path) -> Scan:
    """Walk a segment file. Raises ``data_loss`` where even its head is not there."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise ApplianceError("data_loss", f"{path.name} is empty", "run `appliance check --repair`")
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data, memoryview(data) as view:
                return _scan(view, path)
    except (msgspec.MsgspecError, struct.error, ValueError) as error:
        raise ApplianceError(
            "data_loss", f"{path.name} is not a segment", "run `appliance check --repair`"
        ) from error


def _scan(view: memoryview, path: Path) -> Scan:
    head: Head | None = None
    footer: Footer | None = None
    init_end = footer_bytes = whole = before = 0
    video: list[Sample] = []
    audio: list[AudioRun] = []
    keys: list[Key] = []
    pending: boxes.BoxAt | None = None
    for item in boxes.walk(view):
        body = item.offset + item.header
        if item.kind == b"moov":
            init_end = item.offset + item.size
        elif item.kind == b"uuid" and view[body : body + 16] == HEAD.bytes:
            head = msgspec.json.decode(bytes(view[body + 16 : item.offset + item.size]), type=Head)
            whole = item.offset + item.size
        elif item.kind == b"uuid" and view[body : body + 16] == FOOTER.bytes:
            footer = _decode_footer(bytes(view[body + 16 : item.offset + item.size]))
            footer_bytes = item.size if footer else 0
            break
        elif item.kind == b"moof" and head is not None:
            pending = item
        elif item.kind == b"mdat" and pending is not None:
            read = _read_fragment(view, pending, item)
            if read is None:
                break
            if isinstance(read, AudioRun):
                audio.append(read)
            else:
                video.append(read)
                keys += _key(head, pending, read)
            before, whole, pending = whole, item.offset + item.size, None
        elif item.kind not in (b"ftyp", b"moov", b"uuid"):
            break
    if head is None:
        raise ApplianceError("data_loss", f"{path.name} has no head", "run `appliance check --repair`")
    found = Scan(head, bytes(view[:init_end]), video, audio, keys, whole, footer, footer_bytes)
    if footer is None and video and _ends_in_zeros(view, whole):
        return _without_last(found, before)
    return found


def _without_last(found: Scan, before: int) -> Scan:
    """Blocks that were never written may begin inside the last fragment."""
    if found.audio and found.audio[-1].offset > found.video[-1].offset:
        return found._replace(audio=found.audio[:-1], whole_bytes=before)
    keys = found.keys[:-1] if found.video[-1].is_key else found.keys
    return found._replace(video=found.video[:-1], keys=keys, whole_bytes=before)


def _key(head: Head | None, moof: boxes.BoxAt, sample: Sample) -> list[Key]:
    if head is None or not sample.is_key:
        return []
    return [Key(head.anchor_ns + ns_from_90k(sample.pts_90k), moof.offset, sample.pts_90k)]


def _decode_footer(data: bytes) -> Footer | None:
    """None where it is torn: what lies before it is whole all the same."""
    try:
        return msgspec.json.decode(data, type=Footer)
    except msgspec.MsgspecError:
        return None


_TRAF = 8 + 16 + 8  # moof header, mfhd, traf header: where the tfhd begins


def _read_fragment(view: memoryview, head: boxes.BoxAt, data: boxes.BoxAt) -> Sample | AudioRun | None:
    """Our own moof (``fragmenter``), or None where it or its sample is damaged."""
    try:
        return _unpack_fragment(view, head, data)
    except struct.error:
        return None  # it points behind the end of the file


def _unpack_fragment(view: memoryview, head: boxes.BoxAt, data: boxes.BoxAt) -> Sample | AudioRun | None:
    at = head.offset + _TRAF
    size, kind, _, track = struct.unpack_from(">I4sII", view, at)
    if kind != b"tfhd" or data.offset != head.offset + head.size:
        return None
    body = data.offset + data.header
    if track == VIDEO_TRACK:
        (decode,) = struct.unpack_from(">Q", view, at + size + 12)
        trun = at + size + 20
        kind, _, count = struct.unpack_from(">4sII", view, trun + 4)
        duration, length, sample_flags, shift = struct.unpack_from(">IIIi", view, trun + 20)
        whole = kind == b"trun" and count == 1 and length == data.size - data.header
        if not whole or not _fits(view, body, length):
            return None
        return Sample(body, length, decode, duration, decode + shift, not sample_flags & 0x10000)
    (ticks,) = struct.unpack_from(">I", view, at + 16)
    (decode,) = struct.unpack_from(">Q", view, at + size + 12)
    trun = at + size + 20
    (count,) = struct.unpack_from(">I", view, trun + 12)
    sizes = struct.unpack_from(f">{count}I", view, trun + 20)
    if sum(sizes) != data.size - data.header:
        return None
    return AudioRun(body, sizes, decode, ticks)


def _fits(view: memoryview, at: int, size: int) -> bool:
    # The lengths of the NAL units must fill the sample exactly: this finds the zeros that some
    # file systems leave behind a power cut, without decoding anything.
    end = at + size
    while at < end:
        (length,) = struct.unpack_from(">I", view, at)
        at += 4 + length
        if length == 0:
            return False
    return at == end


def _ends_in_zeros(view: memoryview, whole: int) -> bool:
    """The last whole fragment ends in a zero, and what lies behind it is zeros. No NAL unit ends so
    (H.264 and H.265, 7.4.1), and no AAC frame: its last byte has a part of the mark of its end, 111
    (ISO/IEC 14496-3, 4.4.2.1)."""
    if view[whole - 1]:
        return False
    return not any(view[at : at + 65536].tobytes().strip(b"\0") for at in range(whole, len(view), 65536))


def scan_or_none(path: Path) -> Scan | None:
    try:
        return scan(path)
    except ApplianceError:
        return None
