"""H.264 and H.265 as far as a recorder needs them: NAL units, parameter sets, MP4 configuration.

Sources: ITU-T H.264 (7.3.2.1, E.1), ITU-T H.265 (7.3.2.2, 7.3.3), ISO/IEC 14496-15 (5.3.3, 8.3.3),
RFC 6381 and ISO/IEC 14496-15 Annex E for codec strings.
"""

from typing import Literal

import msgspec

from appliance.base.errors import invalid
from appliance.media.mp4.bits import BitReader, unescape

Codec = Literal["h264", "hevc"]

H264_SPS, H264_PPS = 7, 8
HEVC_VPS, HEVC_SPS, HEVC_PPS = 32, 33, 34
HEVC_SLICES = {*range(10), *range(16, 22)}  # ITU-T H.265, table 7-1: what is not reserved
_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}


class Parameters(msgspec.Struct, frozen=True):
    """One set of parameters: equal means that the same decoder can go on.

    ``reorder`` is how many frames may stand before one that is shown earlier; None: not said.
    """

    codec: Codec
    codec_string: str
    config: bytes  # payload of avcC or hvcC
    width: int
    height: int
    reorder: int | None


def nal_type(codec: Codec, first_byte: int) -> int:
    return first_byte & 0x1F if codec == "h264" else (first_byte >> 1) & 0x3F


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units between start codes; emulation prevention makes the search exact."""
    units = []
    start = data.find(b"\0\0\1")
    while start >= 0:
        end = data.find(b"\0\0\1", start + 3)
        unit = data[start + 3 : end if end >= 0 else len(data)]
        unit = unit.rstrip(b"\0") if end >= 0 else unit
        if unit:
            units.append(unit)
        start = end
    return units


def to_length_prefixed(packet: bytes | bytearray) -> bytearray:
    """Annex B -> 4-byte lengths."""
    out = bytearray()
    for unit in split_annex_b(bytes(packet)):
        out += len(unit).to_bytes(4, "big") + unit
    return out


def resplit(data: bytearray) -> bytearray:
    """Length-prefixed units of which one may hold start codes, that is, several units."""
    return to_length_prefixed(b"".join(b"\0\0\0\1" + unit for unit in split_length_prefixed(data)))


def is_recovery_point(sei: bytes | bytearray) -> bool:
    """Whether a decoder can begin here, though there is no IDR (ITU-T H.264, 7.3.2.3 and D.1.8)."""
    data = unescape(bytes(sei[:4096]))
    at = 1
    while at + 2 < len(data):
        kind = size = 0
        while at < len(data) and data[at] == 0xFF:
            kind, at = kind + 255, at + 1
        kind, at = kind + data[at] if at < len(data) else -1, at + 1
        while at < len(data) and data[at] == 0xFF:
            size, at = size + 255, at + 1
        if at >= len(data):
            return False
        size, at = size + data[at], at + 1
        if kind == 6:
            return True
        at += size
    return False


def split_length_prefixed(data: bytes | bytearray | memoryview) -> list[bytes]:
    """The NAL units of a sample; raises ``ValueError`` where the lengths do not fit exactly."""
    units, at, size = [], 0, len(data)
    while at < size:
        length = int.from_bytes(data[at : at + 4], "big")
        if length == 0 or at + 4 + length > size:
            raise ValueError("lengths do not fit the sample")
        units.append(bytes(data[at + 4 : at + 4 + length]))
        at += 4 + length
    return units


def has_slice(codec: Codec, data: bytes | bytearray) -> bool:
    """Whether a sample holds a piece of a picture: slices of a camera's profiles (no data partitions),
    so that H.265 under the name of H.264 has none, and the other way round."""
    at, size = 0, len(data)
    while at + 4 < size:
        if codec == "h264":
            if data[at + 4] & 0x1F in (1, 5):
                return True
        elif (data[at + 4] >> 1) & 0x3F in HEVC_SLICES and data[at + 5 : at + 6] > b"\0":
            return True
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return False


def parameter_sets(codec: Codec, units: list[bytes]) -> list[bytes]:
    """The SPS and PPS (and VPS) among ``units``, each once, in order."""
    wanted = (H264_SPS, H264_PPS) if codec == "h264" else (HEVC_VPS, HEVC_SPS, HEVC_PPS)
    return list(dict.fromkeys(u for u in units if nal_type(codec, u[0]) in wanted))


def parse(codec: Codec, sets: list[bytes]) -> Parameters:
    """Raises ``invalid`` where a set is missing or damaged."""
    try:
        return _parse_h264(sets) if codec == "h264" else _parse_hevc(sets)
    except (ValueError, IndexError, StopIteration) as error:
        raise invalid(
            f"the camera's {codec} parameter sets are damaged or incomplete",
            "set the camera to send SPS and PPS with every key frame, or update its firmware",
        ) from error


def from_extradata(codec: Codec, extradata: bytes) -> list[bytes]:
    """Parameter sets out of libav's extradata: Annex B, avcC or hvcC; [] where there are none."""
    if len(extradata) < 7:
        return []
    if extradata[0] != 1:
        return parameter_sets(codec, split_annex_b(extradata))
    units, at = [], 5 if codec == "h264" else 22
    if codec == "h264":
        for mask in (0x1F, 0xFF):
            count, at = extradata[at] & mask, at + 1
            for _ in range(count):
                length = int.from_bytes(extradata[at : at + 2], "big")
                units.append(extradata[at + 2 : at + 2 + length])
                at += 2 + length
        return [u for u in units if u]
    arrays, at = extradata[at], at + 1
    for _ in range(arrays):
        count, at = int.from_bytes(extradata[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            length = int.from_bytes(extradata[at : at + 2], "big")
            units.append(extradata[at + 2 : at + 2 + length])
            at += 2 + length
    return [u for u in units if u]


def _parse_h264(sets: list[bytes]) -> Parameters:
    sps = next(s for s in sets if nal_type("h264", s[0]) == H264_SPS)
    spss = [s for s in sets if nal_type("h264", s[0]) == H264_SPS]
    ppss = [s for s in sets if nal_type("h264", s[0]) == H264_PPS]
    if not ppss:
        raise ValueError("no PPS")
    width, height, reorder = _h264_size(sps)
    config = bytes([1, sps[1], sps[2], sps[3], 0xFF, 0xE0 | len(spss)])
    config += b"".join(len(s).to_bytes(2, "big") + s for s in spss)
    config += bytes([len(ppss)]) + b"".join(len(p).to_bytes(2, "big") + p for p in ppss)
    if sps[1] in (100, 110, 122, 144):
        chroma, luma_depth, chroma_depth = _h264_depths(sps)
        config += bytes([0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0])
    return Parameters("h264", f"avc1.{sps[1:4].hex()}", config, width, height, reorder)


def _h264_depths(sps: bytes) -> tuple[int, int, int]:
    r = BitReader(sps, 4)
    r.ue()
    chroma = r.ue()
    if chroma == 3:
        r.flag()
    return chroma & 3, r.ue() & 7, r.ue() & 7


def _h264_size(sps: bytes) -> tuple[int, int, int | None]:
    r = BitReader(sps, 4)
    r.ue()  # seq_parameter_set_id
    chroma = 1
    separate = False
    if sps[1] in _HIGH_PROFILES:
        chroma = r.ue()
        separate = chroma == 3 and r.flag()
        r.ue(), r.ue(), r.flag()
        if r.flag():
            _skip_scaling_lists(r, 8 if chroma != 3 else 12)
    r.ue()  # log2_max_frame_num
    order_type = r.ue()
    if order_type == 0:
        r.ue()
    elif order_type == 1:
        r.flag(), r.se(), r.se()
        for _ in range(r.ue()):
            r.se()
    r.ue(), r.flag()
    width = (r.ue() + 1) * 16
    map_units = r.ue() + 1
    frames_only = r.flag()
    if not frames_only:
        r.flag()
    height = map_units * 16 * (2 - frames_only)
    r.flag()
    if r.flag():
        left, right, top, bottom = r.ue(), r.ue(), r.ue(), r.ue()
        unit_x = 1 if chroma in (0, 3) or separate else 2
        unit_y = (2 if chroma == 1 and not separate else 1) * (2 - frames_only)
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    if not 16 <= width <= 16384 or not 16 <= height <= 16384:
        raise ValueError("implausible size")
    reorder: int | None = 0 if order_type == 2 or sps[1] == 66 else None
    if reorder is None and r.flag():
        reorder = _h264_vui_reorder(r)
    return width, height, reorder


def _skip_scaling_lists(r: BitReader, lists: int) -> None:
    for number in range(lists):
        if not r.flag():
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):
            if following:
                following = (last + r.se()) % 256
            last = following or last


def _h264_vui_reorder(r: BitReader) -> int | None:
    try:
        if r.flag() and r.bits(8) == 255:
            r.bits(32)
        if r.flag():
            r.flag()
        if r.flag():
            r.bits(4)
            if r.flag():
                r.bits(24)
        if r.flag():
            r.ue(), r.ue()
        if r.flag():
            r.bits(65)
        hrds = 0
        for _ in range(2):
            if r.flag():
                hrds += 1
                count = r.ue() + 1
                r.bits(8)
                for _ in range(count):
                    r.ue(), r.ue(), r.flag()
                r.bits(20)
        if hrds:
            r.flag()
        r.flag()
        if not r.flag():
            return None
        r.flag(), r.ue(), r.ue(), r.ue(), r.ue()
        return r.ue()
    except ValueError:
        return None  # some cameras cut their VUI short; the picture is fine without it


def _parse_hevc(sets: list[bytes]) -> Parameters:
    sps = next(s for s in sets if nal_type("hevc", s[0]) == HEVC_SPS)
    r = BitReader(sps, 2)
    r.bits(4)
    sub_layers = r.bits(3)
    r.flag()
    tier_level = unescape(sps)[3:15]  # general profile, tier, flags, level: 12 bytes, byte-aligned
    r.bits(96)
    _skip_sub_layers(r, sub_layers)
    r.ue()
    chroma = r.ue()
    if chroma == 3:
        r.flag()
    width, height = r.ue(), r.ue()
    if r.flag():
        left, right, top, bottom = r.ue(), r.ue(), r.ue(), r.ue()
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    luma_depth, chroma_depth = r.ue(), r.ue()
    r.ue()
    reorder = 0
    for _ in range(sub_layers + 1 if r.flag() else 1):
        r.ue()
        reorder = r.ue()
        r.ue()
    if not 16 <= width <= 16384 or not 16 <= height <= 16384:
        raise ValueError("implausible size")
    config = _hvcc(sets, tier_level, chroma, luma_depth, chroma_depth, sub_layers + 1)
    return Parameters("hevc", _hevc_string(tier_level), config, width, height, reorder)


def _skip_sub_layers(r: BitReader, sub_layers: int) -> None:
    present = [(r.flag(), r.flag()) for _ in range(sub_layers)]
    if sub_layers:
        r.bits(2 * (8 - sub_layers))
    for profile, level in present:
        r.bits(88 * profile + 8 * level)


def _hvcc(
    sets: list[bytes], tier_level: bytes, chroma: int, luma_depth: int, chroma_depth: int, layers: int
) -> bytes:
    head = bytes([1]) + tier_level + b"\xf0\x00\xfc"
    head += bytes([0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0, 0, layers << 3 | 4 | 3])
    kinds = [k for k in (HEVC_VPS, HEVC_SPS, HEVC_PPS) if any(nal_type("hevc", s[0]) == k for s in sets)]
    arrays = bytes([len(kinds)])
    for kind in kinds:
        units = [s for s in sets if nal_type("hevc", s[0]) == kind]
        arrays += bytes([0x80 | kind]) + len(units).to_bytes(2, "big")
        arrays += b"".join(len(u).to_bytes(2, "big") + u for u in units)
    if HEVC_PPS not in kinds or HEVC_VPS not in kinds:
        raise ValueError("no VPS or PPS")
    return head + arrays


def _hevc_string(tier_level: bytes) -> str:
    space = ("", "A", "B", "C")[tier_level[0] >> 6]
    tier = "H" if tier_level[0] & 0x20 else "L"
    compatible = int(f"{int.from_bytes(tier_level[1:5], 'big'):032b}"[::-1], 2)
    flags = [f"{byte:X}" for byte in tier_level[5:11].rstrip(b"\0")]
    parts = [f"hvc1.{space}{tier_level[0] & 0x1F}", f"{compatible:X}", f"{tier}{tier_level[11]}", *flags]
    return ".".join(parts)
