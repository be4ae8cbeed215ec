"""Numbered frames without decoding: a SEI message that carries what the stamp shows.

user_data_unregistered (ITU-T H.264, D.1.7; H.265, D.2.7): our UUID, then the milliseconds since 1970 and
the frame's number, 64 bits each, big-endian. No numpy and no av, so that anybody may count with it.
"""

import re
import struct
import uuid

UUID = uuid.UUID("6f2d0c2e-5f0f-4b7a-9d0e-1c9a3d51e5a7").bytes
_BODY = struct.Struct(">16sQQ")


def sei_unit(codec: str, time_ms: int, counter: int) -> bytes:
    """The NAL unit, with its header: type 6 in H.264, prefix SEI (39) in H.265."""
    header = b"\x06" if codec == "h264" else bytes((39 << 1, 1))
    message = bytes((5, _BODY.size)) + _BODY.pack(UUID, time_ms, counter) + b"\x80"
    # emulation prevention (H.264, 7.4.1): no 00 00 00..03 inside a NAL unit
    return header + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", message)


def read_sei(unit: bytes) -> tuple[int, int] | None:
    """(time_ms, counter) if this NAL unit of either codec is one of ours."""
    plain = unit.replace(b"\x00\x00\x03", b"\x00\x00")
    at = plain.find(UUID)
    if at < 0 or len(plain) < at + _BODY.size:
        return None
    _, time_ms, counter = _BODY.unpack_from(plain, at)
    return time_ms, counter
