"""The later run sorts behind the earlier one, whatever the clock said when they were made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import MS_NS
from appliance.base.ids import made_ns, uuid7
from appliance.base.model import Segment
from appliance.media.record.runs import RunOrder
from appliance.store import segments

times = st.integers(0, 1 << 47).map(lambda ms: ms * MS_NS)


@given(st.lists(times, min_size=2), st.none() | times)
def test_ids_sort_as_they_were_made(moments, before_ns) -> None:
    newest = None if before_ns is None else uuid7(before_ns)
    order = RunOrder(newest)
    made = ([newest] if newest else []) + [order.next_id(now_ns) for now_ns in moments]
    assert made == sorted(made) and len(set(made)) == len(made)


def test_a_clock_that_goes_on_is_in_the_id() -> None:
    order = RunOrder(uuid7(5 * MS_NS))
    assert made_ns(order.next_id(9 * MS_NS)) == 9 * MS_NS


@pytest.mark.parametrize("newest", ["", "zzz", "run-1", "0" * 500])
def test_an_id_that_is_none_does_not_stop_the_recording(newest) -> None:
    order = RunOrder(newest)
    assert order.next_id(7 * MS_NS) < order.next_id(7 * MS_NS)


def test_the_newest_of_all_boots_is_found(box) -> None:
    assert box.archive_db.read_now(lambda conn: segments.newest_run(conn, "gate", "main")) is None
    runs = {"b": uuid7(30 * MS_NS), "a": uuid7(70 * MS_NS), "c": uuid7(50 * MS_NS)}
    for number, (boot, run) in enumerate(runs.items()):
        for sequence in range(2):
            row = Segment("gate", "main", boot, run, sequence, "v", f"{number}-{sequence}", 1, 2, 3, "", "",
                          1, 1, 1, "")  # fmt: skip
            box.archive_db.write_now(lambda conn, row=row: segments.put(conn, row))
    assert box.archive_db.read_now(lambda conn: segments.newest_run(conn, "gate", "main")) == runs["a"]
    assert box.archive_db.read_now(lambda conn: segments.newest_run(conn, "gate", "sub")) is None
