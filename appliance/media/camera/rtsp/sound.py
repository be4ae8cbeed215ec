"""RTP packets to frames of sound: AAC (RFC 3640; RFC 6416 as older cameras do it) and G.711 (RFC 3551)."""

import re

from appliance.media.camera.audio import AudioFormat
from appliance.media.camera.rtsp.sdp import Track
from appliance.media.mp4.bits import BitReader

_NAMES = {"pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}
_G711_HZ = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # AAC knows these too
_MOST_FRAME_BYTES = 16_384


def format_of(track: Track) -> AudioFormat:
    """What the track carries; a codec we cannot carry keeps the name that the camera gives it."""
    config = b""
    text = track.fmtp.get("config", "")
    if re.fullmatch(r"([0-9a-fA-F]{2}){2,64}", text):
        config = bytes.fromhex(text)
    if track.encoding == "mpeg4-generic":
        return AudioFormat("aac", track.clock_hz, track.channels, config)
    if track.encoding == "mp4a-latm" and track.fmtp.get("cpresent") == "0" and config:
        return AudioFormat("aac", track.clock_hz, track.channels, _specific_config(config))
    name = track.encoding
    if track.clock_hz in _G711_HZ:
        name = _NAMES.get(name, name)
    return AudioFormat(name or "unknown", track.clock_hz, track.channels, b"")


def _specific_config(mux_config: bytes) -> bytes:
    """The AudioSpecificConfig in a StreamMuxConfig of one program (ISO/IEC 14496-3, 1.7.3.2)."""
    reader = BitReader(mux_config.replace(b"\0\0\3", b"\0\0\3\3"), 0)
    try:
        if reader.bits(15) >> 14:
            return b""  # audioMuxVersion 1
        return reader.bits(16).to_bytes(2, "big")
    except ValueError:
        return b""


class Unpacker:
    """``put`` packets in order; whole frames are in ``done``, for the caller to take out."""

    def __init__(self, track: Track, buffer: bytearray) -> None:
        self.done: list[bytes] = []
        self._buffer = buffer
        self._type = track.payload_type
        self._latm = track.encoding == "mp4a-latm"
        self._aac = track.encoding == "mpeg4-generic"
        self._size_bits = _bits(track.fmtp.get("sizelength", ""), 13)
        index = _bits(track.fmtp.get("indexlength", ""), 3)
        delta = _bits(track.fmtp.get("indexdeltalength", ""), index)
        self._index_bits, self._delta_bits = index, delta
        self._waiting = bytearray()
        self._expected = -1

    def put(self, at: int, stop: int, end: int) -> int:
        """One RTP packet, ``buffer[at:stop]``. Sound that does not fit its own lengths is dropped."""
        buffer = self._buffer
        if stop - at <= 12 or buffer[at] >> 6 != 2 or buffer[at + 1] & 0x7F != self._type:
            return stop
        sequence = buffer[at + 2] << 8 | buffer[at + 3]
        if sequence != self._expected:
            self._waiting.clear()  # what is left of it would make a frame of two
        self._expected = (sequence + 1) & 0xFFFF
        begin, last = at + 12 + 4 * (buffer[at] & 0x0F), stop
        if buffer[at] & 0x10:
            begin += 4 + 4 * int.from_bytes(buffer[begin + 2 : begin + 4], "big")
        if buffer[at] & 0x20:
            last -= buffer[stop - 1]
        self._take(bytes(buffer[begin:last]) if begin < last else b"", buffer[at + 1] >= 0x80)
        return stop

    def _take(self, payload: bytes, is_marked: bool) -> None:
        if self._aac:
            self.done += self._units(payload, is_marked)
        elif self._latm:
            self.done += self._muxed(payload, is_marked)
        elif payload:
            self.done.append(payload)

    def _units(self, payload: bytes, is_marked: bool) -> list[bytes]:
        bits = int.from_bytes(payload[:2], "big")
        at = 2 + (bits + 7) // 8
        headers = payload[2:at]
        if not bits or at >= len(payload):
            return []
        sizes: list[int] = []
        used = 0
        whole = int.from_bytes(headers, "big")
        while used < bits and len(sizes) < 64:
            width = self._size_bits + (self._delta_bits if sizes else self._index_bits)
            if used + width > bits:
                break
            value = whole >> (len(headers) * 8 - used - width) & ((1 << width) - 1)
            sizes.append(value >> (width - self._size_bits))
            used += width
        if len(sizes) == 1 and sizes[0] > len(payload) - at:  # a frame in several packets
            self._waiting += payload[at:]
            return self._waited(is_marked or len(self._waiting) >= sizes[0], sizes[0])
        self._waiting.clear()
        frames = []
        for size in sizes:
            if size and at + size <= len(payload):
                frames.append(payload[at : at + size])
            at += size
        return frames

    def _waited(self, is_whole: bool, size: int) -> list[bytes]:
        if len(self._waiting) > _MOST_FRAME_BYTES:
            self._waiting.clear()
        if not is_whole:
            return []
        frame, self._waiting = bytes(self._waiting), bytearray()
        return [frame] if len(frame) == size else []

    def _muxed(self, payload: bytes, is_marked: bool) -> list[bytes]:
        self._waiting += payload
        if not is_marked:
            return self._waited(False, 0)
        data, self._waiting = bytes(self._waiting), bytearray()
        frames, at = [], 0
        while at < len(data):  # PayloadLengthInfo: bytes of 255, and one that is less
            size = 0
            while at < len(data) and data[at] == 0xFF:
                size, at = size + 255, at + 1
            if at >= len(data):
                break
            size, at = size + data[at], at + 1
            if size and at + size <= len(data):
                frames.append(data[at : at + size])
            at += size
        return frames


def _bits(text: str, otherwise: int) -> int:
    return int(text) if re.fullmatch(r"\d{1,2}", text, re.ASCII) and int(text) <= 32 else otherwise
