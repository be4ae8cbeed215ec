from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.steps.acceptance.rhythm import Sent, frames_on, rhythm_of

STEP = 6000  # 15 frames a second


def frames(steps, run="a", start=0, key_every=15):
    ticks = accumulate(steps, initial=start)
    return [Sent(run, at, 1000, number % key_every == 0) for number, at in enumerate(ticks)]


def test_an_even_stream_lacks_nothing():
    found = rhythm_of(frames([STEP] * 150))
    assert (found.fps, found.missing, found.jitter_ms, found.lost_percent) == (15.0, 0, 0.0, 0.0)
    assert found.bitrate_bps == 15 * 8000
    assert found.key_frame_s == 1.0


@given(holes=st.lists(st.integers(2, 6), max_size=20), dice=st.randoms(use_true_random=False))
def test_every_frame_that_is_missing_is_counted(holes, dice):
    """Of a stream from which frames were taken out, as many are missing as were taken."""
    steps = [1] * 30 + holes
    dice.shuffle(steps)
    found = rhythm_of(frames([STEP * step for step in steps]))
    assert found.missing == sum(step - 1 for step in steps)
    assert found.frames + found.missing == sum(steps)
    assert found.fps == pytest.approx(15 * len(steps) / sum(steps))


@given(st.lists(st.integers(-1500, 1500), min_size=20, max_size=60))
def test_jitter_is_no_loss(shifts):
    found = rhythm_of(frames([STEP + shift // 2 for shift in shifts]))
    assert found.missing == 0
    assert 0 <= found.jitter_ms <= 1500 / 90


def test_between_two_runs_nothing_is_missing():
    two = frames([STEP] * 20) + frames([STEP] * 20, run="b", start=10_000_000)
    assert rhythm_of(two).missing == 0
    assert rhythm_of(two).frames == 40


def test_too_little_says_nothing():
    assert rhythm_of([]) is None
    assert rhythm_of(frames([])) is None
    assert rhythm_of(frames([STEP], key_every=99)).key_frame_s is None


def test_a_file_that_is_no_segment_is_passed_over(tmp_path):
    folder = tmp_path / "gate" / "main" / "2026-01-20" / "14"
    folder.mkdir(parents=True)
    (folder / "20260120T143000.000Z.mp4").write_bytes(b"not a segment")
    (folder / "rubbish.mp4").touch()
    at_ns = 1_768_919_400 * 10**9
    assert frames_on([tmp_path, tmp_path / "gone"], "gate", "main", at_ns, at_ns + 10**10) == []
