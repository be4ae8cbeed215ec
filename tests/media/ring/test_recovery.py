"""After a crash: files, index and ledger agree again, to the nanosecond."""

import itertools
import os
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS
from appliance.base.model import Gap
from appliance.media.check.check import check
from appliance.media.ring import recovery
from appliance.media.ring.recovery import QUARANTINE, recover, resume
from appliance.media.ring.scan import scan
from appliance.media.ring.seams import find_seams
from appliance.store import gaps, garbage, segments

KEY = ("gate", "main")


def root_of(box):
    return box.volumes.all[0].root


def rows_of(box):
    return box.archive_db.read_now(lambda conn: segments.of_stream(conn, *KEY))


def gaps_of(box):
    return box.db.read_now(lambda conn: gaps.of_stream(conn, *KEY))


def alive(box, boot="boot"):
    box.db.write_now(lambda conn: recovery.note_alive(conn, box.clock.now_ns(), boot))


def start_again(box, boot="boot", disabled=False) -> Gap:
    recover(box.db, box.archive_db, box.volumes)
    return resume(box.db, box.archive_db, *KEY, boot, box.clock.now_ns(), disabled=disabled)


def forget_rows(box, *numbers: int) -> None:
    rows = rows_of(box)

    def write(conn: sqlite3.Connection) -> None:
        for number in numbers:
            segments.delete(conn, rows[number].volume_id, rows[number].path)

    box.archive_db.write_now(write)


def strip_footer(path) -> None:
    os.truncate(path, scan(path).whole_bytes)


def assert_tiles(box) -> None:
    spans = [(row.start_ns, row.end_ns) for row in rows_of(box)]
    spans += [(gap.start_ns, gap.end_ns or 1 << 62) for gap in gaps_of(box)]
    spans.sort()
    assert all(one[1] == other[0] for one, other in itertools.pairwise(spans)), spans
    assert check(box.db, box.archive_db, [root_of(box)]) == []


@pytest.fixture
def crashed(box, film):
    """8 s recorded; the box dies with the last segment open."""
    box.play(film, end=None)
    box.settle()
    alive(box)
    # The ledger's row of the beginning is there; what the volume's thread did at its end is undone.
    path = root_of(box) / rows_of(box)[-1].path
    forget_rows(box, -1)
    strip_footer(path)
    box.last = path
    return box


def test_a_torn_segment_becomes_a_row_that_ends_with_its_last_frame(crashed):
    with crashed.last.open("ab") as file:
        file.write(b"\0\0\1\0moof torn")
    crashed.clock.tick(60)
    gap = start_again(crashed)
    row = rows_of(crashed)[-1]
    seen = scan(crashed.last)
    assert seen.footer.mended and seen.footer.end_ns == row.end_ns == gap.start_ns
    assert gap == Gap(*KEY, row.end_ns, None, "restart")
    assert_tiles(crashed)


def test_another_boot_means_that_the_box_was_off(crashed):
    assert start_again(crashed, boot="other").cause == "box_off"
    assert_tiles(crashed)


def test_starts_without_a_frame_in_between(crashed):
    for _ in range(3):
        crashed.clock.tick(10)
        gap = start_again(crashed)
        crashed.clock.tick(1)
        alive(crashed)
    assert gap.cause == "restart"
    assert_tiles(crashed)


def test_a_camera_that_never_came_has_no_hole_at_its_beginning(box):
    first_ns = box.clock.now_ns()
    for _ in range(3):
        start_again(box)
        box.clock.tick(10)
    assert gaps_of(box)[0].start_ns == first_ns
    assert_tiles(box)


def test_the_end_of_a_gap_that_was_on_its_way_is_where_footage_begins(box, film):
    # The row of the gap says "open", because the box died before its end was committed.
    start_ns = box.clock.now_ns()
    box.db.write_now(lambda conn: gaps.put(conn, Gap(*KEY, start_ns, None, "no_video"), "boot"))
    box.offer = lambda work, on_done=None: False
    box.clock.tick(3)
    box.play(film)
    box.settle()
    alive(box)
    start_again(box)
    first = rows_of(box)[0]
    assert gaps_of(box)[0] == Gap(*KEY, start_ns, first.start_ns, "no_video")
    assert_tiles(box)


def test_an_offline_camera_stays_offline_behind_the_restart(crashed):
    gap = start_again(crashed)
    crashed.clock.tick(5)
    ledger_gap = Gap(*KEY, gap.start_ns, crashed.clock.now_ns(), gap.cause)
    offline = Gap(*KEY, crashed.clock.now_ns(), None, "camera_offline")

    def write(conn: sqlite3.Connection) -> None:
        gaps.put(conn, ledger_gap, "boot")
        gaps.put(conn, offline, "boot")

    crashed.db.write_now(write)
    crashed.clock.tick(20)
    alive(crashed)
    crashed.clock.tick(20)
    again = start_again(crashed, boot="next")
    assert [gap.cause for gap in gaps_of(crashed)][-3:] == ["restart", "camera_offline", "box_off"]
    assert again.start_ns == crashed.clock.now_ns() - 20 * SECOND_NS
    assert_tiles(crashed)


@pytest.mark.parametrize("lost", ["tail", "all", "row"])
def test_what_a_power_cut_took_out_of_the_middle_is_a_gap(box, film, lost):
    """The footer of one segment was lost, the next one was begun; or nothing of a segment was kept."""
    box.play(film)
    box.settle()
    alive(box)
    rows = rows_of(box)
    path = root_of(box) / rows[-2].path
    forget_rows(box, -1, -2)
    if lost == "tail":
        os.truncate(path, path.stat().st_size // 2)
    elif lost == "all":
        path.unlink()
    start_again(box, boot="next")
    assert_tiles(box)
    kept = {row.sequence: row for row in rows_of(box)}
    assert kept[3] == rows[-1]
    if lost == "row":
        assert kept[2] == rows[-2]
    else:
        begin_ns = rows[-2].start_ns if lost == "all" else kept[2].end_ns
        assert Gap(*KEY, begin_ns, rows[-1].start_ns, "box_off") in gaps_of(box)


def test_a_mended_segment_does_not_reach_into_the_next_one(box, film):
    box.play(film)
    box.settle()
    alive(box)
    rows = rows_of(box)
    forget_rows(box, -1, -2)
    strip_footer(root_of(box) / rows[-2].path)
    start_again(box)
    assert rows_of(box)[-2].end_ns <= rows[-1].start_ns
    assert_tiles(box)


def test_a_footer_whose_bytes_were_lost_is_made_again(box, film):
    """The end of the file was written back, a page in its middle was not."""
    box.play(film)
    box.settle()
    alive(box)
    row = rows_of(box)[-1]
    path = root_of(box) / row.path
    forget_rows(box, -1)
    sample = max(scan(path).video, key=lambda sample: sample.size)
    with path.open("r+b") as file:
        file.seek(sample.offset + 4 + (sample.size - 4) // 2)
        file.write(bytes((sample.size - 4) // 3))
    start_again(box)
    mended = rows_of(box)[-1]
    assert mended.sha256 != row.sha256 and scan(path).footer.mended
    assert_tiles(box)


def test_a_file_that_cannot_be_read_is_put_aside_not_deleted(crashed):
    with crashed.last.open("r+b") as file:
        file.write(bytes(200))
        file.truncate(100_000)
    recover(crashed.db, crashed.archive_db, crashed.volumes)
    assert not crashed.last.exists()
    assert len(list((root_of(crashed) / QUARANTINE).iterdir())) == 1
    start_again(crashed)
    assert_tiles(crashed)


@pytest.mark.parametrize("content", [b"", b"\0\0\0\x18ftyp"])
def test_a_file_that_never_got_a_frame_leaves_nothing(crashed, content):
    empty = crashed.last.with_name("20990101T000000.000Z.mp4")
    empty.write_bytes(content)
    assert recover(crashed.db, crashed.archive_db, crashed.volumes).lost_files == 1
    assert not empty.exists()


@pytest.mark.parametrize("done", range(4))
def test_a_deletion_goes_on_wherever_it_was_cut_off(box, film, done):
    """R5: garbage row, unlink, index row, garbage row gone; the box dies behind each of them."""
    box.play(film)
    box.settle()
    alive(box)
    row = rows_of(box)[0]
    item = garbage.Garbage(row.volume_id, row.path, *KEY, row.start_ns, row.end_ns)

    def condemn(conn: sqlite3.Connection) -> None:
        garbage.insert(conn, item)
        gaps.expire(conn, Gap(*KEY, row.start_ns, row.end_ns, "expired"), "boot")

    box.db.write_now(condemn)
    if done >= 1:
        (root_of(box) / row.path).unlink()
    if done >= 2:
        box.archive_db.write_now(lambda conn: segments.delete(conn, row.volume_id, row.path))
    if done >= 3:
        box.db.write_now(lambda conn: garbage.delete(conn, row.volume_id, row.path))
    assert recover(box.db, box.archive_db, box.volumes).garbage == (done < 3)
    assert not (root_of(box) / row.path).exists()
    assert row.path not in {one.path for one in rows_of(box)}
    start_again(box)
    assert_tiles(box)


def test_a_row_that_a_power_cut_brought_back_goes_again(box, film):
    box.play(film)
    box.settle()
    alive(box)
    row = rows_of(box)[0]
    (root_of(box) / row.path).unlink()
    gap = Gap(*KEY, row.start_ns, row.end_ns, "expired")
    box.db.write_now(lambda conn: gaps.expire(conn, gap, "boot"))  # all of R5 but the row, which is back
    start_again(box)
    assert row not in rows_of(box)
    assert_tiles(box)


def test_footage_behind_a_backward_step_is_found(box, film):
    box.play(film)
    box.clock.set_ns(box.clock.now_ns() - 5 * 3600 * SECOND_NS)
    box.recordings[KEY].clock_stepped(box.clock.now_ns() + 5 * 3600 * SECOND_NS, box.clock.now_ns())
    box.play(film, frames=40, end=None)
    box.settle()
    alive(box)
    old = min(rows_of(box), key=lambda row: row.start_ns)
    box.archive_db.write_now(lambda conn: segments.delete(conn, old.volume_id, old.path))
    assert [row.path for row in recover(box.db, box.archive_db, box.volumes).mended] == [old.path]


def test_disabled_stays_open_over_a_restart(box):
    start_again(box, disabled=True)
    box.clock.tick(100)
    alive(box)
    first = gaps_of(box)
    gap = start_again(box, disabled=True)
    assert gaps_of(box) == first == [gap]


spans = st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["row", "gap", "hole", "late"])), max_size=12)


@given(spans, st.booleans())
def test_seams_close_whatever_was_lost(parts, is_open):
    """``late``: a gap whose end is not known yet, or reaches over what follows."""
    at, footage, known = 100, [], []
    for length, what in parts:
        if what == "row":
            footage.append((at, at + length))
        elif what != "hole":
            end = at + length if what == "gap" else None if is_open else at + length + 1
            known.append((Gap(*KEY, at, end, "no_video"), f"boot{at}"))
        at += length
    if not footage or footage[0][0] != 100:
        footage.insert(0, (99, 100))
    seams = find_seams(footage, known, at, at)
    rows = {(gap.start_ns, boot): gap for gap, boot in known}
    for gap, boot in seams.changed:
        rows[gap.start_ns, boot] = gap
    laid = [(gap.start_ns, gap.end_ns) for gap in rows.values() if gap.end_ns > gap.start_ns]
    assert all(gap.end_ns is not None for gap in rows.values())
    whole = sorted(footage + laid + seams.holes)
    reached = whole[0][0]
    for start, end in whole:
        assert start <= reached, "a hole is left"
        reached = max(reached, end)
    for start, end in footage:
        assert not any(s < end and start < e for s, e in laid), "a gap lies over footage"


def test_a_volume_that_comes_back_late_brings_its_footage_with_it(crashed):
    """The disk was away when the box started: its torn segment lay under a gap until now."""
    volume, root = crashed.volumes.all[0], root_of(crashed)
    for path in (crashed.last, *crashed.last.parent.glob("*.mp4")):
        os.utime(path, ns=(crashed.clock.now_ns(), crashed.clock.now_ns()))
    away = root.with_name("away")
    root.rename(away)
    crashed.clock.tick(60)
    volume.began_ns = crashed.clock.now_ns()
    gap = start_again(crashed)
    assert volume.awaits_recovery and gap.start_ns == rows_of(crashed)[-1].end_ns
    away.rename(root)
    assert recovery.recover_late(crashed.db, crashed.archive_db, volume) == []  # the gap is the recorder's
    assert volume.awaits_recovery
    crashed.clock.tick(5)
    ended = Gap(*KEY, gap.start_ns, crashed.clock.now_ns(), gap.cause)
    crashed.db.write_now(lambda conn: gaps.put(conn, ended, "boot"))
    being_written = crashed.last.with_name("20990101T000000.000Z.mp4")
    being_written.write_bytes(b"")
    found = recovery.recover_late(crashed.db, crashed.archive_db, volume)
    assert len(found) == 1 and not volume.awaits_recovery and being_written.exists()
    being_written.unlink()
    assert gaps_of(crashed)[-1] == Gap(*KEY, found[0].end_ns, ended.end_ns, "restart")
    assert_tiles(crashed)
