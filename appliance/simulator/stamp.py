"""The clock in the picture: wall time and frame number as black and white blocks.

Layout, in units of a *block* whose side is 1/40 of the picture's width (16 px at 640):

    row 0:  white black  b0  b1  … b33        at the top left corner, two rows of
    row 1:  black white  b34 b35 … b67        36 blocks each: 0.9 x 0.05 widths

b0 is the most significant bit of 68: 44 bits of milliseconds since 1970 UTC, 16 bits of frame number
(modulo 65536), 8 bits of checksum: CRC-8 with polynomial 0x07 and start 0x00 over the 60 bits
before it as 8 bytes, big-endian, the top 4 bits zero. White is 1. The two first blocks of each row tell
a reader what white and black look like here. Since the layout follows the picture's width, the same
reader works at every scale. ``stamp.js`` is the same reader for a browser's canvas.

44 bits of milliseconds last until the year 2527.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COLUMNS = 40
DATA_BITS = 68
ROW_BITS = 34
WHITE, BLACK = 235, 16  # BT.709 limited range
LEAST_CONTRAST = 40  # grey levels between the reference blocks

Plane = NDArray[np.uint8]


class Stamp(NamedTuple):
    """``time_ms`` since 1970 UTC; ``counter`` is the frame's number modulo 65536."""

    time_ms: int
    counter: int


def stamp_bits(stamp: Stamp) -> NDArray[np.bool_]:
    """The (2, 36) blocks, True is white."""
    value = (stamp.time_ms & ((1 << 44) - 1)) << 16 | stamp.counter & 0xFFFF
    value = value << 8 | _crc8(value)
    bits = [bool(value >> (DATA_BITS - 1 - n) & 1) for n in range(DATA_BITS)]
    return np.array([[True, False, *bits[:ROW_BITS]], [False, True, *bits[ROW_BITS:]]])


def draw_stamp(y: Plane, u: Plane, v: Plane, stamp: Stamp) -> None:
    """Draw into the planes of a 4:2:0 picture (height x width and half of that), in place."""
    rows, columns = _block_of_pixel(y.shape[1])
    blocks = np.where(stamp_bits(stamp), np.uint8(WHITE), np.uint8(BLACK))
    y[: len(rows), : len(columns)] = blocks[rows][:, columns]
    u[: (len(rows) + 1) // 2, : (len(columns) + 1) // 2] = 128
    v[: (len(rows) + 1) // 2, : (len(columns) + 1) // 2] = 128


def read_stamp(picture: Plane) -> Stamp | None:
    """The stamp in a Y plane (height x width) or an RGB array (height x width x 3), or None where
    there is none: too little contrast, or the checksum does not fit."""
    grey = picture if picture.ndim == 2 else picture[:, :, 1]
    block = grey.shape[1] / COLUMNS
    if grey.shape[0] < 2 * block or block < 2:
        return None
    values = np.empty((2, ROW_BITS + 2))
    for row in range(2):
        top, bottom = _inner(row, block)
        band = grey[top:bottom].mean(axis=0)  # mean over the middle half, away from ringing edges
        for column in range(ROW_BITS + 2):
            left, right = _inner(column, block)
            values[row, column] = band[left:right].mean()
    white = (values[0, 0] + values[1, 1]) / 2
    black = (values[0, 1] + values[1, 0]) / 2
    if white - black < LEAST_CONTRAST:
        return None
    whole = 0
    for bit in (values[:, 2:] > (white + black) / 2).ravel():
        whole = whole << 1 | int(bit)
    value, checksum = whole >> 8, whole & 0xFF
    if _crc8(value) != checksum:
        return None
    return Stamp(value >> 16, value & 0xFFFF)


def _inner(number: int, block: float) -> tuple[int, int]:
    begin = round((number + 0.25) * block)
    return begin, max(begin + 1, round((number + 0.75) * block))


@lru_cache(maxsize=16)
def _block_of_pixel(width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    block = width / COLUMNS
    edges = np.round(np.arange(ROW_BITS + 3) * block).astype(np.intp)
    columns = np.repeat(np.arange(ROW_BITS + 2), np.diff(edges))
    rows = np.repeat(np.arange(2), np.diff(edges[:3]))
    return rows, columns


def _crc8(value: int) -> int:
    crc = 0
    for byte in value.to_bytes(8, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
