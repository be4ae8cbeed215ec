"""The picture at a moment of the past, still encoded: its GOP up to it."""

import os
from typing import Literal

import msgspec

from appliance.media.fragment import TIMESCALE
from appliance.media.mp4.fragmenter import ns_from_90k
from appliance.media.play.footage import Piece, opened_part
from appliance.media.play.layout import damaged, key_before, parse_init, read_layout


class FrameSource(msgspec.Struct, frozen=True):
    """``samples``: (length-prefixed NAL units, presentation in run ticks, wall time in ns) in
    decode order from a key frame on; the wanted picture is the last one. ``codec_config`` is the
    payload of avcC or hvcC."""

    codec: Literal["h264", "hevc"]
    codec_config: bytes
    samples: list[tuple[bytes, int, int]]


def frame_source(piece: Piece, time_ns: int) -> FrameSource:
    """Blocks on the disk. Raises ``data_loss`` where the file is gone or damaged."""
    with opened_part(piece.part) as file:
        anchor_ns = file.start.head.anchor_ns
        wanted_90k = -((anchor_ns - time_ns) * 9 // 100_000)
        key = key_before(file.keys, wanted_90k)
        layout = read_layout(file.descriptor, key.offset, file.end, wanted_90k + TIMESCALE)
        if not layout.sizes:
            raise damaged(file.path)
        shown = [n for n, pts in enumerate(layout.ptss) if pts <= wanted_90k]
        last = max(shown, key=lambda n: layout.ptss[n], default=0)
        samples = []
        for number in range(last + 1):
            data = os.pread(file.descriptor, layout.sizes[number], layout.offsets[number])
            if len(data) != layout.sizes[number]:
                raise damaged(file.path)
            pts = layout.ptss[number]
            samples.append((data, pts, anchor_ns + ns_from_90k(pts)))
        video = parse_init(file.start.init, file.path).video
        return FrameSource(video.codec, video.config, samples)
