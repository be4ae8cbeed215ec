"""The ledger by the hour: every span once, also over a time when the box was off."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS, ManualClock, parse_rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.model import Camera, Gap
from appliance.daemon.ledger_report import HOUR_NS, LONGEST_NS, SETTLE_NS, LedgerReports, due, made
from appliance.daemon.reporting import Reporting
from appliance.store import cameras, gaps, outbox, targets
from appliance.store.database import Database
from appliance.store.targets import Target
from appliance.sync.protocol.report import MOST_GAPS, LedgerReport

NOON_NS = parse_rfc3339("2026-03-01T12:00:00Z")


@pytest.fixture
def box(tmp_path: Path):
    db = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    archive = Database.open(tmp_path / "archive.db", "archive", synchronous="NORMAL")
    clock = ManualClock(NOON_NS)
    db.write_now(lambda conn: targets.put(conn, Target("hub", "https://hub.example", "hub"), None))
    db.write_now(lambda conn: cameras.insert(conn, Camera("yard", "Yard", "rtsp://yard"), None))
    yield SimpleNamespace(db=db, clock=clock, reports=LedgerReports(db, archive, clock), archive=archive)
    db.close()
    archive.close()


def put(box, start_s: float, end_s: float | None, cause="camera_offline", stream="main", boot="b1") -> None:
    ends_ns = None if end_s is None else NOON_NS + round(end_s * SECOND_NS)
    gap = Gap("yard", stream, NOON_NS + round(start_s * SECOND_NS), ends_ns, cause)
    box.db.write_now(lambda conn: gaps.put(conn, gap, boot))


def told(box) -> list[LedgerReport]:
    rows = box.db.write_now(lambda conn: outbox.take(conn, "hub", 100, box.clock.now_ns()))
    assert {(row.kind, row.lane) for row in rows} <= {("ledger", 6)}
    return [msgspec.json.decode(row.body, type=LedgerReport) for row in rows]


async def test_an_hour_that_is_over_is_told_once_with_what_is_missing_and_why(box) -> None:
    await box.reports.tell()  # from now on
    put(box, -60, 0, "box_off")  # of before: it says since when the stream is known
    put(box, 600, 660)
    put(box, 900, 930, "auth_failed")
    box.clock.tick(3_600 + 60)
    assert not await box.reports.tell() and told(box) == []  # it may still be refined
    box.clock.tick(60)
    assert await box.reports.tell()
    assert not await box.reports.tell()
    (report,) = told(box)
    assert (report.start_time, report.end_time) == ("2026-03-01T12:00:00.000Z", "2026-03-01T13:00:00.000Z")
    (row,) = report.streams
    assert (row.camera_id, row.stream, row.expected_s, row.recorded_s) == ("yard", "main", 3600, 3510)
    assert row.missing_s == {"auth_failed": 30, "camera_offline": 60}
    assert [(gap.start_time[11:19], gap.end_time[11:19], gap.cause) for gap in row.gaps] == [
        ("12:10:00", "12:11:00", "camera_offline"), ("12:15:00", "12:15:30", "auth_failed"),
    ]  # fmt: skip


async def test_a_gap_over_the_hour_is_cut_there_and_goes_on_in_the_next(box) -> None:
    await box.reports.tell()
    put(box, 3_000, None)
    box.clock.tick(3_720)
    await box.reports.tell()
    put(box, 3_000, 4_200)
    box.clock.tick(3_600)
    await box.reports.tell()
    first, second = told(box)
    assert first.streams[0].gaps[0].end_time is None and first.streams[0].missing_s == {"camera_offline": 600}
    assert second.streams[0].gaps[0].start_time == second.start_time
    assert second.streams[0].missing_s == {"camera_offline": 600}


async def test_a_box_that_was_off_for_days_tells_each_of_them(box) -> None:
    await box.reports.tell()
    put(box, 1_800, 3 * 86_400 - 1_800, "box_off")
    box.clock.tick(3 * 86_400 + 300)
    await box.reports.tell()
    reports = told(box)
    assert len(reports) == 3 and [r.end_time for r in reports[:-1]] == [r.start_time for r in reports[1:]]
    assert sum(report.streams[0].missing_s["box_off"] for report in reports) == 3 * 86_400 - 3_600


async def test_a_time_that_was_lived_twice_counts_once(box) -> None:
    await box.reports.tell()
    put(box, 0, 1_000)
    put(box, 500, 1_500, "clock_jump", boot="b2")
    box.clock.tick(3_720)
    await box.reports.tell()
    (report,) = told(box)
    assert report.streams[0].recorded_s == 2_100
    assert report.streams[0].missing_s == {"camera_offline": 1_000, "clock_jump": 1_000}


async def test_where_it_ended_is_written_with_the_rows_or_not_at_all(box, monkeypatch) -> None:
    """D1: a crash in between tells an hour neither twice nor never."""
    await box.reports.tell()
    put(box, 0, 10)
    box.clock.tick(3_720)
    whole = outbox.enqueue

    def torn(*words, **more) -> None:
        whole(*words, **more)
        raise ApplianceError("exhausted", "the disk is full", "make room")

    woken: list[str] = []
    reporting = Reporting(box.reports, SimpleNamespace(), box.clock, lambda: woken.append("owed"))
    with monkeypatch.context() as patched:
        patched.setattr(outbox, "enqueue", torn)
        await reporting.run_once()
    assert told(box) == [] and woken == []
    await reporting.run_once()
    assert len(told(box)) == 1 and woken == ["owed"]


async def test_a_clock_that_was_set_back_begins_anew_and_nobody_is_told_of_what_he_does_not_want(box) -> None:
    await box.reports.tell()
    put(box, 0, 10)
    box.clock.set_ns(box.clock.now_ns() - 86_400 * SECOND_NS)
    assert not await box.reports.tell()
    policy = msgspec.convert({"kinds": {"ledger": {"on": False}}}, targets.Policy)
    quiet = Target("hub", "https://hub.example", "hub", policy=policy)
    box.db.write_now(lambda conn: targets.put(conn, quiet, None))
    box.clock.tick(2 * 86_400)
    assert await box.reports.tell()
    assert told(box) == []


def test_a_camera_that_flaps_does_not_make_the_report_longer_than_a_row_may_be(box) -> None:
    def flap(conn) -> None:
        for n in range(MOST_GAPS + 500):
            start_ns = NOON_NS + n * 2 * SECOND_NS
            gaps.put(conn, Gap("yard", "main", start_ns, start_ns + SECOND_NS + n, "no_video"), "b1")

    box.db.write_now(flap)
    report = box.db.read_now(lambda conn: made(conn, {}, NOON_NS, NOON_NS + HOUR_NS))
    (row,) = report.streams
    assert (row.gaps_total, len(row.gaps)) == (MOST_GAPS + 500, MOST_GAPS)
    assert row.gaps[0].start_time == "2026-03-01T12:16:40.000Z"  # the shortest are left out
    assert len(msgspec.json.encode(report)) < 256_000


@given(told_s=st.integers(0, 10**8), later_s=st.integers(0, 10**7))
def test_reports_follow_each_other_without_hole_or_overlap(told_s: int, later_s: int) -> None:
    start_ns, now_ns = told_s * SECOND_NS, (told_s + later_s) * SECOND_NS
    spans = list(due(start_ns, now_ns))
    assert all(0 < end - begin <= LONGEST_NS for begin, end in spans)
    if spans:
        assert spans[0][0] == start_ns and spans[-1][1] <= now_ns - SETTLE_NS
        assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]
        assert all(end % HOUR_NS == 0 for _, end in spans)
        assert not list(due(spans[-1][1], now_ns))
    else:
        assert later_s < 2 * 3_600 + 120


async def test_figures_go_by_the_quarter_and_the_ledger_is_looked_at_first(box) -> None:
    said: list[str] = []

    async def tell(what: str) -> bool:
        said.append(what)
        return False

    ledger, metrics = (SimpleNamespace(tell=lambda what=what: tell(what)) for what in ("ledger", "metrics"))
    task = asyncio.create_task(Reporting(ledger, metrics, box.clock, lambda: None).run())
    await asyncio.sleep(0)
    assert said == ["ledger"]
    await box.clock.advance(900)
    assert said == ["ledger", "metrics", "ledger"]
    task.cancel()
