"""Where every sample of a segment file lies, for those who play it.

Read with ``pread`` of the heads alone: a map of the file would hold the GIL while the disk turns,
and a bad sector under it would be a SIGBUS in the daemon instead of an error.
"""

import os
import struct
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from appliance.base.errors import ApplianceError
from appliance.media.fragment import AUDIO_TRACK, VIDEO_TRACK
from appliance.media.mp4 import boxes, h26x
from appliance.media.mp4.boxes import AudioParameters
from appliance.media.ring.scan import AudioRun
from appliance.media.ring.segment import FOOTER, Footer, Key, Start, parse_start

_START_BYTES = 16_384  # ftyp, moov and head: under 3 kB in practice
_FOOTER_BYTES = 262_144  # of a 60 s segment: 3 kB
_VIDEO = struct.Struct(">I4s24x4x4s4xI12xQ4x4s4xI4xIIIiI4s")  # a video fragment's moof, mdat's header
_AUDIO_TRUN = 8 + 16 + 8 + 20 + 20  # where an audio fragment's trun begins in its moof


@dataclass(slots=True)
class Layout:
    """Video samples in decode order, as columns; times in run ticks of 90 kHz."""

    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    sizes: "array[int]" = field(default_factory=lambda: array("I"))
    decodes: "array[int]" = field(default_factory=lambda: array("q"))
    ptss: "array[int]" = field(default_factory=lambda: array("q"))
    durations: "array[int]" = field(default_factory=lambda: array("I"))
    keys: list[int] = field(default_factory=list)  # indexes of key frames
    audio: list[AudioRun] = field(default_factory=list)
    whole: bool = True  # False: the walk ended at something that is no fragment of ours


class Init(NamedTuple):
    """The parameters in an init segment, enough to write the same tracks again."""

    video: h26x.Parameters
    audio: AudioParameters | None


def damaged(path: Path) -> ApplianceError:
    return ApplianceError("data_loss", f"{path.name} is damaged or gone", "run `appliance check --repair`")


def read_start(descriptor: int, path: Path) -> Start:
    """Raises ``data_loss`` where the file does not begin like a segment."""
    start = parse_start(os.pread(descriptor, _START_BYTES, 0))
    if start is None:
        raise damaged(path)
    return start


def read_footer(descriptor: int, size_bytes: int) -> tuple[Footer, int] | None:
    """The footer of a closed file of ``size_bytes``, and where its box begins."""
    at = max(0, size_bytes - _FOOTER_BYTES)
    data = os.pread(descriptor, size_bytes - at, at)
    found = data.rfind(b"uuid" + FOOTER.bytes)
    if found < 4 or int.from_bytes(data[found - 4 : found], "big") != len(data) - found + 4:
        return None
    try:
        return msgspec.json.decode(data[found + 20 :], type=Footer), at + found - 4
    except msgspec.MsgspecError:
        return None


def read_layout(descriptor: int, offset: int, end: int, stop_90k: int | None = None) -> Layout:
    """Walk the fragments in [``offset``, ``end``) of a file; ``stop_90k``: only until a sample is
    decoded that late."""
    out = Layout()
    at = offset
    while at + _VIDEO.size <= end:
        moof = os.pread(descriptor, _VIDEO.size, at)
        if len(moof) < _VIDEO.size:
            out.whole = False
            break
        fields = _VIDEO.unpack(moof)
        size, kind, tfhd, track, decode, trun, count, duration, length, flags, shift, data_size, data = fields
        if kind == b"uuid" and size >= 24:
            at += size
            continue
        if kind != b"moof" or tfhd != b"tfhd":
            out.whole = False
            break
        if track == AUDIO_TRACK:
            run = _audio(os.pread(descriptor, size + 8, at), at, size)
            if run is None or run.offset + sum(run.sizes) > end:
                out.whole = run is not None
                break
            out.audio.append(run)
            at = run.offset + sum(run.sizes)
            continue
        fits = track == VIDEO_TRACK and trun == b"trun" and count == 1
        if not fits or data != b"mdat" or data_size != length + 8:
            out.whole = False
            break
        if stop_90k is not None and decode > stop_90k:
            break
        if at + size + data_size > end:
            out.whole = False
            break
        if not flags & 0x10000:
            out.keys.append(len(out.sizes))
        out.offsets.append(at + size + 8)
        out.sizes.append(length)
        out.decodes.append(decode)
        out.ptss.append(decode + shift)
        out.durations.append(duration)
        at += size + data_size
    return out


def _audio(moof: bytes, at: int, size: int) -> AudioRun | None:
    try:
        (ticks, decode) = struct.unpack_from(">I12xQ", moof, 48)
        kind, count = struct.unpack_from(">4x4s4xI", moof, _AUDIO_TRUN)
        sizes = struct.unpack_from(f">{count}I", moof, _AUDIO_TRUN + 20)
        data_size, data_kind = struct.unpack_from(">I4s", moof, size)
    except struct.error:
        return None
    if kind != b"trun" or data_kind != b"mdat" or data_size != sum(sizes) + 8:
        return None
    return AudioRun(at + size + 8, sizes, decode, ticks)


def key_before(keys: list[Key], pts_90k: int) -> Key:
    """The last key frame at or before ``pts_90k``, or the first one."""
    found = keys[0]
    for key in keys:
        if key.pts_90k > pts_90k:
            break
        found = key
    return found


def parse_init(init: bytes, path: Path) -> Init:
    """Raises ``data_loss`` where it is not an init segment of ours."""
    entries = dict(_sample_entries(init))
    for name, config_kind, codec in ((b"avc1", b"avcC", "h264"), (b"hvc1", b"hvcC", "hevc")):
        if name not in entries:
            continue
        entry = entries[name]
        width, height = struct.unpack_from(">HH", entry, 32)
        config = _child(entry, 86, config_kind)
        parameters = h26x.Parameters("h264" if codec == "h264" else "hevc", "", config, width, height, None)
        return Init(parameters, _audio_entry(entries[b"mp4a"]) if b"mp4a" in entries else None)
    raise damaged(path)


def _sample_entries(init: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    for moov in _inside(init, 0, len(init), b"moov"):
        for trak in _inside(init, moov.offset + 8, moov.offset + moov.size, b"trak"):
            at, end = trak.offset + 8, trak.offset + trak.size
            for kind in (b"mdia", b"minf", b"stbl", b"stsd"):
                for item in _inside(init, at, end, kind):
                    at, end = item.offset + 8, item.offset + item.size
            for entry in boxes.walk(init, at + 8, end):
                found.append((entry.kind, init[entry.offset : entry.offset + entry.size]))
    return found


def _inside(data: bytes, start: int, end: int, kind: bytes) -> list[boxes.BoxAt]:
    return [item for item in boxes.walk(data, start, end) if item.kind == kind]


def _child(entry: bytes, start: int, kind: bytes) -> bytes:
    item = _inside(entry, start, len(entry), kind)[0]
    return entry[item.offset + 8 : item.offset + item.size]


def _audio_entry(entry: bytes) -> AudioParameters:
    channels, rate = struct.unpack_from(">H6xI", entry, 24)
    esds = _child(entry, 36, b"esds")
    at = esds.index(b"\x05\x80\x80\x80")  # the descriptor that holds the AudioSpecificConfig
    return boxes.aac_parameters(esds[at + 5 : at + 5 + esds[at + 4]], rate >> 16, channels)
