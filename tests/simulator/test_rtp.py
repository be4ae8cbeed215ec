import random
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.simulator.rtp import PAYLOAD_BYTES, Packetiser, interleave
from appliance.simulator.sample import NS

# sizes rather than bytes: left to itself hypothesis hardly ever makes a unit that needs fragments
UNITS = st.lists(
    st.builds(
        lambda size, seed: random.Random(seed).randbytes(size),
        st.integers(1, 3 * PAYLOAD_BYTES) | st.integers(PAYLOAD_BYTES - 4, PAYLOAD_BYTES + 4),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=6,
)


def _units(codec: str, raw: list[bytes]) -> list[bytes]:
    # types 1..23 (H.264) and 0..40 (H.265): 24 and 48 on are RTP's own
    heads = (b"\x65", b"\x01", b"\x67") if codec == "h264" else (b"\x26\x01", b"\x02\x01", b"\x40\x09")
    return [heads[n % 3] + data for n, data in enumerate(raw)]


@settings(deadline=None)
@given(raw=UNITS, codec=st.sampled_from(["h264", "h265"]), first=st.integers(0, 0xFFFF))
def test_units_come_back_as_they_were(depacketiser: Any, raw: list[bytes], codec: str, first: int) -> None:
    units = _units(codec, raw)
    packetiser = Packetiser(96, 90_000, 7, first, 0)
    packets = packetiser.video(codec, units, 1234)
    back = depacketiser(codec)
    for packet in packets:
        assert len(packet) <= PAYLOAD_BYTES + 12
        back.put(packet)
    assert [unit.data for unit in back.units] == units
    assert {unit.timestamp for unit in back.units} == {1234}
    assert back.sequences == [(first + n) & 0xFFFF for n in range(len(packets))]
    assert [bool(packet[1] & 0x80) for packet in packets] == [False] * (len(packets) - 1) + [True]
    assert packetiser.packets == len(packets)
    assert packetiser.payload_bytes == sum(len(packet) - 12 for packet in packets)


@given(media_ns=st.integers(-NS, 10**15), first=st.integers(0, 2**32 - 1))
def test_timestamps_never_drift(media_ns: int, first: int) -> None:
    packetiser = Packetiser(96, 90_000, 7, 0, first)
    exact = first + media_ns * 90_000 / NS
    assert abs((packetiser.timestamp(media_ns) - round(exact) + 2**31) % 2**32 - 2**31) <= 1


def test_sender_report_says_when_a_timestamp_was() -> None:
    packetiser = Packetiser(96, 90_000, 0xABCD, 0, 500)
    packetiser.video("h264", [b"\x65abc"], 500)
    report = packetiser.sender_report(2 * NS, 1_768_919_400 * NS + NS // 2)
    first, kind, words, ssrc, seconds, fraction, stamp, packets, size = struct.unpack(
        ">BBHIIIIII", report[:28]
    )
    assert (first, kind, words, ssrc) == (0x80, 200, 6, 0xABCD)
    assert seconds == 1_768_919_400 + 2_208_988_800
    assert fraction == 1 << 31
    assert (stamp, packets, size) == (500 + 180_000, 1, 4)
    assert struct.unpack(">BBH", report[28:32]) == (0x81, 202, (len(report) - 32) // 4)


def test_aac_has_an_au_header() -> None:
    (packet,) = Packetiser(97, 16_000, 1, 0, 0).audio(b"x" * 300, 0, aac=True)
    assert struct.unpack(">HH", packet[12:16]) == (16, 300 << 3)
    assert packet[16:] == b"x" * 300


def test_interleaving_frames_each_packet() -> None:
    assert interleave([b"ab", b"c"], 5) == b"$\x05\x00\x02ab$\x05\x00\x01c"
