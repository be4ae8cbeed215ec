"""Frames of sound out of packets: RFC 3640, RFC 6416 and G.711, whole or not at all."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.camera.audio import is_carried, open_audio
from appliance.media.camera.rtsp import sdp
from appliance.media.camera.rtsp.sound import Unpacker, format_of
from appliance.simulator.rtp import Packetiser

HBR = "sizelength=13;indexlength=3;indexdeltalength=3;config=1408"


def track(rtpmap: str, fmtp: str = "", number: int = 97) -> sdp.Track:
    text = f"m=audio 0 RTP/AVP {number}\na=rtpmap:{number} {rtpmap}\na=fmtp:{number} {fmtp}"
    return sdp.parse(text, "rtsp://c").tracks[0]


AAC = track("MPEG4-GENERIC/16000/1", HBR)
LATM = track("MP4A-LATM/16000/1", "cpresent=0;config=400028103FC0")
G711 = track("PCMA/8000", number=8)


def unpack(packets: list[bytes], of: sdp.Track = AAC) -> list[bytes]:
    buffer = bytearray(b"".join(packets))
    unpacker, at = Unpacker(of, buffer), 0
    for packet in packets:
        stop = at + len(packet)
        assert unpacker.put(at, stop, len(buffer)) == stop
        at = stop
    return unpacker.done


def rtp(payload: bytes, number: int, *, kind: int = 97, marker: bool = True, first: int = 0x80) -> bytes:
    return struct.pack(">BBHII", first, kind | marker << 7, number & 0xFFFF, number * 1024, 1) + payload


def hbr(*units: bytes, sizes: list[int] | None = None) -> bytes:
    """An AU header section of 16 bits each, and the units."""
    counted = sizes or [len(unit) for unit in units]
    heads = b"".join(struct.pack(">H", size << 3) for size in counted)
    return struct.pack(">H", 16 * len(counted)) + heads + b"".join(units)


def pieces(frame: bytes, number: int, size: int) -> list[bytes]:
    """A frame in several packets (RFC 3640, 3.2.3.2): each says how long the whole is."""
    starts = range(0, len(frame), size)
    return [
        rtp(hbr(frame[at : at + size], sizes=[len(frame)]), number + n, marker=at + size >= len(frame))
        for n, at in enumerate(starts)
    ]


frames = st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=8)


@given(frames)
def test_one_frame_in_a_packet_as_a_foreign_sender_makes_them(sent: list[bytes]) -> None:
    packetiser = Packetiser(97, 16_000, 1, 65_530, 0)
    packets = [packet for frame in sent for packet in packetiser.audio(frame, 0, aac=True)]
    assert unpack(packets) == sent


@given(st.lists(frames, min_size=1, max_size=4))
def test_several_frames_in_a_packet(packets: list[list[bytes]]) -> None:
    sent = [frame for packet in packets for frame in packet]
    assert unpack([rtp(hbr(*packet), n) for n, packet in enumerate(packets)]) == sent


@given(frames, st.integers(1, 300), st.data())
def test_frames_in_several_packets_and_any_of_them_lost(sent: list[bytes], size: int, data) -> None:
    packets: list[bytes] = []
    for frame in sent:
        packets += pieces(frame, 65_530 + len(packets), size)
    assert unpack(packets) == sent
    lost = data.draw(st.sets(st.integers(0, len(packets) - 1), max_size=4))
    got = unpack([packet for n, packet in enumerate(packets) if n not in lost])
    left = list(sent)
    for frame in got:  # each was sent, and in this order
        assert frame in left
        del left[: left.index(frame) + 1]


def test_a_lost_end_does_not_grow_into_the_next_frame() -> None:
    one, two = b"a" * 1000, b"b" * 1000
    packets = pieces(one, 0, 600)[:1] + pieces(two, 2, 400)
    assert unpack(packets) == [two]
    assert unpack([pieces(one, 0, 600)[0], rtp(hbr(b"whole"), 2)]) == [b"whole"]
    assert unpack([pieces(one, 0, 600)[0], rtp(hbr(b"whole"), 1), *pieces(two, 2, 400)]) == [b"whole", two]


def test_other_widths_of_headers() -> None:
    narrow = track("mpeg4-generic/8000", "sizelength=6; indexlength=2; indexdeltalength=2; config=1588")
    payload = struct.pack(">HH", 16, 3 << 10 | 5 << 2) + b"abcdefgh"  # 3 and 5 bytes, indexes 0
    assert unpack([rtp(payload, 0)], narrow) == [b"abc", b"defgh"]


def muxed(frame: bytes) -> bytes:
    return b"\xff" * (len(frame) // 255) + bytes((len(frame) % 255,)) + frame


@given(st.lists(st.binary(min_size=1, max_size=1100), min_size=1, max_size=5), st.integers(100, 1400))
def test_latm(sent: list[bytes], size: int) -> None:
    packets = []
    for frame in sent:
        data = muxed(frame)
        for at in range(0, len(data), size):
            packets.append(rtp(data[at : at + size], len(packets), marker=at + size >= len(data)))
    assert unpack(packets, LATM) == sent
    assert unpack([rtp(b"".join(map(muxed, sent)), 0)], LATM) == sent


def test_g711_and_what_surrounds_it() -> None:
    packets = Packetiser(8, 8000, 1, 0, 0).audio(b"sound", 0, aac=False)
    packets += [
        rtp(b"ssssextra", 1, kind=8, first=0x81)[:12] + b"ssssextra",  # one contributing source
        rtp(b"\xbe\xde\0\1eeeeafter", 2, kind=8, first=0x90),  # a header extension
        rtp(b"padded\0\0\3", 3, kind=8, first=0xA0),
        rtp(b"", 4, kind=8),
        rtp(b"other", 5, kind=9),  # comfort noise
        rtp(b"lies\xff", 6, kind=8, first=0xA0),
        rtp(b"\xbe\xde\xff\xffx", 7, kind=8, first=0x9F),
        rtp(b"version", 8, kind=8, first=0x40),
        b"\x80\x08",
    ]
    assert unpack(packets, G711) == [b"sound", b"extra", b"after", b"padded"]


def test_what_a_track_carries() -> None:
    assert format_of(AAC) == ("aac", 16_000, 1, b"\x14\x08")
    assert format_of(LATM) == ("aac", 16_000, 1, b"\x14\x08")
    assert format_of(G711) == ("pcm_alaw", 8000, 1, b"")
    assert format_of(track("PCMU/16000", number=0)).codec == "pcm_mulaw"
    assert format_of(track("opus/48000/2")).codec == "opus"
    assert format_of(sdp.parse("m=audio 0 RTP/AVP 99", "rtsp://c").tracks[0]).codec == "unknown"


@pytest.mark.parametrize(
    ("rtpmap", "fmtp"),
    [
        ("MPEG4-GENERIC/16000", ""),
        ("MPEG4-GENERIC/16000", "config=zz"),
        ("MPEG4-GENERIC/16000", "config=1"),
        ("MP4A-LATM/16000", "config=400028103FC0"),  # it may change at any time
        ("MP4A-LATM/16000", "cpresent=0;config=C00028103FC0"),  # another version
        ("MP4A-LATM/16000", "cpresent=0;config=4000"),
        ("G726-32/8000", ""),
        ("PCMA/9999999", ""),
        ("PCMU/12345", ""),
    ],
)
def test_what_cannot_be_carried_is_said_to_be_so(rtpmap: str, fmtp: str) -> None:
    assert not is_carried(format_of(track(rtpmap, fmtp)))


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 32_000, 44_100, 48_000])
def test_g711_is_carried_at_rates_that_aac_knows(rate: int) -> None:
    assert open_audio(format_of(track(f"PCMA/{rate}"))) is not None


@given(
    st.sampled_from([AAC, LATM, track("PCMA/8000"), track("MPEG4-GENERIC/8000", "sizelength=0;indexlength=0"),
                     track("MPEG4-GENERIC/8000", "sizelength=32;indexlength=32;indexdeltalength=0")]),
    st.lists(st.tuples(st.integers(0x80, 0xBF), st.booleans(), st.binary(max_size=80)), max_size=12),
)  # fmt: skip
def test_lies_are_no_error(of: sdp.Track, packets: list[tuple[int, bool, bytes]]) -> None:
    made = [rtp(data, n, marker=marker, first=first) for n, (first, marker, data) in enumerate(packets)]
    assert sum(map(len, unpack(made, of))) <= sum(map(len, made))


@pytest.mark.parametrize("of", [AAC, LATM])
def test_a_frame_that_never_ends_takes_no_memory(of: sdp.Track) -> None:
    buffer = bytearray(rtp(hbr(bytes(1000), sizes=[8191]), 0, marker=False))
    unpacker = Unpacker(of, buffer)
    for number in range(3000):
        buffer[2:4] = struct.pack(">H", number)
        unpacker.put(0, len(buffer), len(buffer))
        unpacker.done.clear()
        assert len(unpacker._waiting) < 20_000
