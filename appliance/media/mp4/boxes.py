"""ISO base media boxes (ISO/IEC 14496-12): building init segments, walking files."""

import struct
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from appliance.media.fragment import AUDIO_TRACK, TIMESCALE, VIDEO_TRACK
from appliance.media.mp4.h26x import Parameters

UNITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class AudioParameters(NamedTuple):
    """AAC: ``config`` is the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1)."""

    config: bytes
    rate_hz: int
    channels: int


# ISO/IEC 14496-3, table 1.18
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


def aac_parameters(config: bytes, rate_hz: int, channels: int) -> AudioParameters:
    """What ``config`` says, which goes before what others say of it (``rate_hz``, ``channels``)."""
    if len(config) >= 2:
        index = (config[0] & 7) << 1 | config[1] >> 7
        rate_hz = _RATES[index] if index < len(_RATES) else rate_hz
        channels = ((config[1] >> 3) & 0xF) or channels
    return AudioParameters(config, rate_hz, channels)


class BoxAt(NamedTuple):
    """A box in a file: ``offset`` and ``size`` include its header."""

    kind: bytes
    offset: int
    size: int
    header: int


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def uuid_box(name: uuid.UUID, payload: bytes) -> bytes:
    return box(b"uuid", name.bytes, payload)


def ftyp(brand: bytes = b"iso6") -> bytes:
    return box(b"ftyp", brand, struct.pack(">I", 1), b"iso6", b"mp41", b"hlsf")


def init_segment(video: Parameters, audio: AudioParameters | None = None) -> bytes:
    """ftyp + moov of a fragmented file: track 1 is video, track 2 audio where there is any."""
    tracks = [trak(VIDEO_TRACK, video, audio, empty_tables(), 0)]
    extends = [trex(VIDEO_TRACK)]
    if audio is not None:
        tracks.append(trak(AUDIO_TRACK, video, audio, empty_tables(), 0))
        extends.append(trex(AUDIO_TRACK))
    return ftyp() + box(b"moov", mvhd(TIMESCALE, 0), *tracks, box(b"mvex", *extends))


def mvhd(timescale: int, duration: int) -> bytes:
    times = struct.pack(">QQIQ", 0, 0, timescale, duration)
    rest = struct.pack(">IH10x", 0x10000, 0x100) + UNITY + bytes(24)
    return full(b"mvhd", 1, 0, times, rest, struct.pack(">I", 3))


def trex(track: int) -> bytes:
    return full(b"trex", 0, 0, struct.pack(">5I", track, 1, 0, 0, 0))


def trak(
    track: int,
    video: Parameters,
    audio: AudioParameters | None,
    tables: bytes,
    duration: int,
    edits: bytes = b"",
) -> bytes:
    """``duration`` in TIMESCALE (the movie's and the video's); ``tables`` follow the stsd."""
    is_video = track == VIDEO_TRACK
    size = (video.width << 16, video.height << 16) if is_video else (0, 0)
    head = struct.pack(">QQIIQ8xHHHH", 0, 0, track, 0, duration, 0, 0, 0 if is_video else 0x100, 0)
    tkhd = full(b"tkhd", 1, 3, head, UNITY, struct.pack(">II", *size))
    scale = TIMESCALE if is_video or audio is None else audio.rate_hz
    length = duration * scale // TIMESCALE
    mdhd = full(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, scale, length, 0x55C4, 0))
    handler = full(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide" if is_video else b"soun"), b"\0")
    media_head = full(b"vmhd", 0, 1, bytes(8)) if is_video else full(b"smhd", 0, 0, bytes(4))
    data = box(b"dinf", full(b"dref", 0, 0, struct.pack(">I", 1), full(b"url ", 0, 1)))
    if is_video:
        entry = _video_entry(video)
    else:
        assert audio is not None
        entry = _audio_entry(audio)
    stbl = box(b"stbl", full(b"stsd", 0, 0, struct.pack(">I", 1), entry), tables)
    return box(b"trak", tkhd, edits, box(b"mdia", mdhd, handler, box(b"minf", media_head, data, stbl)))


def empty_tables() -> bytes:
    zero = struct.pack(">I", 0)
    return (
        full(b"stts", 0, 0, zero)
        + full(b"stsc", 0, 0, zero)
        + full(b"stsz", 0, 0, zero, zero)
        + full(b"stco", 0, 0, zero)
    )


def _video_entry(video: Parameters) -> bytes:
    kind, config = (b"avc1", b"avcC") if video.codec == "h264" else (b"hvc1", b"hvcC")
    head = struct.pack(">6xH16xHHIIIH32xHh", 1, video.width, video.height, 0x480000, 0x480000, 0, 1, 24, -1)
    return box(kind, head, box(config, video.config))


def _audio_entry(audio: AudioParameters) -> bytes:
    rate = audio.rate_hz << 16 if audio.rate_hz < 1 << 16 else 0  # then the config alone says it
    head = struct.pack(">6xH8xHHHHI", 1, audio.channels, 16, 0, 0, rate)
    specific = _descriptor(5, audio.config)
    decoder = _descriptor(4, struct.pack(">BBHBII", 0x40, 0x15, 0, 0, 0, 0) + specific)
    stream = _descriptor(3, struct.pack(">HB", AUDIO_TRACK, 0) + decoder + _descriptor(6, b"\x02"))
    return box(b"mp4a", head, full(b"esds", 0, 0, stream))


def _descriptor(tag: int, payload: bytes) -> bytes:
    return bytes([tag, 0x80, 0x80, 0x80, len(payload)]) + payload


def walk(data: bytes | memoryview, start: int = 0, end: int | None = None) -> Iterator[BoxAt]:
    """The boxes that lie whole in ``data[start:end]``; stops quietly at a torn one."""
    stop = len(data) if end is None else end
    at = start
    while at + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", data, at)
        header = 8
        if size == 1 and at + 16 <= stop:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            header = 16
        if size < header or at + size > stop:
            return
        yield BoxAt(kind, at, size, header)
        at += size
