"""At which moments the plug is pulled."""

from pathlib import Path

import pytest

from firmware.life.cuts import _spread


def moments(*seconds):
    return [(at_s, "writing", Path(f"layer-{number}")) for number, at_s in enumerate(seconds)]


@pytest.mark.parametrize("count", [1, 5, 20])
def test_as_many_as_are_wanted_though_a_part_of_the_time_has_none(count):
    found = moments(*range(18), 90, 95, 100, 180)
    chosen = _spread(found, count)
    assert len(set(chosen)) == len(chosen) == count
    assert chosen == sorted(chosen) and set(chosen) <= set(found)


def test_they_are_spread_over_the_whole_time():
    chosen = [at_s for at_s, _, _ in _spread(moments(*range(0, 1000, 5)), 20)]
    assert all(any(start <= at_s < start + 50 for at_s in chosen) for start in range(0, 995, 50))


def test_there_are_no_more_than_there_are():
    assert len(_spread(moments(1, 2, 3), 20)) == 3
