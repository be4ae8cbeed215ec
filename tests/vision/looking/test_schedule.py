"""Which frames are looked at."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appliance.vision.looking.gate import Motion
from appliance.vision.looking.schedule import Grid, Looks

SECOND_NS = 10**9
EMPTY = np.zeros((4, 4), np.bool_)
STILL, MOVING = Motion(EMPTY, EMPTY), Motion(~EMPTY, ~EMPTY)


@given(st.floats(1, 60), st.floats(0.5, 30))
def test_the_grid_picks_no_more_than_fps(camera_fps, fps):
    grid = Grid(fps)
    start_ns = 10**18
    picked = sum(
        grid.pick(start_ns + round(n * SECOND_NS / camera_fps)) for n in range(round(camera_fps * 10))
    )
    assert picked <= 10 * fps + 2
    assert picked >= min(10 * fps, 10 * camera_fps) * 0.7 - 2


def test_the_grid_survives_a_clock_that_goes_back():
    grid = Grid(5)
    assert grid.pick(10**18)
    assert grid.pick(10**18 - 3600 * SECOND_NS)
    assert not grid.pick(10**18 - 3600 * SECOND_NS + 1)


@given(st.floats(2, 30), st.lists(st.floats(-0.2, 0.2), min_size=200, max_size=200))
def test_a_camera_that_sends_just_what_is_wanted_loses_nothing(fps, jitter):
    grid = Grid(fps)
    times = [10**18 + round((n + wander) * SECOND_NS / fps) for n, wander in enumerate([0, *jitter])]
    assert sum(map(grid.pick, times)) >= 200


def test_what_may_be_skipped_is_never_picked():
    """Frames come out of the decoder three later than their packets go in."""
    grid = Grid(5)
    times = [10**18 + n * SECOND_NS // 30 for n in range(300)]
    skipped, picked = set(), set()
    for number, time_ns in enumerate(times):
        if grid.may_skip(time_ns):
            skipped.add(time_ns)
        if number >= 3 and grid.pick(times[number - 3]):
            picked.add(times[number - 3])
    assert not skipped & picked
    assert 49 <= len(picked) <= 51
    assert len(skipped) > 50


def looks_in(seconds, motion, **how):
    looks = Looks()
    return sum(
        looks.wants(10**18 + n * SECOND_NS // 5, motion(n / 5), **({"known": False, "unsure": False} | how))
        for n in range(seconds * 5)
    )


def test_nothing_moves_now_and_then():
    assert looks_in(20, lambda _: STILL) == 4


def test_known_tracks_are_watched_once_a_second():
    assert looks_in(20, lambda _: STILL, known=True) == 20


def test_motion_is_looked_at_in_every_frame_and_a_second_longer():
    assert looks_in(20, lambda _: MOVING) == 100
    assert 10 <= looks_in(10, lambda s: MOVING if s < 1 else STILL) <= 12


def test_unsure_tracks_are_looked_at_again_at_once():
    assert looks_in(2, lambda _: STILL, known=True, unsure=True) == 10
