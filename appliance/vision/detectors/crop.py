"""A part of a frame as a frame of its own, in the same format: the only pixels copied are its own."""

import av
import numpy as np
from numpy.typing import NDArray

SMALLEST = 8  # pixels on a side: scalers want some, and less says nothing


def crop(frame: av.VideoFrame, box: NDArray[np.floating]) -> av.VideoFrame:
    """``box``: x1, y1, x2, y2 in 0..1. Edges are moved outwards to even pixels, where every chroma
    format has a sample; what is smaller than ``SMALLEST`` is widened. Planar and interleaved formats in
    system memory."""
    left, right = _even(float(box[0]), float(box[2]), frame.width)
    top, bottom = _even(float(box[1]), float(box[3]), frame.height)
    part = av.VideoFrame(right - left, bottom - top, frame.format.name)
    for number, (source, target) in enumerate(zip(frame.planes, part.planes, strict=True)):
        across, down = frame.width // source.width, frame.height // source.height
        step = sum((c.bits + 7) // 8 for c in frame.format.components if c.plane == number)
        rows = slice(top // down, top // down + target.height)
        columns = slice(left // across * step, (left // across + target.width) * step)
        _rows(target)[: target.height, : target.width * step] = _rows(source)[rows, columns]
    part.colorspace, part.color_range = frame.colorspace, frame.color_range
    return part


def _even(low: float, high: float, size: int) -> tuple[int, int]:
    """Even pixels from and to, inside 0..size, at least ``SMALLEST`` apart where the frame is so large."""
    least = min(SMALLEST, size)
    start = max(0, min(int(low * size), size - least)) // 2 * 2
    stop = min(size, max(start + least, -(-int(np.ceil(high * size)) // 2) * 2))
    return start, stop


def _rows(plane: "av.video.plane.VideoPlane") -> NDArray[np.uint8]:
    flat: NDArray[np.uint8] = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]  # planes are buffers
    return flat[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)
