"""Exp-Golomb numbers, against a writer of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.mp4.bits import BitReader, unescape


def written(values: list[tuple[str, int]]) -> bytes:
    bits = ""
    for kind, value in values:
        if kind == "flag":
            bits += str(value)
        else:
            number = value if kind == "ue" else 2 * value - 1 if value > 0 else -2 * value
            code = f"{number + 1:b}"
            bits += "0" * (len(code) - 1) + code
    bits += "1" + "0" * (-(len(bits) + 1) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def escaped(rbsp: bytes) -> bytes:
    out, zeros = bytearray(), 0
    for byte in rbsp:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


numbers = (
    st.tuples(st.just("ue"), st.integers(0, 2**31))
    | st.tuples(st.just("se"), st.integers(-(2**30), 2**30))
    | st.tuples(st.just("flag"), st.integers(0, 1))
)


@given(st.lists(numbers, max_size=30))
def test_what_was_written_is_read(values) -> None:
    reader = BitReader(b"\x67" + escaped(written(values)), 1)
    assert [int(getattr(reader, kind)()) for kind, _ in values] == [value for _, value in values]


@given(st.binary(max_size=60) | st.lists(st.sampled_from([0, 1, 3]), max_size=60).map(bytes))
def test_unescape_undoes_escape(rbsp: bytes) -> None:
    assert unescape(escaped(rbsp)) == rbsp


def test_it_never_reads_behind_the_end() -> None:
    reader = BitReader(b"\x67\x00\x00\x00\x00\x00", 1)
    with pytest.raises(ValueError):
        reader.ue()
    reader = BitReader(b"\x67\xff", 1)
    assert reader.bits(8) == 255
    with pytest.raises(ValueError):
        reader.flag()
