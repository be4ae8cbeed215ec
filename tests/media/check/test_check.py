"""``check``: every kind of damage is found by its rule, repaired without losing footage that can be
read, and not found again."""

import os
import sqlite3
import threading
import time

import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.model import Gap, Lock
from appliance.media.check import check as subject
from appliance.media.check.check import check, open_archive
from appliance.media.ring.recovery import QUARANTINE
from appliance.media.ring.scan import scan
from appliance.store import gaps, garbage, locks, segments
from appliance.store.database import Database


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(subject, "PAUSE_S", 0.001)


@pytest.fixture
def recorded(box, film):
    """Two runs of 8 s with a gap between them: segments of 2 s."""
    box.play(film)
    box.clock.tick(5)
    box.play(film)
    box.settle()
    return box


def root_of(box):
    return box.volumes.all[0].root


def look(box, **more):
    return check(box.db, box.archive_db, [root_of(box)], **more)


def rows_of(box):
    return box.archive_db.read_now(lambda conn: segments.of_stream(conn, "gate", "main"))


def gaps_of(box):
    return box.db.read_now(lambda conn: gaps.of_stream(conn, "gate", "main"))


def third(box):
    row = rows_of(box)[2]
    return row, root_of(box) / row.path


def delete_file(box):
    third(box)[1].unlink()


def delete_locked_file(box):
    row, path = third(box)
    lock = Lock("l", "gate", row.start_ns, row.end_ns, "", "person", "", 0)
    box.db.write_now(lambda conn: locks.insert(conn, lock))
    path.unlink()


def flip_a_byte(box):
    _, path = third(box)
    sample = scan(path).video[7]
    with path.open("r+b") as file:
        file.seek(sample.offset + sample.size - 1)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def damage_the_head(box):
    _, path = third(box)
    with path.open("r+b") as file:
        file.write(bytes(300))


def cut_the_file(box):
    _, path = third(box)
    os.truncate(path, path.stat().st_size * 2 // 3)


def append_bytes(box):
    _, path = third(box)
    with path.open("ab") as file:
        file.write(b"more")


def change_the_row(box):
    def write(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE segments SET sha256='00', bytes=bytes+1 WHERE path=?", (third(box)[0].path,))

    box.archive_db.write_now(write)


def forget_the_row(box):
    row, _ = third(box)
    box.archive_db.write_now(lambda conn: segments.delete(conn, row.volume_id, row.path))


def forget_a_gap(box):
    box.db.write_now(
        lambda conn: conn.execute("DELETE FROM gaps WHERE cause='no_video' AND end_ns IS NOT NULL")
    )


def add_a_gap_over_footage(box):
    row = rows_of(box)[0]
    gap = Gap("gate", "main", row.start_ns + SECOND_NS, row.end_ns, "restart")
    box.db.write_now(lambda conn: gaps.put(conn, gap, "x"))


def leave_an_alien_file(box):
    _, path = third(box)
    path.with_name("20200101T000000.000Z.mp4").write_bytes(os.urandom(100_000))


DAMAGE = {
    delete_file: "R3",
    delete_locked_file: "R6",
    flip_a_byte: "R3",
    damage_the_head: "R1",
    cut_the_file: "R1",
    append_bytes: "R1",
    change_the_row: "R3",
    forget_the_row: "R3",
    forget_a_gap: "R4",
    leave_an_alien_file: "R1",
}


def test_a_box_in_order_has_nothing_to_say(recorded):
    counted = []
    assert look(recorded, progress=counted.append) == []
    assert counted == list(range(1, 9))
    assert look(recorded, quick=True) == []


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_found_repaired_and_gone(recorded, damage):
    frames = sum(row.frames for row in rows_of(recorded))
    damage(recorded)
    found = look(recorded)
    assert DAMAGE[damage] in {fault.rule for fault in found}
    assert not any(fault.repaired for fault in found)
    repaired = look(recorded, repair=True)
    assert repaired and all(fault.repaired for fault in repaired), repaired
    assert look(recorded) == []
    assert look(recorded, repair=True) == []
    left = sum(row.frames for row in rows_of(recorded))
    if damage in (change_the_row, forget_the_row, forget_a_gap, leave_an_alien_file):
        assert left == frames
    else:
        assert frames - 30 <= left < frames
        assert "damaged" in {gap.cause for gap in gaps_of(recorded)}
    put_aside = list((root_of(recorded) / QUARANTINE).glob("*"))
    assert len(put_aside) == (damage in (flip_a_byte, damage_the_head, append_bytes, leave_an_alien_file))


def test_a_gap_over_older_footage_is_an_overlap(box, film):
    for _ in range(4):
        box.play(film)
        box.clock.tick(5)
    box.settle()
    add_a_gap_over_footage(box)
    assert [fault.rule for fault in look(box)] == ["R4"]
    assert [fault.repaired for fault in look(box, repair=True)] == [True]
    assert look(box) == []


def test_quick_believes_the_footer_and_sees_the_rest(recorded):
    flip_a_byte(recorded)
    assert look(recorded, quick=True) == []
    cut_the_file(recorded)
    assert next(fault.rule for fault in look(recorded, quick=True)) == "R1"


def test_an_open_and_a_torn_last_segment_are_no_violations(box, film):
    box.play(film)
    box.play(film, frames=40, end=None)
    until = time.monotonic() + 20
    while len(rows_of(box)) < 4 and time.monotonic() < until:
        box.clock.tick(1)  # the volume's thread waits by this clock
        threading.Event().wait(0.01)
    assert look(box) == []  # beside the recorder: one is open, one may be on its way
    last = max(root_of(box).rglob("*.mp4"))
    os.truncate(last, last.stat().st_size - 7)
    assert look(box) == []


def test_a_deletion_that_was_begun_is_no_violation_unless_it_is_locked(recorded):
    row, path = third(recorded)
    item = garbage.Garbage(row.volume_id, row.path, "gate", "main", row.start_ns, row.end_ns)

    def condemn(conn: sqlite3.Connection) -> None:
        garbage.insert(conn, item)
        gaps.expire(conn, Gap("gate", "main", row.start_ns, row.end_ns, "expired"), "boot")

    recorded.db.write_now(condemn)
    assert look(recorded) == []
    path.unlink()
    assert look(recorded) == []
    path.write_bytes(b"")
    lock = Lock("l", "gate", row.start_ns, row.end_ns, "", "person", "", 0)
    recorded.db.write_now(lambda conn: locks.insert(conn, lock))
    assert [fault.rule for fault in look(recorded)] == ["R6"]


def test_a_volume_that_is_missing_or_strange(recorded):
    identity = root_of(recorded) / ".volume.json"
    text = identity.read_text()
    identity.unlink()
    assert {fault.rule for fault in look(recorded)} == {"R7"}
    identity.write_text("{")
    assert {fault.rule for fault in look(recorded)} == {"R7"}
    identity.write_text(text.replace(recorded.volumes.all[0].id, "another"))
    assert "R7" in {fault.rule for fault in look(recorded)}


@pytest.fixture
def reopen(recorded):
    """Close the index, change its file, open it again."""
    opened: list[Database] = []

    def again(change) -> tuple[Database, bool]:
        path = recorded.archive_db.path
        recorded.archive_db.close()
        change(path)
        archive, rebuilt = open_archive(path, recorded.db, [root_of(recorded)])
        opened.append(archive)
        return archive, rebuilt

    yield again
    for archive in opened:
        archive.close()


def lose(path):
    path.unlink()


def overwrite(path):
    path.write_bytes(b"SQLite format 3\0" + os.urandom(8192))


def overwrite_a_page(path):
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096))


@pytest.mark.parametrize("change", [lose, overwrite, overwrite_a_page], ids=lambda change: change.__name__)
def test_an_index_that_is_lost_or_damaged_is_made_again(recorded, reopen, change):
    before = rows_of(recorded)
    archive, rebuilt = reopen(change)
    assert rebuilt
    assert archive.read_now(lambda conn: segments.of_stream(conn, "gate", "main")) == before
    assert check(recorded.db, archive, [root_of(recorded)]) == []
    aside = list(recorded.folder.glob("archive.db.damaged-*"))
    assert len(aside) == (change is not lose)


def test_a_sound_index_is_left_alone(recorded, reopen):
    before = rows_of(recorded)
    archive, rebuilt = reopen(lambda path: None)
    assert not rebuilt
    assert archive.read_now(lambda conn: segments.of_stream(conn, "gate", "main")) == before


def test_a_rebuilt_index_has_no_row_of_what_is_garbage(recorded, reopen):
    row, _ = third(recorded)
    item = garbage.Garbage(row.volume_id, row.path, "gate", "main", row.start_ns, row.end_ns)
    recorded.db.write_now(lambda conn: garbage.insert(conn, item))
    archive, _ = reopen(lose)
    assert archive.read_now(lambda conn: segments.by_path(conn, row.volume_id, row.path)) is None
