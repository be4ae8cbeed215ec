"""RTP packets to pictures: H.264 (RFC 6184) and H.265 (RFC 7798), over a transport that loses nothing.

A picture is handed on with its last packet. Which that is the marker bit says; some cameras set it
on every slice or parameter set, so it is believed after it has been right a few times, and never
again once it was wrong: then a picture ends where the next begins.
"""

import struct
from typing import NamedTuple

from appliance.media.mp4 import h26x

_FIXED = struct.Struct(">BBHIIBBB")  # RTP header without extras (RFC 3550, 5.1), 3 bytes of payload
_TRUST = 3  # pictures
MOST_PICTURE_BYTES = 16_000_000
_H264_SLICES = (1, 5)
_H264_STAP_A, _H264_FU_A = 24, 28
_HEVC_AP, _HEVC_FU = 48, 49
_H264_IDR, _H264_SEI = 5, 6
_H264_OPENERS = (6, 7, 8, 9)  # what can only stand in front of a picture (ITU-T H.264, 7.4.1.2.3)
_HEVC_OPENERS = (32, 33, 34, 35, 39)  # ITU-T H.265, 7.4.2.4.4
_HEVC_IRAP = range(16, 22)
_NO_UNIT = -1


class Picture(NamedTuple):
    """``data``: length-prefixed NAL units. ``stamp``: RTP ticks since the first packet."""

    data: bytearray
    stamp: int
    is_key: bool


class Assembler:
    """Its packets lie in ``buffer``, of which ``view`` is a view. ``put`` them in order; finished
    pictures are in ``done``, for the caller to take out.

    ``empty``: times in a row that a picture should have ended and there was none: the camera sends
    something else than it says. ``damaged``: units that were lost or not understood.
    """

    def __init__(self, codec: h26x.Codec, payload_type: int, buffer: bytearray, view: memoryview) -> None:
        self._buffer, self._view = buffer, view
        self.done: list[Picture] = []
        self.empty = 0
        self.damaged = 0
        self._is_h264 = codec == "h264"
        self._fu = _H264_FU_A if self._is_h264 else _HEVC_FU << 1
        self._fu_mask = 0x1F if self._is_h264 else 0x7E
        self._fu_at = 14 if self._is_h264 else 15
        self._type = payload_type
        self._expected = -1
        self._rtp_stamp = -1
        self._stamp = 0
        self._trust = 0
        self._data = bytearray()
        self._unit_at = _NO_UNIT  # where the length of an unfinished unit belongs
        self._has_slice = self._is_key = self._is_marked = self._is_annex_b = False
        self._before_unit = (False, False)  # whether there was a slice, and a key one

    def put(self, at: int, stop: int, end: int) -> int:
        """One RTP packet, ``buffer[at:stop]``, and those of the same unit that lie behind it, before
        ``end``. Where the last of them stops."""
        if stop - at < 16:
            if stop - at > 12:
                self._put_any(at, stop)
            return stop
        first, kind, sequence, stamp, _, head, second, third = _FIXED.unpack_from(self._buffer, at)
        if (
            sequence == self._expected
            and kind == self._type  # and no marker
            and first == 0x80
            and stamp == self._rtp_stamp
            and head & self._fu_mask == self._fu
            and (second if self._is_h264 else third) < 0x40  # neither start nor end
            and self._unit_at >= 0
            and len(self._data) < MOST_PICTURE_BYTES
        ):  # most of all packets: the middle of a slice
            return self._middles(at, stop, end, sequence)
        self._put_any(at, stop)
        return stop

    def _middles(self, at: int, stop: int, end: int, sequence: int) -> int:
        """The middle of a slice comes in packets that differ in their sequence numbers and payloads
        alone; comparing the rest of their headers as bytes costs less than reading each."""
        buffer, view, data, skip = self._buffer, self._view, self._data, self._fu_at
        pitch = stop - at + 4
        front, back = buffer[at - 4 : at + 2], buffer[at + 4 : at + skip]
        alike = buffer.startswith
        before = len(data)
        data += view[at + skip : stop]
        last = stop
        count = 1
        while last + pitch <= end and alike(front, last) and alike(back, last + 8):
            data += view[last + 4 + skip : last + pitch]
            last += pitch
            count += 1
        newest = last - pitch + 6
        newest_sequence = (sequence + count - 1) & 0xFFFF
        if buffer[newest] << 8 | buffer[newest + 1] != newest_sequence:  # one is missing among them
            del data[before + stop - at - skip :]
            newest_sequence, last = sequence, stop
        self._expected = (newest_sequence + 1) & 0xFFFF
        return last

    def ticks(self, rtp_stamp: int) -> int:
        """A time in the camera's 32 bits, as ``Picture.stamp`` has it: the nearest to the newest."""
        ahead = (rtp_stamp - self._rtp_stamp) & 0xFFFFFFFF
        return self._stamp + (ahead - (1 << 32) if ahead >= 1 << 31 else ahead)

    def _put_any(self, at: int, end: int) -> None:
        """Any packet; what is not RTP of our track is passed over."""
        buffer = self._buffer
        first, kind = buffer[at], buffer[at + 1]
        if first >> 6 != 2 or kind & 0x7F != self._type:
            return
        sequence = buffer[at + 2] << 8 | buffer[at + 3]
        stamp = int.from_bytes(buffer[at + 4 : at + 8], "big")
        begin = at + 12 + 4 * (first & 0x0F)
        if first & 0x10 and begin + 4 <= end:
            begin += 4 + 4 * int.from_bytes(buffer[begin + 2 : begin + 4], "big")
        if first & 0x20:
            end -= buffer[end - 1]
        if self._expected not in (-1, sequence):
            self.damaged += 1
            self._drop_unit()
        self._expected = (sequence + 1) & 0xFFFF
        if stamp != self._rtp_stamp:
            self._begin_stamp(stamp)
        if begin < end:
            self._payload(begin, end)
        if kind & 0x80:
            self._marker()

    def _begin_stamp(self, stamp: int) -> None:
        if self._rtp_stamp < 0:
            self._rtp_stamp = stamp
        if self._is_marked and self._trust >= 0:
            self._trust += 1
        self._flush()
        self._stamp = self.ticks(stamp)
        self._rtp_stamp = stamp

    def _marker(self) -> None:
        self._is_marked = True
        if self._trust >= _TRUST or not self._has_slice:
            self._flush(is_marked=True)

    def _flush(self, *, is_marked: bool = False) -> None:
        """The picture is whole. Units without one wait for theirs."""
        self._end_unit()
        self._is_marked = is_marked
        if not self._has_slice:
            self.empty += bool(self._data)
            return
        self.empty = 0
        data = h26x.resplit(self._data) if self._is_annex_b else self._data
        self.done.append(Picture(data, self._stamp, self._is_key))
        self._data = bytearray()
        self._has_slice = self._is_key = self._is_annex_b = False

    def _payload(self, at: int, end: int) -> None:
        buffer = self._buffer
        head = buffer[at]
        kind = head & 0x1F if self._is_h264 else head >> 1 & 0x3F
        if kind == (_H264_FU_A if self._is_h264 else _HEVC_FU):
            self._fragment(at, end)
        elif kind == (_H264_STAP_A if self._is_h264 else _HEVC_AP):
            at += 1 if self._is_h264 else 2
            while at + 2 < end:
                size = buffer[at] << 8 | buffer[at + 1]
                at += 2
                if not 0 < size <= end - at:
                    self.damaged += 1
                    return
                self._whole(at, at + size)
                at += size
        elif (kind == 0 and self._is_h264) or kind > (23 if self._is_h264 else 47):
            self.damaged += 1  # packet types that cameras do not use (interleaved mode, PACI)
        else:
            self._whole(at, end)

    def _whole(self, at: int, end: int) -> None:
        buffer = self._buffer
        self._begin_unit(buffer[at], buffer[at + 1 : min(at + 3, end)])
        if len(self._data) > MOST_PICTURE_BYTES:
            self._drop_all()
            return
        self._data += (end - at).to_bytes(4, "big")
        self._data += self._view[at:end]
        self._look_into(len(self._data) - (end - at), buffer[at])

    def _fragment(self, at: int, end: int) -> None:
        buffer = self._buffer
        size = 2 if self._is_h264 else 3  # of the headers, the FU header with them
        if end - at <= size:
            return
        fu = buffer[at + size - 1]
        if fu & 0x80:
            if self._is_h264:
                header = bytes((buffer[at] & 0xE0 | fu & 0x1F,))
            else:
                header = bytes((buffer[at] & 0x81 | (fu & 0x3F) << 1, buffer[at + 1]))
            self._begin_unit(header[0], header[1:] + buffer[at + size : min(at + size + 2, end)])
            self._unit_at = len(self._data)
            self._data += b"\0\0\0\0"
            self._data += header
        elif self._unit_at < 0:
            return  # its beginning was lost
        if len(self._data) > MOST_PICTURE_BYTES:
            self._drop_all()
            return
        self._data += self._view[at + size : end]
        if fu & 0x40:
            self._end_unit()

    def _begin_unit(self, head: int, following: bytes | bytearray) -> None:
        """``following``: up to two bytes behind the first of the NAL unit."""
        self._end_unit()
        if self._is_h264:
            kind = head & 0x1F
            is_slice, is_opener = kind in _H264_SLICES, kind in _H264_OPENERS
            # first_mb_in_slice is 0 (ITU-T H.264, 7.3.3): its exp-Golomb code is one bit
            is_first = is_slice and following[:1] >= b"\x80"
        else:
            kind = head >> 1 & 0x3F
            is_slice = kind in h26x.HEVC_SLICES and following[:1] > b"\0"
            is_opener = kind in _HEVC_OPENERS
            is_first = is_slice and following[1:2] >= b"\x80"  # first_slice_segment_in_pic_flag
        if self._is_marked:
            if self._has_slice and (is_first or is_opener):
                self._flush()  # the same time twice
            elif is_slice and not is_first:
                self._trust = -1  # the marker was not at the end of the picture
            self._is_marked = False
        self._before_unit = (self._has_slice, self._is_key)
        if is_slice:
            self._has_slice = True
            self._is_key = self._is_key or (kind == _H264_IDR if self._is_h264 else kind in _HEVC_IRAP)

    def _end_unit(self) -> None:
        at = self._unit_at
        if at < 0:
            return
        self._unit_at = _NO_UNIT
        self._data[at : at + 4] = (len(self._data) - at - 4).to_bytes(4, "big")
        self._look_into(at + 4, self._data[at + 4])

    def _look_into(self, at: int, head: int) -> None:
        """A unit is whole that is not a slice: key frames without IDR, and whole streams in one unit."""
        if self._is_h264:
            kind = head & 0x1F
            if kind not in _H264_OPENERS:
                return
            if kind == _H264_SEI and h26x.is_recovery_point(self._data[at:]):
                self._is_key = True
        elif head >> 1 & 0x3F not in _HEVC_OPENERS:
            return
        if self._data.find(b"\0\0\1", at) >= 0:
            self._is_annex_b = True
            for unit in h26x.split_annex_b(b"\0\0\1" + self._data[at:])[1:]:
                self._begin_unit(unit[0], unit[1:3])

    def _drop_unit(self) -> None:
        if self._unit_at >= 0:
            del self._data[self._unit_at :]
            self._unit_at = _NO_UNIT
            self._has_slice, self._is_key = self._before_unit

    def _drop_all(self) -> None:
        """No picture is so large: the camera never ends this one."""
        self.damaged += 1
        self._data = bytearray()
        self._unit_at = _NO_UNIT
        self._has_slice = self._is_key = self._is_annex_b = False
