"""A stretch of the past as packets, still encoded: for those who look at it afterwards."""

import logging
import os
from collections.abc import Iterator
from typing import Literal

import msgspec

from appliance.base.errors import ApplianceError
from appliance.media.mp4.fragmenter import ns_from_90k
from appliance.media.play.footage import Opened, Piece, opened_part
from appliance.media.play.layout import Layout, damaged, key_before, parse_init, read_layout

log = logging.getLogger(__name__)

CHUNK_BYTES = 2 * 1024 * 1024  # read at once; a GOP that is longer comes in parts


class Packets(msgspec.Struct, frozen=True):
    """Some of the packets of a piece of footage, in decode order: (length-prefixed NAL units,
    presentation in ns, key frame). The first of a piece is a key frame, and has the ``codec_config``
    (payload of avcC or hvcC) and ``from_ns``, before which frames are only decoded; the others
    have neither."""

    codec: Literal["h264", "hevc"]
    codec_config: bytes
    from_ns: int
    samples: list[tuple[bytes, int, bool]]


def read(pieces: list[Piece]) -> Iterator[Packets]:
    """Of the pieces one after the other, from the key frame at or before each. Blocks on the disk.

    A piece that turns out to be gone or damaged is passed over from there on.
    """
    for piece in pieces:
        try:
            yield from _piece(piece)
        except (ApplianceError, OSError) as error:
            log.info("%s is passed over: %s", piece.part.relative, error)


def _piece(piece: Piece) -> Iterator[Packets]:
    with opened_part(piece.part) as file:
        anchor_ns = file.start.head.anchor_ns
        from_90k = -((anchor_ns - piece.start_ns) * 9 // 100_000)
        until_90k = (piece.end_ns - anchor_ns) * 9 // 100_000
        video = parse_init(file.start.init, file.path).video
        config, codec = video.config, video.codec
        first = key_before(file.keys, from_90k)
        ends = [key.offset for key in file.keys if key.offset > first.offset]
        for offset, end in zip([first.offset, *ends], [*ends, file.end], strict=True):
            layout = read_layout(file.descriptor, offset, end, until_90k)
            if not layout.sizes:
                break
            for samples in _samples(file, layout, anchor_ns):
                yield Packets(codec, config, piece.start_ns, samples)
                config = b""


def _samples(file: Opened, layout: Layout, anchor_ns: int) -> Iterator[list[tuple[bytes, int, bool]]]:
    keys = set(layout.keys)
    samples: list[tuple[bytes, int, bool]] = []
    held_bytes = 0
    for number, (size, offset, pts) in enumerate(zip(layout.sizes, layout.offsets, layout.ptss, strict=True)):
        data = os.pread(file.descriptor, size, offset)
        if len(data) != size:
            raise damaged(file.path)
        samples.append((data, anchor_ns + ns_from_90k(pts), number in keys))
        held_bytes += size
        if held_bytes >= CHUNK_BYTES:
            yield samples
            samples, held_bytes = [], 0
    if samples:
        yield samples
