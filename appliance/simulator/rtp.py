"""RTP: access units to packets (RFC 3550; H.264 RFC 6184; H.265 RFC 7798; AAC RFC 3640), and RTCP."""

import struct

from appliance.simulator.sample import NS

PAYLOAD_BYTES = 1_400  # per packet: what fits an Ethernet frame, as real cameras do it over TCP too
VIDEO_HZ = 90_000
_HEADER = struct.Struct(">BBHII")
_FRAME = struct.Struct(">cBH")
_NTP_EPOCH_S = 2_208_988_800  # 1900 to 1970
_FU_A, _FU_H265 = 28, 49


class Packetiser:
    """One track's packets: sequence numbers and counters. ``first_timestamp`` and
    ``first_sequence`` are where media time 0 and the first packet lie (RFC 3550 wants them random)."""

    def __init__(
        self, payload_type: int, clock_hz: int, ssrc: int, first_sequence: int, first_timestamp: int
    ) -> None:
        self.payload_type = payload_type
        self.clock_hz = clock_hz
        self.ssrc = ssrc
        self.sequence = first_sequence & 0xFFFF  # of the next packet
        self._first_timestamp = first_timestamp
        self.packets = 0
        self.payload_bytes = 0

    def timestamp(self, media_ns: int) -> int:
        return (self._first_timestamp + (media_ns * self.clock_hz + NS // 2) // NS) & 0xFFFFFFFF

    def video(self, codec: str, units: list[bytes], timestamp: int) -> list[bytes]:
        """One access unit; the marker is on its last packet (RFC 6184, section 5.1)."""
        packets: list[bytes] = []
        for number, unit in enumerate(units):
            last = number == len(units) - 1
            if len(unit) <= PAYLOAD_BYTES:
                packets.append(self._header(timestamp, last) + unit)
                self.payload_bytes += len(unit)
            elif codec == "h264":
                # FU-A (RFC 6184, section 5.8): the NAL header is split over indicator and FU header
                head = bytes(((unit[0] & 0xE0) | _FU_A,))
                self._fragment(packets, unit, 1, head, unit[0] & 0x1F, timestamp, last)
            else:
                # FU (RFC 7798, section 4.4.3): the payload header is the NAL header with type 49
                head = bytes(((unit[0] & 0x81) | _FU_H265 << 1, unit[1]))
                self._fragment(packets, unit, 2, head, unit[0] >> 1 & 0x3F, timestamp, last)
        return packets

    def audio(self, frame: bytes, timestamp: int, *, aac: bool) -> list[bytes]:
        """One packet. AAC-hbr: a 16-bit AU-headers-length (in bits), then 13 bits of size and 3 of
        index (RFC 3640, section 3.3.6)."""
        payload = struct.pack(">HH", 16, len(frame) << 3) + frame if aac else frame
        self.payload_bytes += len(payload)
        return [self._header(timestamp, marker=aac) + payload]

    def sender_report(self, media_ns: int, wall_ns: int) -> bytes:
        """SR and SDES in one compound packet (RFC 3550, sections 6.4.1 and 6.5): the wall time of
        this media time."""
        seconds, rest_ns = divmod(wall_ns, NS)
        report = struct.pack(
            ">BBHIIIIII",
            0x80,
            200,
            6,
            self.ssrc,
            (seconds + _NTP_EPOCH_S) & 0xFFFFFFFF,
            (rest_ns << 32) // NS,
            self.timestamp(media_ns),
            self.packets & 0xFFFFFFFF,
            self.payload_bytes & 0xFFFFFFFF,
        )
        # one chunk: SSRC, CNAME item "aries", the null that ends the list, padded to a word
        return report + struct.pack(">BBHIBB5s1x", 0x81, 202, 3, self.ssrc, 1, 5, b"aries")

    def _header(self, timestamp: int, marker: bool) -> bytes:
        header = _HEADER.pack(
            0x80, self.payload_type | (0x80 if marker else 0), self.sequence, timestamp, self.ssrc
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.packets += 1
        return header

    def _fragment(
        self,
        out: list[bytes],
        unit: bytes,
        skip: int,
        head: bytes,
        unit_type: int,
        timestamp: int,
        last: bool,
    ) -> None:
        size = PAYLOAD_BYTES - len(head) - 1
        end = len(unit)
        for at in range(skip, end, size):
            final = at + size >= end
            fu = unit_type | (0x80 if at == skip else 0) | (0x40 if final else 0)
            piece = unit[at : at + size]
            out.append(b"".join((self._header(timestamp, final and last), head, bytes((fu,)), piece)))
            self.payload_bytes += len(head) + 1 + len(piece)


def interleave(packets: list[bytes], channel: int) -> bytes:
    """Packets as they travel inside an RTSP connection (RFC 2326, section 10.12)."""
    parts: list[bytes] = []
    for packet in packets:
        parts.append(_FRAME.pack(b"$", channel, len(packet)))
        parts.append(packet)
    return b"".join(parts)
