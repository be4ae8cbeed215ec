"""A JPEG of a decoded frame, with a box drawn on it: in the worker, or as a one-shot child.

``python -m appliance.vision.worker.still`` reads a MessagePack ``Source`` from standard input and writes a
JPEG: stills from the past, decoded outside the daemon (V4) with nothing but libav.
"""

import sys
from typing import Any

import av
import msgspec
from av.video.codeccontext import VideoCodecContext

from appliance.base.errors import ApplianceError
from appliance.base.model import Box
from appliance.vision.decoding.decoder import EVERY, open_context
from appliance.vision.decoding.planes import plane

QUALITY = 4  # libav's qscale: 2 best, 31 worst
LAMBDA = 118  # FF_QP2LAMBDA
YELLOW = (210, 16, 146)  # Y, U, V


class Source(msgspec.Struct, frozen=True):
    """The packets from a key frame to the wanted frame. ``samples``: (bytes, time_ns)."""

    codec: str
    codec_config: bytes
    samples: list[tuple[bytes, int]]
    time_ns: int
    box: Box | None


def encode(frame: av.VideoFrame, box: Box | None) -> bytes:
    """``frame`` itself is not changed."""
    picture = frame.reformat(format="yuvj420p")
    if box is not None:
        if picture is frame:
            picture = av.VideoFrame(frame.width, frame.height, "yuvj420p")
            for number in range(3):
                plane(picture, number)[:] = plane(frame, number)
        _draw(picture, box)
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = EVERY
    encoder.qmin = encoder.qmax = QUALITY
    picture.pts = 0
    packets = [*encoder.encode(picture), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def decode_last(source: Source) -> av.VideoFrame:
    """The frame nearest to ``time_ns``. Raises ``not_found`` where nothing decodes."""
    decoder = open_context(source.codec, source.codec_config)
    best: av.VideoFrame | None = None
    for packet in [*map(_packet, source.samples), None]:
        try:
            frames = decoder.decode(packet)
        except av.FFmpegError:
            continue  # a damaged frame in the middle: the others may still do
        for frame in frames:
            if best is None or _away(frame, source) <= _away(best, source):
                best = frame
    if best is None:
        raise ApplianceError("not_found", "no picture could be decoded", "try a moment later")
    return best


def _packet(sample: tuple[bytes, int]) -> "av.Packet[Any]":
    packet = av.Packet(sample[0])
    packet.pts, packet.time_base = sample[1], EVERY
    return packet


def _away(frame: av.VideoFrame, source: Source) -> int:
    return abs((frame.pts or 0) - source.time_ns)


def _draw(picture: av.VideoFrame, box: Box) -> None:
    width, height = picture.width, picture.height
    thick = max(2, round(height / 120)) // 2 * 2
    left, right = _even(box.x * width, width), _even((box.x + box.width) * width, width)
    top, bottom = _even(box.y * height, height), _even((box.y + box.height) * height, height)
    for number, value in enumerate(YELLOW):
        half = 1 if number == 0 else 2
        target = plane(picture, number)
        x1, x2, y1, y2, t = left // half, right // half, top // half, bottom // half, thick // half
        target[y1 : y1 + t, x1:x2] = value
        target[max(y1, y2 - t) : y2, x1:x2] = value
        target[y1:y2, x1 : x1 + t] = value
        target[y1:y2, max(x1, x2 - t) : x2] = value


def _even(value: float, most: int) -> int:
    """Chroma has half the lines: an odd corner would tear the colours from the line."""
    return max(0, min(most, round(value))) // 2 * 2


def main() -> int:
    from appliance.vision.worker.landlock import enclose, own_files
    from appliance.vision.worker.sandbox import confine, die_with_parent

    die_with_parent()
    av.logging.set_level(av.logging.PANIC)
    enclose(own_files(), ())
    confine()
    try:
        source = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Source)
        sys.stdout.buffer.write(encode(decode_last(source), source.box))
    except (ApplianceError, msgspec.ValidationError, av.FFmpegError, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
