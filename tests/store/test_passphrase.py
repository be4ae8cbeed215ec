import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.store import passphrase

WORDS = "four dull words here"
CHEAP = 1 << 4


def sealed(plain: bytes, words: str = WORDS) -> bytes:
    out = io.BytesIO()
    passphrase.seal(io.BytesIO(plain), out, words, cost_n=CHEAP)
    return out.getvalue()


def opened(data: bytes, words: str = WORDS) -> bytes:
    out = io.BytesIO()
    passphrase.open_sealed(io.BytesIO(data), out, words)
    return out.getvalue()


@given(st.binary(max_size=500), st.integers(1, 64))
def test_what_was_sealed_opens(plain, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passphrase, "PIECE_BYTES", piece)
        assert opened(sealed(plain)) == plain


@settings(max_examples=60)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), piece=st.sampled_from([7, 1 << 20]))
def test_a_bit_changed_anywhere_opens_nothing_whole(at, bit, piece):
    plain = bytes(range(40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passphrase, "PIECE_BYTES", piece)
        patch.setattr(passphrase, "COST_N", CHEAP)
        data = bytearray(sealed(plain))
        data[int(at * len(data))] ^= 1 << bit
        try:
            found = opened(bytes(data))
        except ApplianceError as error:
            assert error.kind in ("invalid", "denied", "data_loss")
        else:
            pytest.fail(f"it opened as {found!r}")


def test_pieces_cannot_be_cut_off_left_out_or_changed_over(monkeypatch):
    monkeypatch.setattr(passphrase, "PIECE_BYTES", 10)
    data = sealed(bytes(35))
    head, size = len(data) - (3 * 30 + 25), 30  # 4 + 10 + 16 bytes a piece; the last holds 5
    pieces = [data[head + n * size : head + (n + 1) * size] for n in range(4)]
    assert opened(data[:head] + b"".join(pieces)) == bytes(35)
    for order in ([0, 1, 2], [0, 2, 1, 3], [0, 1, 3], [1, 2, 3], [0, 1, 2, 3, 3], []):
        with pytest.raises(ApplianceError):
            opened(data[:head] + b"".join(pieces[n] for n in order))


def test_another_passphrase_is_said_to_be_one():
    with pytest.raises(ApplianceError) as refused:
        opened(sealed(b"x"), "four other dull words")
    assert refused.value.kind == "denied"
    with pytest.raises(ApplianceError, match="at least 10"):
        sealed(b"x", "short")


def test_a_stranger_s_head_does_not_get_all_of_the_memory():
    data = sealed(b"x").replace(b'"n":16', b'"n":1073741824')
    with pytest.raises(ApplianceError) as refused:
        opened(data)
    assert refused.value.kind == "invalid"
