"""Which time is recorded: spans that tile, causes that are true, locks, and the GOP of a moment."""

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.base.model import Gap, Lock
from appliance.media.ring.tiling import Layer, Recorded, sweep, tile
from appliance.store import gaps as gap_rows
from appliance.store import segments

MS = 1_000_000
times = st.integers(0, 60).map(lambda n: n * 10 * MS)
intervals = st.tuples(times, times).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(st.tuples(intervals, st.integers())), intervals)
def test_sweep_tiles_exactly_and_shows_the_highest(layers, window) -> None:
    start, end = window
    made = [Layer(*interval, what) for interval, what in layers]
    pieces = sweep(made, start, end)
    at = start
    for piece in pieces:
        assert piece.start_ns == at < piece.end_ns
        covering = [x for x in made if x.start_ns <= at < x.end_ns]
        assert piece.what == (covering[-1].what if covering else None)
        at = piece.end_ns
    assert at == max(start, end)


causes = st.sampled_from(["camera_offline", "restart", "disk_full", "no_video"])
recorded_layers = st.lists(
    st.builds(
        lambda pair, run, unsure: Layer(*pair, Recorded(("boot", run), unsure)),
        intervals, st.sampled_from("ab"), st.booleans(),
    )
)  # fmt: skip
ledger = st.lists(
    st.builds(lambda pair, cause, is_open: Gap("gate", "main", pair[0], None if is_open else pair[1], cause),
              intervals, causes, st.booleans())
)  # fmt: skip
lock_list = st.lists(intervals.map(lambda pair: Lock("x", "gate", *pair, "", "person", "", 0)))


@given(recorded_layers, ledger, lock_list, intervals, st.none() | times, times)
def test_spans_tile_whatever_the_rows_say(recorded, gaps, locks, window, exists, margin) -> None:
    start, end = window
    spans = tile(recorded, gaps, locks, start, end, exists, margin)
    at = start
    for number, span in enumerate(spans):
        assert span.start_ns == at < span.end_ns
        at = span.end_ns
        assert (span.cause is None) == (span.state == "recorded")
        assert span.state == "recorded" or not (span.locked or span.time_unsure)
        if number:
            before = spans[number - 1]
            same = (before.state, before.cause, before.locked, before.time_unsure)
            assert same != (span.state, span.cause, span.locked, span.time_unsure)
    assert at == end or start == end
    for moment in range(start, end, 10 * MS):
        (span,) = [s for s in spans if s.start_ns <= moment < s.end_ns]
        is_recorded = any(x.start_ns <= moment < x.end_ns for x in recorded)
        assert (span.state == "recorded") == is_recorded
        if is_recorded:
            assert span.locked == any(x.start_ns <= moment < x.end_ns for x in locks)
        elif exists is not None and moment >= exists:
            assert span.cause != "disabled"


def test_a_sliver_is_no_gap() -> None:
    run = Recorded(("boot", "a"), False)
    spans = tile([Layer(0, 10 * MS, run), Layer(10 * MS + 900, 20 * MS, run)], [], [], 0, 20 * MS, 0)
    assert [(s.start_ns, s.end_ns, s.state) for s in spans] == [(0, 20 * MS, "recorded")]


async def test_a_day_in_the_life(box, film) -> None:
    box.clock.tick(3600)
    box.add_camera()
    created_ns = box.clock.now_ns()
    box.clock.tick(10)
    recording = box.recording()
    box.clock.tick(5)
    first_ns = box.clock.now_ns()
    box.play(film, frames=60, end="no_video")
    end_ns = recording.end_ns
    box.clock.tick(8)
    recording.ledger.refine("camera_offline", box.clock.now_ns())
    box.clock.tick(3)
    again_ns = box.clock.now_ns()
    box.play(film, end=None)
    now_ns = box.clock.now_ns()

    async def look() -> None:
        found = await box.archive.recordings("gate", "main", created_ns - SECOND_NS, now_ns + 99 * SECOND_NS)
        assert (found.start_ns, found.end_ns) == (created_ns - SECOND_NS, now_ns)
        assert [(s.state, s.cause) for s in found.spans] == [
            ("gap", "disabled"), ("gap", "no_video"), ("recorded", None), ("gap", "camera_offline"),
            ("recorded", None),
        ]  # fmt: skip
        edges = [s.start_ns for s in found.spans]
        wanted = [created_ns - SECOND_NS, created_ns + 10 * SECOND_NS, first_ns, end_ns, again_ns]
        assert edges == pytest.approx(wanted, abs=1000)
        assert found.spans[-1].end_ns == now_ns
        assert found.bytes_ > 1000

    await look()  # the newest segment is open, the others on their way to the index
    recording.end("no_video")
    await look()
    box.settle()
    await look()  # now all of them are rows
    box.clock.tick(60)
    later_ns = box.clock.now_ns()
    found = await box.archive.recordings("gate", "main", now_ns - SECOND_NS, later_ns)
    assert [s.cause for s in found.spans] == [None, "no_video"]


async def test_the_open_segment_reaches_to_now_until_it_is_silent(box, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film, end=None)
    box.clock.tick(0.3)
    found = await box.archive.recordings("gate", "main", began_ns, box.clock.now_ns())
    assert [s.state for s in found.spans] == ["recorded"]
    box.clock.tick(60)
    found = await box.archive.recordings("gate", "main", began_ns, box.clock.now_ns())
    assert [s.state for s in found.spans] == ["recorded", "gap"]


async def test_the_ledger_is_asked_before_its_row_is_written(box, film) -> None:
    """The database may lag behind the stream's thread, for as long as its disk is full."""
    box.add_camera()
    box.offer = lambda work, on_done=None: False
    began_ns = box.clock.now_ns()
    recording = box.recording()
    box.clock.tick(2)
    first_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    recording.ledger.refine("auth_failed", box.clock.now_ns())
    box.clock.tick(1)
    found = await box.archive.recordings("gate", "main", began_ns, box.clock.now_ns())
    assert [s.cause for s in found.spans] == ["no_video", None, "auth_failed"]
    assert found.spans[1].start_ns == first_ns


async def test_a_lost_row_between_others_is_damage(box, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    rows = box.archive_db.read_now(lambda c: segments.of_stream(c, "gate", "main"))
    box.archive_db.write_now(lambda c: segments.delete(c, rows[1].volume_id, rows[1].path))
    found = await box.archive.recordings("gate", "main", began_ns, rows[-1].end_ns)
    assert [s.cause for s in found.spans] == [None, "damaged", None]
    # Also where the question begins inside the hole.
    inside = await box.archive.recordings("gate", "main", rows[1].start_ns + 5, rows[1].end_ns - 5)
    assert [s.cause for s in inside.spans] == ["damaged"]


async def test_after_a_step_back_the_later_pass_is_seen(box, film, film_b) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.clock.unsure = True
    box.play(film, end="clock_jump")
    box.clock.unsure = False
    box.recordings["gate", "main"].end_ns = 0
    box.clock.set_ns(began_ns + 4 * SECOND_NS)
    box.play(film_b)
    box.settle()
    found = await box.archive.recordings("gate", "main", began_ns, box.clock.now_ns() - SECOND_NS)
    assert [(s.state, s.time_unsure) for s in found.spans] == [("recorded", True), ("recorded", False)]
    assert found.spans[1].start_ns == began_ns + 4 * SECOND_NS


async def test_who_is_not_there(box, film) -> None:
    box.add_camera()
    box.add_camera("yard", sub_url="rtsp://127.0.0.1/sub")
    now_ns = box.clock.now_ns()
    for camera, stream in (("nobody", "main"), ("gate", "sub"), ("gate", "../main"), ("gate", "third")):
        with pytest.raises(ApplianceError) as caught:
            await box.archive.recordings(camera, stream, now_ns - 5, now_ns)
        assert caught.value.kind == "not_found"
    found = await box.archive.recordings("yard", "sub", now_ns - 5 * MS, now_ns)
    assert [s.cause for s in found.spans] == ["disabled"]


async def test_a_sub_stream_that_was_taken_away_is_still_there(box, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film, stream="sub")
    box.settle()
    found = await box.archive.recordings("gate", "sub", began_ns, box.clock.now_ns())
    assert found.spans[0].state == "recorded"


async def test_locks_show_and_say_what_the_ring_still_holds(box, film, monkeypatch) -> None:
    monkeypatch.setattr("appliance.media.ring.days._room", lambda root: 10**9)  # others write on this disk
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    a, b = began_ns + 2 * SECOND_NS, began_ns + 3 * SECOND_NS
    lock, days = await box.archive.lock("gate", a, b, "theft", "person", "u1")
    assert days > 0
    _pin, fewer = await box.archive.lock("gate", began_ns, b + SECOND_NS, "", "event", "e1")
    assert fewer < days
    found = await box.archive.recordings("gate", "main", began_ns, began_ns + 5 * SECOND_NS)
    assert [(s.start_ns, s.locked) for s in found.spans] == [(began_ns, False), (a, True), (b, False)]
    await box.archive.unlock(lock.id)
    found = await box.archive.recordings("gate", "main", began_ns, began_ns + 5 * SECOND_NS)
    assert [s.locked for s in found.spans] == [False]
    for work in (box.archive.unlock(lock.id), box.archive.lock("nobody", a, b, "", "person", "u")):
        with pytest.raises(ApplianceError) as caught:
            await work
        assert caught.value.kind == "not_found"


async def test_the_picture_of_a_moment(box, film_b) -> None:
    """The last frame that comes out of the GOP is the one that was on the screen then."""
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film_b, end=None)
    for _ in range(2):
        for number in (0, 1, 2, 14, 15, 40, 77, 110):
            asked_ns = began_ns + number * SECOND_NS // 15 + 9 * MS
            source = await box.archive.frame_source("gate", "main", asked_ns)
            assert _shown(source) in film_b.md5s[max(0, number - 1) : number + 3]
            assert 0 <= asked_ns - source.samples[-1][2] < 70 * MS
        box.recordings["gate", "main"].end("no_video")
        box.settle()
    for time_ns in (began_ns - SECOND_NS, box.clock.now_ns() + SECOND_NS):
        with pytest.raises(ApplianceError) as caught:
            await box.archive.frame_source("gate", "main", time_ns)
        assert caught.value.kind == "not_found"


def _shown(source) -> str:
    import hashlib

    decoder = av.CodecContext.create(source.codec, "r")
    decoder.extradata = source.codec_config
    frames = []
    for data, pts, _ in source.samples:
        packet = av.Packet(data)
        packet.pts = pts
        frames += decoder.decode(packet)
    frames += decoder.decode(None)
    wanted = next(f for f in frames if f.pts == source.samples[-1][1])
    return hashlib.md5(wanted.to_ndarray(format="yuv420p").tobytes()).hexdigest()


async def test_gap_rows_of_an_older_boot_are_used(box, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    gap = Gap("gate", "main", began_ns, began_ns + SECOND_NS, "box_off")
    box.db.write_now(lambda c: gap_rows.put(c, gap, "old"))
    box.clock.tick(1)
    box.play(film)
    box.settle()
    found = await box.archive.recordings("gate", "main", began_ns, began_ns + 2 * SECOND_NS)
    assert [s.cause for s in found.spans] == ["box_off", None]
