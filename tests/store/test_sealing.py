import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.store.sealing import KEY_BYTES, Sealer


@given(st.binary(max_size=500), st.text(max_size=50).filter(lambda text: text.isprintable()))
def test_what_is_sealed_opens_under_its_name_only(plain, name):
    sealer = Sealer(bytes(KEY_BYTES))
    sealed = sealer.seal(plain, name)
    assert sealer.open(sealed, name) == plain
    assert len(plain) < 4 or plain not in sealed
    with pytest.raises(ApplianceError) as refused:
        sealer.open(sealed, name + "x")
    assert refused.value.kind == "data_loss"


@given(st.binary(min_size=1, max_size=100), st.integers(0, 10_000))
def test_one_flipped_bit_is_noticed(plain, place):
    sealer = Sealer(bytes(KEY_BYTES))
    sealed = bytearray(sealer.seal(plain, "camera/gate"))
    sealed[place % len(sealed)] ^= 1
    with pytest.raises(ApplianceError):
        sealer.open(bytes(sealed), "camera/gate")


@pytest.mark.parametrize("sealed", [b"", b"x", bytes(11), bytes(27)])
def test_what_is_too_short_was_never_sealed(sealed):
    with pytest.raises(ApplianceError):
        Sealer(bytes(KEY_BYTES)).open(sealed, "camera/gate")


def test_the_same_secret_looks_different_each_time():
    sealer = Sealer(bytes(KEY_BYTES))
    assert len({sealer.seal(b"password", "camera/gate") for _ in range(100)}) == 100


def test_the_key_is_made_once_for_the_owner_only(tmp_path):
    sealed = Sealer.from_dir(tmp_path / "secrets").seal(b"password", "camera/gate")
    assert Sealer.from_dir(tmp_path / "secrets").open(sealed, "camera/gate") == b"password"
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    (key,) = (tmp_path / "secrets").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.stat().st_size == KEY_BYTES


def test_a_damaged_key_is_said_and_not_replaced(tmp_path):
    (tmp_path / "box.key").write_bytes(b"short")
    with pytest.raises(ApplianceError, match="damaged"):
        Sealer.from_dir(tmp_path)
    assert (tmp_path / "box.key").read_bytes() == b"short"


def test_another_box_s_key_does_not_open_it(tmp_path):
    sealed = Sealer.from_dir(tmp_path / "a").seal(b"password", "camera/gate")
    with pytest.raises(ApplianceError, match="this box's key"):
        Sealer.from_dir(tmp_path / "b").open(sealed, "camera/gate")


def test_a_key_that_lies_elsewhere_is_read_and_never_made(tmp_path):
    elsewhere = tmp_path / "credentials" / "box.key"
    with pytest.raises(ApplianceError, match="cannot be read") as refused:
        Sealer.from_file(elsewhere)
    assert refused.value.field == "secret_path" and not elsewhere.parent.exists()
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(bytes(KEY_BYTES))
    sealed = Sealer.from_file(elsewhere).seal(b"password", "camera/gate")
    assert Sealer(bytes(KEY_BYTES)).open(sealed, "camera/gate") == b"password"
    elsewhere.write_bytes(b"short")
    with pytest.raises(ApplianceError, match="damaged"):
        Sealer.from_file(elsewhere)
