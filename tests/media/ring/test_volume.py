"""The volume's thread: what is durable, what a failed sync takes with it, who the disk is (R2, R3, R7)."""

import errno
import os
import threading
from pathlib import Path

import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.media.check.check import check
from appliance.media.ring import volume as subject
from appliance.media.ring.scan import scan
from appliance.media.ring.volumes import Volumes, open_volumes
from appliance.store import gaps, segments


def rows_of(box):
    return box.archive_db.read_now(lambda conn: segments.of_stream(conn, "gate", "main"))


def gaps_of(box, cause):
    found = box.db.read_now(lambda conn: gaps.of_stream(conn, "gate", "main"))
    return [gap for gap in found if gap.cause == cause]


def clean(box):
    return check(box.db, box.archive_db, [volume.root for volume in box.volumes.all]) == []


@pytest.fixture
def failing(monkeypatch):
    """``failing(n)``: the n-th fdatasync from now on fails, once."""
    calls = iter(())
    real = os.fdatasync
    lock = threading.Lock()

    def sync(descriptor: int) -> None:
        with lock:
            fault = next(calls, None)
        if fault:
            raise OSError(fault, os.strerror(fault))
        real(descriptor)

    def arm(number: int, error: int = errno.EIO) -> None:
        nonlocal calls
        calls = iter([0] * (number - 1) + [error])

    monkeypatch.setattr(subject.os, "fdatasync", sync)
    return arm


def test_a_row_stands_for_bytes_that_are_there_and_hashed(box, film):
    box.play(film)
    box.settle()
    rows = rows_of(box)
    assert [row.sequence for row in rows] == [0, 1, 2, 3] and sum(row.frames for row in rows) == 120
    assert clean(box)
    assert all(not scan(box.volumes.all[0].root / row.path).footer.mended for row in rows)


def test_a_sync_that_fails_behind_the_last_write_leaves_a_gap_of_what_it_took(box, film, failing):
    """The stream has finished the segment and gone on: only the volume's thread knows."""
    box.play(film, frames=30, end=None)
    recording = box.recordings["gate", "main"]
    writer = recording._writer
    half = writer.progress
    while writer.durable != half:  # the tick comes by itself
        box.clock.tick(1)
        threading.Event().wait(0.01)
    failing(1)
    box.play(film, start=30)
    box.settle()
    lost = gaps_of(box, "disk_error")
    assert len(lost) == 1
    first = next(row for row in rows_of(box) if row.start_ns == writer.head.start_ns)
    assert lost[0].start_ns == first.end_ns
    assert clean(box)


def test_a_failed_sync_of_a_segment_that_a_new_anchor_cuts_short(box, film, failing):
    """The next segment begins some microseconds before the last frame of this one ends."""
    box.segment_s = 1.9
    box.play(film, frames=30, end=None)
    writer = box.recordings["gate", "main"]._writer
    whole = writer.progress
    while writer.durable != whole:
        box.clock.tick(1)
        threading.Event().wait(0.01)
    failing(1)
    box.clock.set_ns(writer.end_ns - 5_000)
    box.play(film, start=30)
    box.settle()
    assert clean(box)


def test_nothing_durable_leaves_no_file_and_a_gap(box, film, failing):
    box.clock.tick(1)
    failing(1)
    box.play(film, frames=30)
    box.settle()
    row_times = {row.start_ns for row in rows_of(box)}
    lost = gaps_of(box, "disk_error")
    assert len(lost) == 1 and lost[0].start_ns not in row_times
    assert len(list(box.volumes.all[0].root.rglob("*.mp4"))) == len(row_times)
    assert box.index.open_spans("gate", "main") == []
    assert clean(box)


def test_a_footer_without_room_is_written_when_there_is_some(box, film, monkeypatch):
    real, full = os.write, [True]

    def write(descriptor: int, data: bytes) -> int:
        if full[0] and b"sha256" in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    opened = Path.open

    def mend_open(self, mode="r", *more, **named):
        if full[0] and mode == "r+b":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(self, mode, *more, **named)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(Path, "open", mend_open)
    woken = []
    box.volumes.all[0].on_full = lambda: woken.append(True)
    box.play(film)
    assert woken
    assert rows_of(box) == []
    full[0] = False
    box.settle()
    assert [row.sequence for row in rows_of(box)] == [0, 1, 2, 3]
    assert sum(row.frames for row in rows_of(box)) == 120
    assert clean(box)


def test_a_disk_that_fails_rests_while_another_has_room(box, tmp_path):
    other = subject.Volume("other", tmp_path / "other", box.clock, 1.0, lambda row: None)
    other.root.mkdir()
    subject.write_identity(other.root, subject.Identity("other", "", 0))
    first = box.volumes.all[0]
    both = Volumes([first, other])
    assert both.pick() is first
    first.report(subject.DiskFault("disk_error", ""))
    assert both.pick() is other
    box.clock.tick(subject.REST_NS / SECOND_NS + 1)
    assert both.pick() is first


def test_an_identity_that_is_gone_or_another_is_a_missing_disk(box):
    volume = box.volumes.all[0]
    assert volume.usable() is None
    identity = volume.root / subject.IDENTITY
    text = identity.read_bytes()
    identity.write_bytes(text.replace(volume.id.encode(), b"other"))
    assert volume.usable().cause == "disk_missing"
    identity.unlink()
    assert volume.usable().cause == "disk_missing"
    identity.write_bytes(b"{")
    assert volume.usable().cause == "disk_error"


def test_a_known_path_without_its_identity_is_watched_not_made_again(box, tmp_path):
    root = box.volumes.all[0].root
    (root / subject.IDENTITY).unlink()
    again = open_volumes([root], box.db, "", box.clock, 1.0, lambda row, path: None)
    assert again.all[0].id == box.volumes.all[0].id and again.all[0].usable().cause == "disk_missing"
    assert not (root / subject.IDENTITY).exists()


def test_another_boxes_disk_is_refused(box, tmp_path):
    root = tmp_path / "theirs"
    root.mkdir()
    subject.write_identity(root, subject.Identity("x", "their box", 0))
    with pytest.raises(ApplianceError) as caught:
        open_volumes([root], box.db, "our box", box.clock, 1.0, lambda row, path: None)
    assert caught.value.kind == "conflict"


def test_the_same_disk_mounted_elsewhere_is_the_same(box, tmp_path):
    old = box.volumes.all[0]
    moved = tmp_path / "moved"
    old.root.rename(moved)
    device = subject.read_identity(moved).device_id
    again = open_volumes([moved], box.db, device, box.clock, 1.0, lambda row, path: None)
    assert again.all[0].id == old.id and again.all[0].usable() is None


def test_a_sync_that_does_not_return_is_work_and_a_tick_to_come_is_not(box, film, monkeypatch):
    go, in_it, real = threading.Event(), threading.Event(), os.fdatasync
    monkeypatch.setattr(subject.os, "fdatasync", lambda fd: (in_it.set(), go.wait(), real(fd))[2])
    (volume,) = box.volumes.all
    assert volume.work()[:2] == ("volume recordings", True)
    box.play(film, frames=30, end=None)
    try:
        while not in_it.wait(0.05):  # the tick comes by itself
            box.clock.tick(1)
        began_ns = volume.work().since_ns
        assert began_ns > 0
        box.clock.tick(60)
        assert volume.work().since_ns == began_ns
    finally:
        go.set()
    box.recordings["gate", "main"].end("no_video")
    box.settle()
    assert box.volumes.works() == []  # it was told to stop
    assert clean(box)
