"""Laws of time inside a run, and fragments that are what the encoder made."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS
from appliance.media.mp4 import boxes
from appliance.media.mp4.fragmenter import LEAD_IN_90K, Fragmenter, Timeline, ns_from_90k
from appliance.media.play.layout import read_layout, read_start

T0 = 1_768_919_400 * SECOND_NS
FRAME = 6000
FRAME_NS = SECOND_NS // 15


@given(
    st.integers(-(2**40), 2**40),
    st.lists(st.tuples(st.integers(1, 200), st.none() | st.integers(-(2**33), 2**33)), max_size=60),
)
def test_no_jump_of_the_camera_turns_time_back(first, steps) -> None:
    """(ms until the next frame arrives, jump of the camera's clock or None)"""
    timeline = Timeline(first, T0)
    assert timeline.place(first, T0) == LEAD_IN_90K
    raw, now_ns, newest = first, T0, LEAD_IN_90K
    for passed_ms, jump in steps:
        now_ns += passed_ms * 1_000_000
        raw += passed_ms * 90
        if jump is not None and abs(jump) > 3 * 90_000:
            raw += jump
        pts = timeline.place(raw, now_ns)
        assert newest < pts
        assert abs((pts - LEAD_IN_90K) - (now_ns - T0) * 9 // 100_000) <= 2 * 90_000
        newest = pts


@given(st.integers(-3000, 3000), st.integers(0, 50), st.integers(1, 20))
def test_the_anchor_follows_a_crystal_by_no_more_than_half_a_percent(ppm, jitter_ms, segments) -> None:
    timeline = Timeline(0, T0)
    frame = 0
    for _ in range(segments):
        before_ns = timeline.anchor_ns
        for _ in range(150):
            arrival_ns = T0 + frame * FRAME_NS + (frame * 7 % (jitter_ms + 1)) * 1_000_000
            timeline.place(frame * FRAME * (1_000_000 + ppm) // 1_000_000, arrival_ns)
            frame += 1
        timeline.anchor_again(10 * SECOND_NS)
        assert abs(timeline.anchor_ns - before_ns) <= 10 * SECOND_NS // 200
    now_ns = T0 + (frame - 1) * FRAME_NS
    newest = (frame - 1) * FRAME * (1_000_000 + ppm) // 1_000_000 + LEAD_IN_90K
    assert abs(timeline.wall_ns(newest) - now_ns) < 40_000_000 + jitter_ms * 1_000_000


def test_a_run_never_begins_before_what_is_recorded() -> None:
    timeline = Timeline(500, T0, T0 + 70_000_000)
    assert timeline.wall_ns(timeline.place(500, T0)) == pytest.approx(T0 + 70_000_000, abs=20_000)


def gops(depth: int):
    """Presentation numbers in decode order: GOPs of I and groups of P with ``depth`` B-frames."""
    groups = st.lists(st.integers(0, depth), min_size=1, max_size=8)
    return st.lists(groups, min_size=1, max_size=4)


@given(gops(3), st.booleans())
def test_decode_times_rise_and_are_never_late(shape, said) -> None:
    order, shown = [], 0
    for gop in shape:
        order.append(shown)
        shown += 1
        for b in gop:
            order.append(shown + b)
            order += range(shown, shown + b)
            shown += b + 1
    depth = max(sum(before > place for before in order[:n]) for n, place in enumerate(order))
    fragmenter = Fragmenter(min(depth, 1) if said else None, FRAME)
    decodes = []
    for number, place in enumerate(order):
        pts = LEAD_IN_90K + place * FRAME
        head = fragmenter.video(b"x", pts, 0, number == 0).head
        assert len(head) == 112
        decode = int.from_bytes(head[60:68], "big")
        shift = int.from_bytes(head[100:104], "big", signed=True)
        assert decode + shift == pts
        decodes.append(decode)
    assert all(a < b for a, b in pairwise(decodes))
    if said:
        # The n-th decode time is the n-th smallest presentation time, late by the depth.
        assert all(d <= LEAD_IN_90K + p * FRAME for d, p in zip(decodes, order, strict=True))
        assert [LEAD_IN_90K + (n - min(depth, 1)) * FRAME for n in range(len(order))] == decodes


@pytest.mark.parametrize("name", ["film", "film_b", "film_hevc"])
def test_fragments_are_what_the_encoder_made(tmp_path: Path, request, write_film, decoded, name) -> None:
    film = request.getfixturevalue(name)
    path = write_film(tmp_path, film)
    shown = decoded(path)
    assert [md5 for _, md5 in shown] == film.md5s
    assert [at - shown[0][0] for at, _ in shown] == pytest.approx(
        [n / 15 for n in range(len(shown))], abs=1e-4
    )
    data = path.read_bytes()
    kinds = [item.kind for item in boxes.walk(data)]
    assert kinds == [b"ftyp", b"moov"] + [b"moof", b"mdat"] * len(film.samples)
    bodies = [data[i.offset + 8 : i.offset + i.size] for i in boxes.walk(data) if i.kind == b"mdat"]
    assert bodies == [sample for sample, _, _ in film.samples]


def test_ticks() -> None:
    assert ns_from_90k(90_000) == SECOND_NS
    assert [-(-(ns_from_90k(n) * 9) // 100_000) for n in range(10_000)] == list(range(10_000))


async def test_what_lies_in_a_file_is_found_again(box, film_b) -> None:
    box.add_camera()
    box.play(film_b)
    box.settle()
    found = []
    for path in sorted(box.folder.glob("recordings/*/*/*/*/*.mp4")):
        with path.open("rb") as file:
            start = read_start(file.fileno(), path)
            layout = read_layout(file.fileno(), start.offset, path.stat().st_size)
            data = path.read_bytes()
            found += [data[o : o + s] for o, s in zip(layout.offsets, layout.sizes, strict=True)]
    assert found == [sample for sample, _, _ in film_b.samples]


def test_lag_is_against_the_quickest_frame_also_over_a_new_anchor() -> None:
    """What tells a resting stream that it has read the newest frame."""
    line = Timeline(0, 1_000_000_000)
    for number in range(1, 30):  # the first second comes 400 ms late, as a server's backlog does
        late_ns = 400_000_000 if number < 15 else 0
        line.place(number * 6000, 1_000_000_000 - 400_000_000 + ns_from_90k(number * 6000) + late_ns)
    assert line.lag_ns == 0
    line.anchor_again(2_000_000_000)
    line.place(30 * 6000, 600_000_000 + ns_from_90k(30 * 6000) + 150_000_000)
    assert line.lag_ns == 150_000_000
