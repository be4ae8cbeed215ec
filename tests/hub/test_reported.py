"""What boxes tell of themselves, summed up; on both databases, and whatever they say."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.hub.reported import MOST_GAPS, summed
from appliance.sync.protocol.report import (
    LedgerGap,
    LedgerReport,
    MetricsReport,
    StreamLedger,
    StreamMetrics,
)

HOUR_NS = 3_600 * SECOND_NS
TEN_NS = 1_772_359_200 * SECOND_NS  # 2026-03-01T10:00:00Z


def hour(
    number: int, *gaps: LedgerGap, lost_s: float = 0, cause: str = "camera_offline", **more
) -> LedgerReport:
    row = StreamLedger(
        "yard", "main", 3_600, 3_600 - lost_s, {cause: lost_s} if lost_s else {}, len(gaps), gaps, **more
    )
    return LedgerReport(at(number), at(number + 1), (row,))


def at(hours: float) -> str:
    return rfc3339(TEN_NS + round(hours * HOUR_NS))


def test_a_gap_over_hours_is_one_and_what_was_planned_is_no_loss() -> None:
    first = hour(0, LedgerGap(at(0.75), "camera_offline"), lost_s=900)
    second = hour(1, LedgerGap(at(1), "camera_offline"), lost_s=3_600)
    third = hour(2, LedgerGap(at(2), "camera_offline", at(2.25)), lost_s=900)
    planned = hour(3, LedgerGap(at(3), "schedule", at(3.5)), lost_s=1_800, cause="schedule")
    told = summed([planned, third, second, first])
    (gap,) = told.gaps
    assert (gap.start_time, gap.end_time, gap.cause) == (at(0.75), at(2.25), "camera_offline")
    (row,) = told.streams
    assert (row.expected_s, row.recorded_s, row.lost_s) == (4 * 3_600, 7_200, 5_400)
    assert row.kept_percent == pytest.approx(100 * 7_200 / 12_600)
    assert (told.start_time, told.end_time) == (at(0), at(4))


def test_what_lasts_still_has_no_end_and_only_the_newest_are_named() -> None:
    told = summed([hour(0, LedgerGap(at(0.5), "auth_failed"), lost_s=1_800, cause="auth_failed")])
    assert told.gaps[0].end_time is None
    many = [LedgerGap(at(n / 100), "no_video", at(n / 100 + 0.001)) for n in range(90)]
    told = summed([hour(0, *many, lost_s=300)])
    assert len(told.gaps) == MOST_GAPS and told.gaps[0].start_time == at(0.89)


odd = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(-(10**9), 10**9).map(float))


@given(st.lists(st.tuples(odd, odd, odd, st.text(max_size=30)), max_size=5))
def test_whatever_a_box_says_there_are_sums(rows) -> None:
    """Of made-up figures, times and names: never more than all, never less than nothing."""
    reports = [
        LedgerReport(
            text if index % 2 else at(index), at(index + 1),
            (StreamLedger(text, "main", expected, kept, {text: lost}, 1, (LedgerGap(text, text, text),)),),
        )
        for index, (expected, kept, lost, text) in enumerate(rows)
    ]  # fmt: skip
    for row in summed(reports).streams:
        assert 0 <= row.lost_s <= row.expected_s and 0 <= row.kept_percent <= 100
        assert math.isfinite(row.kept_percent)


@pytest.fixture
async def told(served):
    box = await served.box("box-near")
    now_ns = served.clock.now_ns()
    report = LedgerReport(
        rfc3339(now_ns - HOUR_NS), rfc3339(now_ns),
        (StreamLedger("<b>yard", "main", 3_600, 3_000, {"box_off": 600}, 1,
                      (LedgerGap(rfc3339(now_ns - 600 * SECOND_NS), "box_off"),)),),
    )  # fmt: skip
    figures = MetricsReport(
        rfc3339(now_ns), 90.0, cpu_percent=41.2, memory_used_percent=63.0,
        streams=(StreamMetrics("yard", "main", "recording", 15.0, 4_000_000),),
    )  # fmt: skip
    rows = [
        box.row("l1", "ledger", msgspec.to_builtins(report)),
        box.row("m1", "metrics", msgspec.to_builtins(figures)),
        box.row("l2", "ledger", {"start_time": 7}),
        box.row("m2", "metrics", {"time": "yesterday", "uptime_s": 1}),
        box.row("m3", "metrics", [1, 2]),
        box.row(
            "l3",
            "ledger",
            {"start_time": "9999-12-31T23:00:00Z", "end_time": "9999-12-31T23:59:59Z", "streams": []},
        ),
    ]
    _, said = await box.batch(*rows)
    assert sorted(said["acknowledged"]) == ["l1", "l2", "l3", "m1", "m2", "m3"]  # told once, kept as it came
    return box


async def test_the_box_s_page_and_the_api_show_both(served, told) -> None:
    viewer = await served.person("v", "viewer")
    _, said = await viewer.ask("GET", "/boxes/box-near/recording")
    (row,) = said["recording"]["streams"]
    assert (row["expected_s"], row["recorded_s"], row["missing_s"]) == (3_600, 3_000, {"box_off": 600})
    assert said["recording"]["gaps"][0]["end_time"] is None
    _, said = await viewer.ask("GET", "/boxes/box-near/figures")
    assert [each["cpu_percent"] for each in said["figures"]] == [41.2]
    response = await viewer.client.get("/boxes/box-near", headers=viewer.headers)
    page = await response.text()
    assert "83.33 %" in page and "Box was off" in page and "lasted still" in page
    assert "41 %" in page and "4.0 Mbit/s" in page
    assert "<b>yard" not in page and "&lt;b&gt;yard" in page


async def test_nobody_reads_what_a_box_of_another_site_told(served, told) -> None:
    limited = await served.person("limited", "viewer", ("berlin",))
    for what in ("recording", "figures"):
        assert (await limited.ask("GET", f"/boxes/box-near/{what}"))[0] == 404


async def test_a_box_that_told_nothing_has_an_honest_page(served) -> None:
    await served.box("box-new")
    viewer = await served.person("v", "viewer")
    page = await (await viewer.client.get("/boxes/box-new", headers=viewer.headers)).text()
    assert "has told no ledger yet" in page and "No figures in the last day" in page
    _, said = await viewer.ask("GET", "/boxes/box-new/recording")
    assert said["recording"]["streams"] == []
