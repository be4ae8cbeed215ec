"""What is not decoded is never missed: against a decoder that leaves nothing out."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.vision.decoding.camera import CameraDecoder
from appliance.vision.decoding.decoder import Software
from appliance.vision.decoding.planes import luma
from appliance.vision.looking.schedule import Grid

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Counting:
    """Software, and how many packets it was given."""

    path = "software"
    packets = 0

    def __init__(self, codec, config):
        self.real = Software(codec, config)

    def decode(self, body, time_ns, *, spare):
        Counting.packets += 1
        return self.real.decode(body, time_ns, spare=spare)

    def close(self):
        self.real.close()


def eager(stream, fps):
    """Times of the picks where everything is decoded."""
    grid, decoder = Grid(fps), Software(stream.codec, stream.config)
    frames = [f for body, at, _ in stream.packets for f in decoder.decode(body, at, spare=False)]
    frames += decoder._context.decode(None)
    return [frame.pts for frame in frames if grid.pick(frame.pts)]


def lazy(stream, fps):
    """(picks: time -> Y plane, packets decoded)."""
    grid = Grid(fps)
    camera = CameraDecoder(grid.may_skip, lambda: round(1e9 / fps), {"counting": Counting})
    Counting.packets = 0
    camera.start(stream.codec, stream.config)
    picks = {}
    for body, at, is_key in stream.packets:
        for frame in camera.take(body, at, is_key=is_key):
            assert not frame.is_corrupt
            if grid.pick(frame.pts):
                picks[frame.pts] = luma(frame).copy()
    return picks, Counting.packets


def same_pictures(picks, stream):
    for at, plane in picks.items():
        assert np.array_equal(plane, stream.truth[at]), at


@SLOW
@given(
    keys=st.sets(st.integers(1, 79), max_size=8),
    bframes=st.sampled_from([0, 0, 2, 3]),
    fps=st.sampled_from([0.7, 1.0, 2.0, 5.0, 8.0, 12.5, 25.0]),
)
def test_of_irregular_gops_exactly_the_same_frames_are_picked(make_stream, keys, bframes, fps):
    stream = make_stream("h264", 80, unsteady(keys), bframes=bframes)
    picks, _ = lazy(stream, fps)
    same_pictures(picks, stream)
    wanted = eager(stream, fps)
    # What still is inside the decoder when the packets end, came out of the other one at its end.
    assert list(picks) == wanted[: len(picks)]
    assert len(picks) >= len(wanted) - 1 - bframes


def unsteady(keys):
    """No four key frames at one distance, within which the next would be waited for."""
    kept = [0]
    for key in sorted(keys):
        gaps = [b - a for a, b in itertools.pairwise(kept)][-2:]
        gap = key - kept[-1]
        if len(gaps) < 2 or max(*gaps, gap) - min(*gaps, gap) > 0.1 * max(*gaps, gap):
            kept.append(key)
    return kept


@SLOW
@given(
    gop=st.integers(2, 40),
    fps=st.sampled_from([0.7, 1.0, 2.0, 5.0, 8.0, 12.5, 25.0]),
    bframes=st.sampled_from([0, 0, 2]),
    open_gop=st.booleans(),
    codec=st.sampled_from(["h264", "h264", "hevc"]),
)
def test_of_regular_gops_as_many_frames_are_picked_and_none_late(
    make_stream, gop, fps, bframes, open_gop, codec
):
    stream = make_stream(codec, 120, range(0, 120, gop), bframes=bframes, open_gop=open_gop)
    picks, _ = lazy(stream, fps)
    same_pictures(picks, stream)
    times, wanted = sorted(picks), eager(stream, fps)
    period_s, frame_s, key_s = 1 / fps, 1 / 25, gop / 25
    # A key frame may stand for a look half a period earlier; where they are frequent, for any.
    patience_s = max(period_s / 2, key_s if key_s <= 1.1 * period_s else 0)
    longest_s = max(np.diff(times), default=0) / 1e9
    assert longest_s <= period_s * 1.25 + patience_s + 2 * frame_s
    tail_s = patience_s + (bframes + 2) * frame_s
    lacking = len(wanted) - len(times)
    assert lacking <= 1 + tail_s / period_s


def test_only_key_frames_are_decoded_where_they_are_frequent_enough(make_stream):
    stream = make_stream("h264", 250, range(0, 250, 25))
    picks, decoded = lazy(stream, 1.0)
    assert len(picks) == 10
    # The rhythm is known after four key frames; from then on it is one packet a second.
    assert decoded <= 3 * 25 + 7


def test_the_tail_of_a_gop_behind_its_last_look_is_not_decoded(make_stream):
    stream = make_stream("h264", 250, range(0, 250, 50))
    _, decoded = lazy(stream, 1.0)
    # Looks at 0.00, 0.76 and 1.76 s; once the rhythm is known the third waits for the key frame at 2.00.
    assert decoded <= 4 * 45 + 20


def test_a_key_frame_that_does_not_come_is_not_waited_for(make_stream):
    keys = [0, 25, 50, 75]  # and then none, for as long as the stream lasts
    stream = make_stream("h264", 200, keys)
    picks, _ = lazy(stream, 5.0)
    same_pictures(picks, stream)
    assert max(np.diff(sorted(picks))) <= 0.36e9
    assert max(picks) >= 7.7e9


@pytest.mark.parametrize("fps", [1.0, 5.0])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_frame_in_the_decoder_is_not_left_there(make_stream, codec, fps):
    """With B-frames a picture comes out packets later: those are not held back."""
    stream = make_stream(codec, 200, range(0, 200, 25), bframes=3)
    assert [at for _, at, _ in stream.packets] != sorted(stream.truth)
    grid = Grid(fps)
    camera = CameraDecoder(grid.may_skip, lambda: round(1e9 / fps))
    camera.start(stream.codec, stream.config)
    newest_ns = 0
    for body, at, is_key in stream.packets:
        newest_ns = max(newest_ns, at)
        for frame in camera.take(body, at, is_key=is_key):
            if grid.pick(frame.pts):
                assert newest_ns - frame.pts <= 6 * 40_000_000
