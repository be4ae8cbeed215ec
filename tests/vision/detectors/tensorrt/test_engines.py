"""The cache alone: nothing but what was asked for comes out of it, whatever is done to the files."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.vision.detectors.tensorrt import engines
from appliance.vision.detectors.tensorrt.engines import Key, Origin

ORIGIN = Origin("ab" * 32, "tensorrt", "10.16.1", "8.7")
KEY = Key(ORIGIN, "fp16", "1-8-32")
ENGINE = bytes(range(256)) * 4


def test_what_goes_in_comes_out(tmp_path):
    path = engines.write(tmp_path / "engines", KEY, ENGINE)
    assert engines.read(path, ORIGIN) == (KEY, ENGINE)
    assert engines.find(tmp_path / "engines", ORIGIN) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_is_let_through(tmp_path_factory, position, mask):
    path = engines.write(tmp_path_factory.mktemp("engines"), KEY, ENGINE)
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= mask
    path.write_bytes(data)
    try:
        key, engine = engines.read(path, ORIGIN)
    except ApplianceError as error:
        assert error.kind == "data_loss"
    else:  # the words beside the engine (precision, shapes) are no part of the question
        assert engine == ENGINE and key.origin == ORIGIN


@given(st.integers(0, 10_000))
def test_no_cut_is_let_through(tmp_path_factory, length):
    path = engines.write(tmp_path_factory.mktemp("engines"), KEY, ENGINE)
    data = path.read_bytes()
    path.write_bytes(data[: length % len(data)])
    with pytest.raises(ApplianceError) as caught:
        engines.read(path, ORIGIN)
    assert caught.value.kind == "data_loss"


@pytest.mark.parametrize(
    "other",
    [
        Origin("cd" * 32, "tensorrt", "10.16.1", "8.7"),
        Origin("ab" * 32, "tensorrt_rtx", "10.16.1", "8.7"),
        Origin("ab" * 32, "tensorrt", "11.3.0", "8.7"),
        Origin("ab" * 32, "tensorrt", "10.16.1", "8.9"),
        Origin("ab" * 32, "tensorrt", "10.16.1", "8.7", dla=True),
        Origin("ab" * 32, "tensorrt", "10.16.1", "8.7", recipe=engines.RECIPE + 1),
    ],
)
def test_every_part_of_the_key_counts(tmp_path, other):
    path = engines.write(tmp_path, KEY, ENGINE)
    assert engines.find(tmp_path, other) is None
    renamed = path.rename(engines.place(tmp_path, Key(other, "fp16", "1-8-32")))
    with pytest.raises(ApplianceError, match="another model, library or chip"):
        engines.read(renamed, other)


def test_a_version_that_begins_like_another_is_another(tmp_path):
    engines.write(
        tmp_path, Key(Origin("ab" * 32, "tensorrt", "10.16.1", "8.7", recipe=12), "fp16", "1"), b"x"
    )
    assert engines.find(tmp_path, Origin("ab" * 32, "tensorrt", "10.16.1", "8.7", recipe=1)) is None


def test_the_engines_asked_for_last_are_kept(tmp_path):
    paths = []
    for number in range(5):
        origin = Origin(f"{number:02d}" * 32, "tensorrt", "10.16.1", "8.7")
        paths.append(engines.write(tmp_path, Key(origin, "fp16", "1"), ENGINE))
        os.utime(paths[-1], ns=(number, number))
    (tmp_path / ".new-left-by-a-power-cut").write_bytes(b"half")
    engines.touch(paths[0])
    gone = engines.prune(tmp_path, kept=2)
    assert sorted(tmp_path.iterdir()) == sorted([paths[0], paths[4]])
    assert sorted(gone) == paths[1:4]


def test_a_failed_write_leaves_the_old_one(tmp_path, monkeypatch):
    path = engines.write(tmp_path, KEY, ENGINE)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ApplianceError, match="No space left") as caught:
        engines.write(tmp_path, KEY, b"another")
    assert caught.value.kind == "exhausted"
    assert list(tmp_path.iterdir()) == [path] and engines.read(path, ORIGIN)[1] == ENGINE


def test_a_help_that_is_spoiled_is_no_help(tmp_path):
    path = tmp_path / "a.timings"
    assert engines.unseal(path) == b""
    engines.seal(path, b"measured")
    assert engines.unseal(path) == b"measured"
    path.write_bytes(path.read_bytes()[:-1])
    assert engines.unseal(path) == b""
