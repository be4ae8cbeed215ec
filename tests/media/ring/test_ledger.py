"""The ledger of one stream: whatever happens in whatever order, its gaps touch and have one cause."""

import itertools
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.model import Gap
from appliance.media.ring.ledger import GapRows, StreamLedger
from appliance.store import gaps
from appliance.store.database import Database

KEY = ("gate", "main")


@pytest.fixture(scope="module")
def conn(tmp_path_factory):
    path = tmp_path_factory.mktemp("ledger") / "appliance.db"
    db = Database.open(path, "appliance", synchronous="FULL")
    db.close()
    made = sqlite3.connect(path, isolation_level=None)
    made.row_factory = sqlite3.Row
    yield made
    made.close()


class Writer:
    """``Database.offer`` that can be full, or fail."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn
        self.is_full = self.fails = False
        conn.execute("DELETE FROM gaps")

    def __call__(self, work, on_done=None) -> bool:
        if self.is_full:
            return False
        if not self.fails:
            work(self.conn)
        if on_done is not None:
            on_done(not self.fails)
        return True

    def rows(self) -> list[tuple[int, int | None, str]]:
        return [(gap.start_ns, gap.end_ns, gap.cause) for gap in gaps.of_stream(self.conn, *KEY)]


def ledger_at(writer: Writer, start_ns: int = 100, cause: str = "no_video") -> StreamLedger:
    gap = Gap(*KEY, start_ns, None, cause)
    gaps.put(writer.conn, gap, "boot")
    return StreamLedger(writer, "boot", gap)


def test_a_silence_begins_as_no_video_and_is_refined_once(conn):
    writer = Writer(conn)
    ledger = ledger_at(writer)
    ledger.found(110)
    ledger.lost(*KEY, 200, "no_video")
    assert writer.rows()[1:] == [(200, None, "no_video")]
    ledger.refine("camera_offline", 205)
    assert writer.rows()[1:] == [(200, None, "camera_offline")]
    ledger.refine("auth_failed", 300)
    ledger.found(310)
    assert writer.rows()[1:] == [(200, 300, "camera_offline"), (300, 310, "auth_failed")]


def test_a_restart_is_not_rewritten_by_what_follows(conn):
    writer = Writer(conn)
    ledger = ledger_at(writer, cause="restart")
    ledger.refine("camera_offline", 150)
    assert writer.rows() == [(100, 150, "restart"), (150, None, "camera_offline")]


def test_a_gap_without_length_leaves_no_row(conn):
    writer = Writer(conn)
    ledger = ledger_at(writer)
    ledger.found(100)
    assert writer.rows() == [] and ledger.gap is None


def test_a_step_back_begins_a_second_pass(conn):
    writer = Writer(conn)
    ledger = ledger_at(writer)
    ledger.found(110)
    ledger.lost(*KEY, 500, "clock_jump")
    ledger.stepped(510, 300)
    assert writer.rows()[1:] == [(300, None, "clock_jump"), (500, 510, "clock_jump")]
    ledger.found(320)
    assert writer.rows()[1] == (300, 320, "clock_jump")


def test_a_step_forward_in_a_silence_is_told_apart_from_it(conn):
    writer = Writer(conn)
    ledger = ledger_at(writer, cause="camera_offline")
    ledger.stepped(200, 900)
    ledger.found(950)
    assert writer.rows() == [(100, 200, "camera_offline"), (200, 950, "clock_jump")]


@pytest.mark.parametrize("trouble", ["is_full", "fails"])
def test_no_row_is_forgotten_while_the_database_takes_none(conn, trouble):
    writer = Writer(conn)
    ledger = ledger_at(writer)
    setattr(writer, trouble, True)
    ledger.found(110)
    ledger.lost(*KEY, 200, "disk_full")
    ledger.found(250)
    assert writer.rows() == [(100, None, "no_video")]
    assert [gap.start_ns for gap in ledger.unsaved()] == [100, 200]
    setattr(writer, trouble, False)
    ledger.flush()
    assert writer.rows() == [(100, 110, "no_video"), (200, 250, "disk_full")]
    assert ledger.unsaved() == []


def test_what_is_on_its_way_is_not_offered_twice(conn):
    offered = []

    def slow(work, on_done=None) -> bool:
        offered.append((work, on_done))
        return True

    rows = GapRows(slow)
    rows.save(Gap(*KEY, 1, None, "no_video"), "boot")
    rows.save(Gap(*KEY, 1, 5, "no_video"), "boot")
    assert len(offered) == 1
    offered[0][1](True)  # committed: the newer state goes next
    assert len(offered) == 2
    Writer(conn)
    offered[1][0](conn)
    assert gaps.of_stream(conn, *KEY) == [Gap(*KEY, 1, 5, "no_video")]


causes = st.sampled_from(["no_video", "camera_offline", "auth_failed", "disk_full", "disk_error", "restart"])
steps = st.lists(
    st.tuples(st.sampled_from(["lost", "refine", "found", "full", "free"]), st.integers(0, 5), causes),
    max_size=40,
)


@given(steps)
def test_gaps_and_footage_tile_whatever_happens(conn, steps):
    writer = Writer(conn)
    ledger = ledger_at(writer)
    now, footage = 100, []
    for what, passed, cause in steps:
        now += passed
        if what in ("full", "free"):
            writer.is_full = what == "full"
        elif what == "found" and ledger.gap is not None:
            ledger.found(now)
            footage.append([now, None])
        elif what == "lost":
            if footage and footage[-1][1] is None:
                footage[-1][1] = now
            ledger.lost(*KEY, now, cause)
        elif what == "refine":
            ledger.refine(cause, now)
    if footage and footage[-1][1] is None:
        footage[-1][1] = now
        ledger.lost(*KEY, now, "restart")
    ledger.found(now)
    writer.is_full = False
    ledger.flush()
    spans = sorted([(start, end) for start, end, _ in writer.rows()] + [(a, b) for a, b in footage if a < b])
    assert all(one[1] == other[0] for one, other in itertools.pairwise(spans))
    assert sum(end - start for start, end in spans) == now - 100
