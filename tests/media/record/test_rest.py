"""Turns: one cycle for all, a place in it for each, and never longer than durability allows."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.record.rest import MOST_S, REST_SHARE, TURN_S, Turn, Turns


@given(st.floats(0, 1e6), st.floats(0, 0.25))
def test_a_stream_wakes_at_its_place_in_the_cycle(now_s: float, behind_s: float) -> None:
    turn = Turn(0.25, behind_s)
    left_s = turn.left_s(now_s)
    assert 0 < left_s <= 0.25
    off_s = (now_s + left_s - behind_s) % 0.25
    assert min(off_s, 0.25 - off_s) < 1e-6


def test_streams_wake_one_behind_the_other() -> None:
    turns = Turns(1.0)
    places = [turns.give().behind_s for _ in range(128)]  # 64 cameras, main and sub
    assert all(b - a == pytest.approx(TURN_S) for a, b in itertools.pairwise(places))


def test_no_stream_rests_longer_than_its_share_of_durability() -> None:
    assert Turns(0.1).give().cycle_s == pytest.approx(0.1 * REST_SHARE)
    assert Turns(60).give().cycle_s == MOST_S
