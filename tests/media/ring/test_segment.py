"""R1: whatever a crash leaves of a segment, mending gives exactly its whole fragments."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.media.fragment import VIDEO_TRACK
from appliance.media.mp4 import boxes
from appliance.media.mp4.fragmenter import Fragmenter, audio_fragment
from appliance.media.ring.mend import UNREADABLE_BYTES, mend, row_of_scan
from appliance.media.ring.scan import scan
from appliance.media.ring.segment import DiskFault, Head, SegmentWriter, fault_from

ANCHOR_NS = 1_768_919_400 * SECOND_NS
HEAD = Head("gate", "main", "boot", "run", 0, ANCHOR_NS + SECOND_NS, ANCHOR_NS, "avc1.42c00a", 128, 96, False)


class Written(tuple):
    """(bytes of a closed segment, its row, ends of its fragments, how many of them are video)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Written"


@pytest.fixture(scope="module")
def written(tmp_path_factory, film, aac):
    root = tmp_path_factory.mktemp("volume")
    audio, frames = aac
    writer = SegmentWriter("v", root, HEAD, boxes.init_segment(film.parameters, audio))
    fragmenter = Fragmenter(0, 6000)
    ends, videos = [], [0]
    for number, (data, raw, is_key) in enumerate(film.samples[:40]):
        pts = raw + 90_000
        fragment = fragmenter.video(data, pts, ANCHOR_NS + pts * 100_000 // 9, is_key)
        writer.write(fragment, fragment.time_ns + SECOND_NS // 15)
        ends.append(writer.size_bytes)
        videos.append(videos[-1] + 1)
        if number % 8 == 7:
            writer.write(audio_fragment(number, number * 1100, frames[number - 7 : number], 1024, 0, 0), 0)
            ends.append(writer.size_bytes)
            videos.append(videos[-1])
    writer.finish(writer.end_ns)
    os.close(writer.fd)
    return Written((writer.path.read_bytes(), writer.row, ends, videos))


def test_a_row_can_be_made_again_from_the_file_alone(tmp_path: Path, written) -> None:
    data, row, _, _ = written
    path = tmp_path / "x.mp4"
    path.write_bytes(data)
    assert row_of_scan(scan(path), "v", row.path, path) == row
    assert mend(path, "v", row.path) == row
    assert path.read_bytes() == data  # what is closed is not touched
    assert row.frames == 40
    assert row.bytes_ == len(data)
    found = scan(path)
    assert found.footer is not None
    assert [key.offset for key in found.footer.keys] == [key.offset for key in found.keys]
    assert hashlib.sha256(data[: found.whole_bytes]).hexdigest() == row.sha256


def _mended(path: Path, data: bytes, good: int, written) -> None:
    """``good`` bytes of the file are as written: exactly the fragments in them must be left."""
    whole, _, ends, videos = written
    path.write_bytes(data)
    kept = sum(end <= good for end in ends)
    head_end = next(item.offset + item.size for item in boxes.walk(whole) if item.kind == b"uuid")
    if len(data) > UNREADABLE_BYTES and good < head_end:
        with pytest.raises(ApplianceError):  # not even a head, and much behind it: for a person to see
            mend(path, "v", "x.mp4")
        return
    row = mend(path, "v", "x.mp4")
    if videos[kept] == 0:
        assert row is None
        assert not path.exists()
        return
    assert row is not None
    found = scan(path)
    assert found.footer is not None
    assert found.whole_bytes == ends[kept - 1]
    assert path.read_bytes()[: found.whole_bytes] == whole[: ends[kept - 1]]
    assert len(found.video) == row.frames == videos[kept]
    assert row.sha256 == hashlib.sha256(whole[: ends[kept - 1]]).hexdigest()
    assert mend(path, "v", "x.mp4") == row  # again: the same


quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


places = st.tuples(st.booleans(), st.integers(0, 2**40))


def where(data: bytes, place: tuple[bool, int]) -> int:
    """Anywhere, or just around a seam of boxes."""
    near_seam, number = place
    seams = [item.offset + d for item in boxes.walk(data) for d in (-1, 0, 1, 4, 8, 16, 20, 111, 112)]
    choices = [s for s in seams if 0 <= s < len(data)] if near_seam else range(len(data))
    return choices[number % len(choices)]


@quick
@given(places)
def test_cut_anywhere(tmp_path: Path, written, place) -> None:
    whole = written[0]
    cut = where(whole, place)
    _mended(tmp_path / "x.mp4", whole[:cut], cut, written)


@quick
@given(places, st.sampled_from([0, 1, 7, 8, 100, 4096, 30_000]))
def test_cut_anywhere_with_zeros_behind(tmp_path: Path, written, place, zeros) -> None:
    """What ext4 and XFS leave when the size was written and the blocks were not."""
    whole = written[0]
    cut = where(whole, place)
    torn = whole[:cut] + bytes(zeros or len(whole) - cut)
    same = cut + next((n for n, byte in enumerate(whole[cut:]) if byte), 0)
    if torn[: len(whole)] != whole:
        _mended(tmp_path / "x.mp4", torn, min(same, len(torn)), written)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_picture_or_sound_whose_last_bytes_were_not_written_is_left_out(tmp_path, written, lost) -> None:
    whole, _, ends, _ = written
    for end in ends:
        torn = whole[: end - lost] + bytes(lost)
        same = end - lost + next(n for n, byte in enumerate(whole[end - lost :]) if byte)
        _mended(tmp_path / "x.mp4", torn, same, written)


@quick
@given(st.integers(0, 43), st.binary(min_size=1, max_size=300))
@example(place=20, garbage=b"\x00\x00\x00\x70moof" + b"\xff" * 104).via("a moof that is none")
@example(place=20, garbage=b"\x00\x00\x00\x10moof" + b"\xff" * 8 + b"\x00\x00\x00\x08mdat").via("a tiny one")
def test_cut_at_a_seam_with_garbage_behind(tmp_path: Path, written, place, garbage) -> None:
    whole, _, ends, _ = written
    end = ends[place]
    if whole[end:].startswith(garbage):
        return
    _mended(tmp_path / "x.mp4", whole[:end] + garbage, end, written)


def test_a_footer_full_of_zeros_is_made_again(tmp_path: Path, written) -> None:
    whole, _, ends, _ = written
    torn = whole[: ends[-1] + 24] + bytes(len(whole) - ends[-1] - 24)
    _mended(tmp_path / "x.mp4", torn, ends[-1], written)


def test_nothing_behind_at_most_is_trusted(tmp_path: Path, written) -> None:
    whole, _, ends, videos = written
    path = tmp_path / "x.mp4"
    path.write_bytes(whole[: ends[-1]])
    row = mend(path, "v", "x.mp4", at_most=ends[12] + 5)
    assert row is not None
    assert row.frames == videos[13]
    assert scan(path).whole_bytes == ends[12]


def test_no_head_no_segment(tmp_path: Path, written) -> None:
    for data in (b"", b"hello", written[0][:600], bytes(1000)):
        path = tmp_path / "x.mp4"
        path.write_bytes(data)
        with pytest.raises(ApplianceError) as caught:
            scan(path)
        assert caught.value.kind == "data_loss"


def test_it_plays_at_every_moment(tmp_path: Path, written, film, decoded) -> None:
    whole, _, ends, videos = written
    for kept in (1, 2, 9, 10, 30, len(ends)):
        path = tmp_path / "x.mp4"
        path.write_bytes(whole[: ends[kept - 1]])
        assert [md5 for _, md5 in decoded(path)] == film.md5s[: videos[kept]]
    path.write_bytes(whole)
    assert [md5 for _, md5 in decoded(path)] == film.md5s[:40]


def test_names_do_not_collide(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        writer = SegmentWriter("v", tmp_path, HEAD, b"")
        names.append(writer.path.name)
        os.close(writer.fd)
    assert names == ["20260120T143001.000Z.mp4", "20260120T143001.000Z-1.mp4", "20260120T143001.000Z-2.mp4"]
    assert writer.path.parent == tmp_path / "gate" / "main" / "2026-01-20" / "14"


def test_a_missing_volume_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DiskFault) as caught:
        SegmentWriter("v", tmp_path / "gone", HEAD, b"")
    assert caught.value.cause == "disk_missing"
    assert not (tmp_path / "gone").exists()


def test_a_full_disk_leaves_whole_fragments(tmp_path: Path, film) -> None:
    """A file-size limit plays the full disk: the write fails half-way."""
    script = f"""
import os, resource, signal, sys
sys.path[:0] = {[str(Path(boxes.__file__).parents[3])]!r}
from pathlib import Path
from appliance.media.fragment import Fragment
from appliance.media.mp4.fragmenter import moof
from appliance.media.ring.segment import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
head = Head("g", "main", "b", "r", 0, 1, 0, "avc1", 1, 1, False)
writer = SegmentWriter("v", Path({str(tmp_path)!r}), head, b"")
sample = (996).to_bytes(4, "big") + b"x" * 996
for number in range(9):
    try:
        made = moof(number, number, 1, 1000, True, 0)
        writer.write(Fragment({VIDEO_TRACK}, made, sample, number, number, True), 2)
    except DiskFault as fault:
        print(fault.cause, writer.size_bytes, writer.path.stat().st_size, writer.frames)
        break
"""
    import sys

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    cause, size, on_disk, frames = run.stdout.split()
    assert (cause, frames) == ("disk_full", "4")
    assert size == on_disk


def test_foreign_errors_become_causes() -> None:
    import errno

    assert fault_from(OSError(errno.ENOSPC, "")).cause == "disk_full"
    assert fault_from(OSError(errno.ENODEV, "")).cause == "disk_missing"
    assert fault_from(OSError(errno.EIO, "")).cause == "disk_error"
