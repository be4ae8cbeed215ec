"""Streams of any shape, made on the spot, and what a decoder that leaves nothing out sees in them."""

import io
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import pytest

from appliance.vision.decoding.decoder import Software
from appliance.vision.decoding.planes import luma


@dataclass(frozen=True)
class Stream:
    """``packets`` in decoding order: (body, time_ns, is_key). ``truth``: time_ns -> Y plane."""

    codec: str
    config: bytes
    packets: list[tuple[bytes, int, bool]]
    truth: dict[int, Any]


def picture(number: int, size: tuple[int, int]) -> av.VideoFrame:
    """Every picture differs from every other, everywhere a little and in one place a lot."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    image = ((rows * 3 + columns * 2 + number * 5) % 200).astype(np.uint8)
    left, top = (number * 7) % (width - 16), (number * 3) % (height - 16)
    image[top : top + 16, left : left + 16] = 255 - number % 100
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.planes[0].update(_padded(image, frame.planes[0].line_size))
    for plane in (1, 2):
        chroma = np.full((height // 2, width // 2), 100 + number % 50, np.uint8)
        frame.planes[plane].update(_padded(chroma, frame.planes[plane].line_size))
    return frame


def _padded(image: Any, line_size: int) -> bytes:
    out = np.zeros((image.shape[0], line_size), np.uint8)
    out[:, : image.shape[1]] = image
    return out.tobytes()


def encode(
    codec: str, frames: int, keys: set[int], *, size=(96, 64), fps=25, bframes=0, open_gop=False, first_ns=0
) -> Stream:
    """Key frames at ``keys`` (0 in any case): IDR, or with ``open_gop`` wherever x264 and x265 see fit."""
    file = io.BytesIO()
    name = {"h264": "libx264", "hevc": "libx265"}[codec]
    often = max(2, frames // max(1, len(keys)))
    wanted = f"keyint={often if open_gop else 9999}:scenecut=0:bframes={bframes}:open-gop={int(open_gop)}"
    options = {"preset": "ultrafast", "crf": "30"}
    if codec == "h264":
        options |= {"x264-params": f"{wanted}:b-adapt=0:min-keyint=1", "forced-idr": "1"}
    else:
        options |= {"x265-params": f"{wanted}:log-level=none:pools=none:frame-threads=1", "forced-idr": "1"}
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream(name, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(frames):
            frame = picture(number, size)
            if number in keys and not open_gop:
                frame.pict_type = av.video.frame.PictureType.I
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        video = container.streams.video[0]
        config = bytes(video.codec_context.extradata)
        packets = [
            (bytes(p), first_ns + round(p.pts * p.time_base * 10**9), p.is_keyframe)
            for p in container.demux(video)
            if p.pts is not None
        ]
    return Stream(codec, config, packets, _all(codec, config, packets))


def _all(codec: str, config: bytes, packets: list[tuple[bytes, int, bool]]) -> dict[int, Any]:
    decoder = Software(codec, config)
    frames = [frame for body, at, _ in packets for frame in decoder.decode(body, at, spare=False)]
    frames += decoder._context.decode(None)
    return {frame.pts: luma(frame).copy() for frame in frames}


@pytest.fixture(scope="session")
def make_stream():
    """``encode`` above, each shape made once."""
    made: dict[Any, Stream] = {}

    def make(codec: str, frames: int, keys, **options: Any) -> Stream:
        key = (codec, frames, frozenset(keys), *sorted(options.items()))
        if key not in made:
            made[key] = encode(codec, frames, set(keys), **options)
        return made[key]

    return make
