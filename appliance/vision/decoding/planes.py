"""Views of a decoded frame's planes: no copies."""

import av
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]

ON_TOP = ("p010le", "p012le", "p016le")  # little-endian words, their lowest bits empty


def plane(frame: av.VideoFrame, number: int) -> Plane:
    """One 8-bit plane, rows x columns, padding cut off. Writable where the frame is ours alone."""
    return rows(frame, number)[:, : frame.planes[number].width]


def luma(frame: av.VideoFrame) -> Plane:
    """The Y plane in 8 bits: a view, except of deeper formats of software, whose upper bits are copied
    out. What hardware gives of deep streams (p010) has them on top, so that their bytes can be seen."""
    bits, wide = frame.format.components[0].bits, frame.planes[0].width
    if bits <= 8:
        return plane(frame, 0)
    if frame.format.name.startswith(ON_TOP):
        return rows(frame, 0)[:, 1 : 2 * wide : 2]
    words = rows(frame, 0).view(np.uint16)[:, :wide]
    return (words >> (bits - 8)).astype(np.uint8)


def rows(frame: av.VideoFrame, number: int) -> Plane:
    """All bytes of a plane, padding included: lines x bytes per line."""
    source = frame.planes[number]
    flat: Plane = np.frombuffer(source, np.uint8)  # type: ignore[call-overload]  # planes are buffers
    return flat[: source.height * source.line_size].reshape(source.height, source.line_size)
