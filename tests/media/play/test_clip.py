"""Clips: every frame once, at its time, in one progressive MP4 that ffmpeg finds nothing wrong with."""

import itertools
import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.media.mp4 import boxes

FRAME_NS = SECOND_NS // 15


def probe(path: Path) -> dict:
    text = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    return json.loads(text)


@pytest.mark.parametrize("name", ["film", "film_b", "film_hevc"])
async def test_a_clip_holds_every_frame_once(box, tmp_path: Path, request, decoded, name: str) -> None:
    film = request.getfixturevalue(name)
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    clip = await box.save(tmp_path / "clip.mp4", began_ns, began_ns + 60 * SECOND_NS)
    shown = decoded(tmp_path / "clip.mp4")
    assert [md5 for _, md5 in shown] == film.md5s
    # B-frames arrive after what is shown later: the anchor learns of that delay by and by.
    late_s = 0.15 if name != "film" else 0.001
    assert [at for at, _ in shown] == pytest.approx([n / 15 for n in range(len(shown))], abs=late_s)
    assert clip.start_ns == pytest.approx(began_ns, abs=1000)
    assert clip.gaps == () or name != "film"
    assert not clip.complete  # the end lies ahead
    length_s = float(probe(tmp_path / "clip.mp4")["format"]["duration"])
    assert length_s == pytest.approx(len(shown) / 15, abs=late_s)


async def test_it_begins_with_the_key_frame_before_and_ends_in_time(box, tmp_path, film_b, decoded) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film_b)
    box.settle()
    start_ns, end_ns = began_ns + 3_500_000_000, began_ns + 5_250_000_000
    clip = await box.save(tmp_path / "clip.mp4", start_ns, end_ns)
    assert clip.start_ns == pytest.approx(began_ns + 3 * SECOND_NS, abs=20_000_000)
    assert clip.complete
    md5s = [md5 for _, md5 in decoded(tmp_path / "clip.mp4")]
    wanted = film_b.md5s[45 : -(-525 * 15 // 100)]
    # What is shown after the end may be in it where B-frames before the end need it.
    assert md5s[: len(wanted)] == wanted
    assert len(md5s) - len(wanted) <= 2


async def test_the_start_of_a_span_gives_exactly_that_span(box, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    for second in range(8):
        clip = await box.archive.clip("gate", "main", began_ns + second * SECOND_NS + 20, box.clock.now_ns())
        assert clip.start_ns == pytest.approx(began_ns + second * SECOND_NS, abs=1000)


async def test_wall_time_goes_on_over_a_gap(box, tmp_path, film, decoded) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film, frames=45)
    box.clock.tick(7)
    again_ns = box.clock.now_ns()
    box.play(film, start=45)
    box.settle()
    clip = await box.save(tmp_path / "clip.mp4", began_ns, box.clock.now_ns())
    shown = decoded(tmp_path / "clip.mp4")
    assert [md5 for _, md5 in shown] == film.md5s
    assert shown[45][0] == pytest.approx((again_ns - began_ns) / 1e9, abs=0.001)
    (gap,) = clip.gaps
    assert (gap.start_ns, gap.end_ns) == pytest.approx((began_ns + 3 * SECOND_NS, again_ns), abs=1000)
    assert gap.cause == "no_video"
    assert clip.complete


async def test_a_start_inside_a_gap_begins_with_what_follows(box, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film, frames=45)
    box.clock.tick(7)
    again_ns = box.clock.now_ns()
    box.play(film, start=45)
    box.settle()
    clip = await box.archive.clip("gate", "main", began_ns + 5 * SECOND_NS, box.clock.now_ns())
    assert clip.start_ns == pytest.approx(again_ns, abs=1000)
    assert clip.gaps[0].start_ns == began_ns + 5 * SECOND_NS


async def test_nothing_recorded(box, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    for start_ns in (began_ns - 60 * SECOND_NS, began_ns + 60 * SECOND_NS):
        with pytest.raises(ApplianceError) as caught:
            await box.archive.clip("gate", "main", start_ns, start_ns + SECOND_NS)
        assert caught.value.kind == "not_found"
    with pytest.raises(ApplianceError) as caught:
        await box.archive.clip("gate", "main", began_ns, began_ns)
    assert caught.value.kind == "invalid"


async def test_other_parameters_inside_name_the_split(box, film, film_other) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film, frames=45)
    split_ns = box.clock.now_ns()
    box.play(film_other)
    box.settle()
    with pytest.raises(ApplianceError) as caught:
        await box.archive.clip("gate", "main", began_ns, box.clock.now_ns())
    assert caught.value.kind == "conflict"
    stamp = caught.value.message.split(" at ")[1]
    from appliance.base.clock import parse_rfc3339

    assert stamp in caught.value.hint
    point_ns = parse_rfc3339(stamp)
    assert point_ns == pytest.approx(split_ns, abs=1_000_000)
    await box.archive.clip("gate", "main", began_ns, point_ns)
    await box.archive.clip("gate", "main", point_ns + 1_000_000, box.clock.now_ns())


async def test_sound_goes_along(box, tmp_path, film, decoded, sound) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film, sound=sound)
    box.settle()
    await box.save(tmp_path / "clip.mp4", began_ns, box.clock.now_ns())
    assert [md5 for _, md5 in decoded(tmp_path / "clip.mp4")] == film.md5s
    found = probe(tmp_path / "clip.mp4")["streams"]
    audio = next(stream for stream in found if stream["codec_type"] == "audio")
    assert audio["codec_name"] == "aac"
    run = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(tmp_path / "clip.mp4"), "-map", "0:a", "-f", "s16le", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    assert run.stderr == b""
    seconds = len(run.stdout) / 2 / int(audio["sample_rate"])
    assert 6.5 < seconds <= 8.2
    assert float(audio["start_time"]) + seconds == pytest.approx(8, abs=0.7)


async def test_the_segment_that_is_still_open_counts(box, tmp_path, film, decoded) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film, frames=70, end=None)
    clip = await box.save(tmp_path / "clip.mp4", began_ns, box.clock.now_ns())
    assert [md5 for _, md5 in decoded(tmp_path / "clip.mp4")] == film.md5s[:70]
    assert clip.complete
    later = await box.archive.clip("gate", "main", began_ns, box.clock.now_ns() + SECOND_NS)
    assert not later.complete
    box.recordings["gate", "main"].end("no_video")
    box.settle()
    again = await box.archive.clip("gate", "main", began_ns, box.clock.now_ns())
    assert again.etag == clip.etag  # a player's next Range request still fits


async def test_ranges_are_parts_of_the_whole(box, tmp_path, film_b, sound) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film_b, sound=sound)
    box.settle()
    clip = await box.save(tmp_path / "clip.mp4", began_ns, box.clock.now_ns())
    whole = (tmp_path / "clip.mp4").read_bytes()

    async def part(offset: int, length: int | None) -> bytes:
        pieces = [piece async for piece in clip.read(offset, length)]
        assert all(len(piece) <= 256 * 1024 for piece in pieces)
        return b"".join(pieces)

    for offset in (0, 1, 700, clip.size_bytes // 2, clip.size_bytes - 1, clip.size_bytes):
        for length in (0, 1, 999, 100_000, None):
            end = None if length is None else offset + length
            assert await part(offset, length) == whole[offset:end]


async def test_a_picture_larger_than_a_piece(box, tmp_path, film, decoded, monkeypatch) -> None:
    monkeypatch.setattr("appliance.media.play.clip.PIECE_BYTES", 1000)
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    await box.save(tmp_path / "clip.mp4", began_ns, box.clock.now_ns())
    assert [md5 for _, md5 in decoded(tmp_path / "clip.mp4")] == film.md5s


async def test_a_lost_file_is_told_and_left_out(box, tmp_path, film, decoded) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    paths = sorted(box.folder.glob("recordings/*/*/*/*/*.mp4"))
    assert len(paths) == 4
    paths[1].unlink()
    clip = await box.save(tmp_path / "clip.mp4", began_ns, box.clock.now_ns())
    assert not clip.complete
    assert [gap.cause for gap in clip.gaps] == ["damaged"]
    shown = decoded(tmp_path / "clip.mp4")
    assert [md5 for _, md5 in shown] == film.md5s[:30] + film.md5s[60:]
    assert shown[30][0] == pytest.approx(4, abs=0.001)
    # One that goes while it is read ends the reading with an error, not with wrong bytes.
    paths[2].unlink()
    with pytest.raises(ApplianceError) as caught:
        [piece async for piece in clip.read()]
    assert caught.value.kind == "data_loss"


async def test_a_torn_file_gives_what_is_whole(box, tmp_path, film, decoded) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    path = sorted(box.folder.glob("recordings/*/*/*/*/*.mp4"))[0]
    os.truncate(path, path.stat().st_size // 2)
    clip = await box.save(tmp_path / "clip.mp4", began_ns, box.clock.now_ns())
    assert not clip.complete
    md5s = [md5 for _, md5 in decoded(tmp_path / "clip.mp4")]
    assert md5s[-90:] == film.md5s[30:]
    assert 0 < len(md5s) - 90 < 30


async def test_a_drifting_crystal_never_turns_time_back(box, tmp_path, film, decoded) -> None:
    """Each segment is anchored anew; frames keep their order and their distance."""
    from dataclasses import replace

    box.add_camera()
    began_ns = box.clock.now_ns()
    fast = replace(film, samples=[(data, raw * 1002 // 1000, key) for data, raw, key in film.samples])
    box.play(fast)
    box.settle()
    await box.save(tmp_path / "clip.mp4", began_ns, box.clock.now_ns())
    shown = decoded(tmp_path / "clip.mp4")
    assert [md5 for _, md5 in shown] == film.md5s
    steps = [b[0] - a[0] for a, b in itertools.pairwise(shown)]
    assert min(steps) > 0.03
    assert shown[-1][0] == pytest.approx(119 / 15, abs=0.02)


def test_a_correction_larger_than_a_frame_is_spread() -> None:
    """60 s segments may move by 300 ms: the frames keep half their distance until it is made up."""
    from array import array

    from appliance.media.play.clip_tables import VideoTables
    from appliance.media.play.layout import Layout

    def layout(first: int) -> Layout:
        decodes = array("q", range(first * 6000, (first + 15) * 6000, 6000))
        return Layout(
            array("Q", range(15)), array("I", [9] * 15), decodes, decodes, array("I", [6000] * 15), [0]
        )

    tables, shifts = VideoTables(), []
    for number in range(12):
        ideal = 0 if number == 0 else -27_000
        shifts.append(tables.add(layout(number * 15), 0, 15, ideal, number > 0))
    assert shifts == [max(-27_000, -3000 * number) for number in range(12)]
    assert {value for _, value in tables._steps.runs} == {6000, 3000}


async def test_it_is_progressive(box, tmp_path, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    clip = await box.save(tmp_path / "clip.mp4", began_ns, box.clock.now_ns())
    data = (tmp_path / "clip.mp4").read_bytes()
    found = list(boxes.walk(data))
    assert [item.kind for item in found] == [b"ftyp", b"moov", b"mdat"]
    assert found[-1].offset + found[-1].size == clip.size_bytes
    # Seeking: the frame at 5.4 s, reached through the key-frame table.
    run = subprocess.run(
        ["ffmpeg", "-v", "error", "-ss", "5.4", "-i", str(tmp_path / "clip.mp4"), "-frames:v", "1", "-f",
         "framemd5", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stderr == ""
    assert film.md5s[81] in run.stdout


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_cut_of_any_runs_keeps_every_frame(box, film_b, data) -> None:
    """Counted from the layout alone: what a clip holds is what lies between its ends."""
    if "gate" not in {key[0] for key in box.recordings}:
        box.add_camera()
        for frames in (30, 75, 15):
            box.play(film_b, frames=frames)
            box.clock.tick(2.5)
        box.settle()
    now_ns = box.clock.now_ns()
    began_ns = now_ns - 16 * SECOND_NS
    start_ns = data.draw(st.integers(began_ns, now_ns - 1))
    end_ns = data.draw(st.integers(start_ns + 1, now_ns))
    try:
        clip = await box.archive.clip("gate", "main", start_ns, end_ns)
    except ApplianceError as error:
        assert error.kind == "not_found"
        return
    pieces = [piece async for piece in clip.read()]
    assert sum(map(len, pieces)) == clip.size_bytes
    recorded = await box.archive.recordings("gate", "main", start_ns, end_ns)
    assert clip.gaps == tuple(span for span in recorded.spans if span.state == "gap")


async def test_an_hour_is_laid_out_quickly_and_nobody_waits(long_box, tmp_path) -> None:
    """54 000 frames; a thread that wants the interpreter every millisecond gets it."""
    box, start_ns, end_ns = long_box
    lates: list[float] = []
    stop = threading.Event()

    def wait_and_see() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            time.sleep(0.001)
            lates.append(time.perf_counter() - began - 0.001)

    import sys

    before = sys.getswitchinterval()
    sys.setswitchinterval(0.001)
    watcher = threading.Thread(target=wait_and_see)
    watcher.start()
    try:
        began = time.perf_counter()
        clip = await box.archive.clip("gate", "main", start_ns, end_ns)
        took_s = time.perf_counter() - began
    finally:
        stop.set()
        watcher.join()
        sys.setswitchinterval(before)
    front = b"".join([piece async for piece in clip.read(0, 1_000_000)])
    at = front.index(b"stsz")
    assert int.from_bytes(front[at + 12 : at + 16], "big") == 54_000
    print(f"laid out in {took_s:.2f} s; late p99 {sorted(lates)[int(len(lates) * 0.99)] * 1e3:.1f} ms")
    assert took_s < 10.0  # 0.1 to 0.4 s on an idle core; quadratic it would be minutes
    assert sorted(lates)[int(len(lates) * 0.9)] < 0.005
