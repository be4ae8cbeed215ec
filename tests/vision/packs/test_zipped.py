"""A stranger's zip: whatever it holds, nothing lands outside, and nothing more than was allowed."""

import io
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.vision.packs.zipped import unzip


def zipped(path: Path, members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return path


@pytest.mark.parametrize("folder", ["", "door/"])
def test_a_pack_comes_out(tmp_path, folder):
    members = [(folder + "model.toml", b"x"), (folder + "a.onnx", b"y"), ("__MACOSX/._a", b"z")]
    home = unzip(zipped(tmp_path / "p.zip", members), tmp_path / "out")
    assert sorted(path.name for path in home.iterdir()) == ["a.onnx", "model.toml"]


names = st.lists(
    st.sampled_from(["..", ".", "", "a", "b.onnx", "model.toml", "/", "\\", "c:", "a\\..\\b", "\n"]),
    max_size=4,
).map("/".join)


@given(
    st.lists(
        st.tuples(st.one_of(names, st.text(min_size=1, max_size=20)), st.binary(max_size=50)), max_size=5
    )
)
def test_nothing_lands_outside(members):
    base = Path(tempfile.mkdtemp())
    try:
        try:
            zipped(base / "p.zip", members)
        except (ValueError, IndexError, UserWarning):
            return  # names that a zip cannot hold, or twice the same
        try:
            home = unzip(base / "p.zip", base / "out")
            assert home.is_relative_to(base / "out") and (home / "model.toml").is_file()
        except ApplianceError as error:
            assert error.kind == "invalid"
        assert {path.name for path in base.iterdir()} <= {"p.zip", "out"}
        assert all(len(path.relative_to(base / "out").parts) <= 2 for path in (base / "out").rglob("*"))
    finally:
        shutil.rmtree(base)


@given(st.data())
def test_damage_is_said(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.toml", b"hello " * 40)
    body = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "p.zip")
        path.write_bytes(body)
        try:
            unzip(path, Path(name, "out"))
        except ApplianceError as error:
            assert error.kind in ("invalid", "exhausted")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    member = zipfile.ZipInfo("model.toml")
    member.external_attr = (kind | 0o777) << 16
    with pytest.raises(ApplianceError, match="link or a device"):
        unzip(zipped(tmp_path / "p.zip", [(member, b"/etc/passwd")]), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bomb_stops_at_the_bound(tmp_path):
    path = zipped(tmp_path / "p.zip", [("model.toml", b"x"), ("a.onnx", bytes(30_000_000))])
    assert path.stat().st_size < 100_000
    with pytest.raises(ApplianceError) as caught:
        unzip(path, tmp_path / "out", largest_bytes=5_000_000)
    assert caught.value.kind == "exhausted"
    assert sum(found.stat().st_size for found in (tmp_path / "out").rglob("*")) <= 6_000_000


def test_too_many_members_and_two_packs_are_refused(tmp_path):
    many = zipped(tmp_path / "many.zip", [(f"f{number}", b"") for number in range(101)])
    with pytest.raises(ApplianceError, match="101 members"):
        unzip(many, tmp_path / "out1")
    two = zipped(tmp_path / "two.zip", [("a/model.toml", b""), ("b/model.toml", b"")])
    with pytest.raises(ApplianceError, match="2 of them"):
        unzip(two, tmp_path / "out2")


@pytest.mark.parametrize("name", ["../a", "..", "/a", "a/../b", "a/b/c", "a\\b", "c:a", "a\nb"])
def test_ways_out_are_named(tmp_path, name):
    with pytest.raises(ApplianceError, match=r"leads out|not in one folder"):
        unzip(zipped(tmp_path / "p.zip", [("model.toml", b"x"), (name, b"y")]), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "p.zip"]
    assert list((tmp_path / "out").iterdir()) == []
