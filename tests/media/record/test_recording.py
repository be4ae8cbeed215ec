"""One stream onto one disk: turn-over, faults and steps, and a ledger that fits what is in the files."""

import errno
import itertools
import os

import pytest

from appliance.base.clock import SECOND_NS
from appliance.media.check.check import check
from appliance.media.ring import segment as files
from appliance.media.ring.scan import scan
from appliance.store import gaps, segments

KEY = ("gate", "main")


def rows_of(box):
    return box.archive_db.read_now(lambda conn: segments.of_stream(conn, *KEY))


def causes(box):
    return [(gap.cause, gap.end_ns) for gap in box.db.read_now(lambda conn: gaps.of_stream(conn, *KEY))]


def clean(box):
    return check(box.db, box.archive_db, [box.volumes.all[0].root]) == []


def test_segments_turn_over_at_key_frames_and_touch(box, film_b):
    box.play(film_b)
    box.settle()
    rows = rows_of(box)
    assert len(rows) == 4
    assert all(one.end_ns == other.start_ns for one, other in itertools.pairwise(rows))
    for row in rows:
        seen = scan(box.volumes.all[0].root / row.path)
        assert seen.video[0].is_key and seen.head.start_ns == row.start_ns
        assert seen.footer.end_ns == row.end_ns
        assert [key.time_ns for key in seen.footer.keys] == [key.time_ns for key in seen.keys]
    assert clean(box)


def test_a_drifting_camera_leaves_no_seam(box, film):
    """Its crystal is 0.4 % fast; the anchor follows at each segment."""
    samples = [(data, int(raw * 1.004), is_key) for data, raw, is_key in film.samples]
    fast = type(film)(film.codec, film.sets, film.parameters, samples, film.md5s)
    box.play(fast)
    box.settle()
    for row in rows_of(box):
        seen = scan(box.volumes.all[0].root / row.path)
        assert [key.time_ns for key in seen.footer.keys] == [key.time_ns for key in seen.keys]
        assert seen.footer.keys[0].time_ns <= row.start_ns + 20_000_000
    assert clean(box)


@pytest.fixture
def refusing(monkeypatch):
    """``refusing(error)``: the disk takes no writes; ``refusing(0)``: it does again."""
    state = [0]
    real = os.writev

    def writev(descriptor, parts):
        if state[0]:
            raise OSError(state[0], os.strerror(state[0]))
        return real(descriptor, parts)

    monkeypatch.setattr(files.os, "writev", writev)

    def arm(error: int) -> None:
        state[0] = error

    return arm


@pytest.mark.parametrize(
    ("error", "cause"), [(errno.ENOSPC, "disk_full"), (errno.EROFS, "disk_error"), (errno.EIO, "disk_error")]
)
def test_a_disk_that_takes_no_writes_is_one_gap(box, film, refusing, error, cause):
    box.play(film, frames=50, end=None)
    refusing(error)
    box.play(film, start=45, frames=45, end=None)  # three key frames try in vain
    refusing(0)
    box.play(film)
    box.settle()
    found = [one for one in causes(box) if one[0] == cause]
    assert len(found) == 1 and found[0][1] is not None
    assert box.recordings[KEY].fault is None
    assert clean(box)


def test_a_run_that_ends_on_a_full_disk_does_not_hide_the_cause(box, film, refusing):
    box.play(film, frames=30, end=None)
    refusing(errno.ENOSPC)
    box.play(film, frames=30, end="no_video")
    refusing(0)
    box.clock.tick(5)
    box.play(film)
    box.settle()
    told = [cause for cause, _ in causes(box)]
    assert "disk_full" in told and told.index("disk_full") < len(told) - 1
    assert clean(box)


def test_a_missing_disk_gets_nothing_and_is_used_again(box, film):
    box.play(film, frames=30)
    root = box.volumes.all[0].root
    away = root.with_name("away")
    root.rename(away)
    root.mkdir()
    box.play(film, frames=30)
    assert list(root.iterdir()) == []
    root.rmdir()
    away.rename(root)
    box.play(film)
    box.settle()
    assert "disk_missing" in {cause for cause, _ in causes(box)}
    assert clean(box)


@pytest.mark.parametrize("step_s", [-3600, -1, 1, 3600])
def test_a_step_of_the_clock_keeps_both_passes(box, film, step_s):
    box.play(film, end="clock_jump")
    before_ns = box.clock.now_ns()
    box.clock.set_ns(before_ns + step_s * SECOND_NS)
    box.recordings[KEY].clock_stepped(before_ns, box.clock.now_ns())
    box.play(film)
    box.settle()
    assert sum(row.frames for row in rows_of(box)) == 240
    jumps = [end_ns for cause, end_ns in causes(box) if cause == "clock_jump"]
    assert jumps and None not in jumps
    assert clean(box)


def test_hour_folders_that_go_while_a_segment_is_made_do_no_harm(box, film, monkeypatch):
    """Retention takes out an empty folder between mkdir and open."""
    real, once = os.open, [True]

    def racing(path, flags, mode=0o777, **more):
        if once[0] and str(path).endswith(".mp4"):
            once[0] = False
            os.rmdir(os.path.dirname(path))
        return real(path, flags, mode, **more)

    monkeypatch.setattr(files.os, "open", racing)
    box.play(film, frames=30)
    box.settle()
    assert sum(row.frames for row in rows_of(box)) == 30
    assert clean(box)
