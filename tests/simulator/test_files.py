import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.base.errors import ApplianceError
from appliance.simulator.files import FileSource
from appliance.simulator.sample import AUDIO, NS, VIDEO, Sample, is_parameter_set, split_annex_b


def _reference(path: Path, codec: str) -> list[bytes]:
    """All NAL units of the file but its parameter sets, as ffmpeg unpacks them."""
    name = "h264" if codec == "h264" else "hevc"
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-bsf:v", f"{name}_mp4toannexb",
         "-f", name, "-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    return [unit for unit in split_annex_b(raw) if not is_parameter_set(codec, unit)]


async def _collect(source: FileSource, pictures: int) -> list[Sample]:
    found: list[Sample] = []
    done = asyncio.Event()

    def sink(sample: Sample) -> None:
        found.append(sample)
        if sum(one.track == VIDEO for one in found) >= pictures:
            done.set()

    task = asyncio.create_task(source.run(sink))
    ended = asyncio.create_task(done.wait())
    await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
    for one in (task, ended):
        one.cancel()
    await asyncio.gather(task, ended, return_exceptions=True)
    return found


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_units_are_passed_through_bit_for_bit(
    films: dict[str, Path], eager_clock: Any, codec: str
) -> None:
    samples = await _collect(FileSource(str(films[codec]), False, eager_clock), 1000)
    pictures = [sample for sample in samples if sample.track == VIDEO]
    assert len(pictures) == 30
    units = [unit for picture in pictures for unit in picture.units if not is_parameter_set(codec, unit)]
    assert units == _reference(films[codec], codec)
    for picture in pictures:  # in band before each key frame
        assert any(is_parameter_set(codec, unit) for unit in picture.units) == picture.is_key


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_time_goes_on_over_the_loop_and_b_frames_keep_theirs(
    films: dict[str, Path], eager_clock: Any, codec: str
) -> None:
    began_ns = eager_clock.monotonic_ns()
    samples = await _collect(FileSource(str(films[codec]), True, eager_clock), 100)
    pictures = [sample for sample in samples if sample.track == VIDEO]
    times = [picture.pts_ns for picture in pictures]
    assert times != sorted(times)  # there are B-frames
    steps = {
        round((b - a) * 15 / NS, 3) for a, b in zip(sorted(times)[:90], sorted(times)[1:90], strict=False)
    }
    assert steps == {1.0}  # no hole and no overlap at the two seams
    elapsed_s = (eager_clock.monotonic_ns() - began_ns) / NS
    assert elapsed_s == pytest.approx(99 / 15, abs=0.3)  # paced by its own time


async def test_audio_goes_along(films: dict[str, Path], eager_clock: Any) -> None:
    source = FileSource(str(films["h264"]), True, eager_clock)
    audio = (await source.format()).audio
    assert audio is not None
    assert (audio.codec, audio.rate_hz) == ("aac", 16_000)
    samples = await _collect(source, 60)
    heard = [sample.pts_ns for sample in samples if sample.track == AUDIO]
    assert len(heard) == pytest.approx(4 * 16_000 / 1024, abs=4)
    assert heard == sorted(heard)


async def test_what_is_no_film_is_refused(tmp_path: Path, eager_clock: Any) -> None:
    (tmp_path / "x.mp4").write_bytes(b"not a film" * 100)
    for name in ("x.mp4", "missing.mp4"):
        with pytest.raises(ApplianceError) as caught:
            await FileSource(str(tmp_path / name), True, eager_clock).format()
        assert caught.value.kind == "unavailable"
        assert str(tmp_path) not in str(caught.value)


async def test_over_rtsp_too(
    films: dict[str, Path],
    add: Callable[[str], Awaitable[str]],
    connect: Callable[[str], Awaitable[Any]],
    depacketiser: Any,
) -> None:
    client = await connect(await add(f"film?file={films['h264']}&loop=0"))
    await client.play()
    with pytest.raises(asyncio.IncompleteReadError):  # a film that is not looped ends the connection
        await client.read(100_000)
    back = depacketiser("h264")
    for channel, packet in client.packets:
        if channel == 0:
            back.put(packet)
    units = [unit.data for unit in back.units if not is_parameter_set("h264", unit.data)]
    assert units == _reference(films["h264"], "h264")
    assert sum(unit.marker for unit in back.units) == 30
    stamps = [unit.timestamp for unit in back.units if unit.marker]
    base = min(stamps)
    assert sorted((stamp - base) % 2**32 for stamp in stamps) == [n * 6_000 for n in range(30)]


async def test_a_camera_without_its_film_says_503(
    add: Callable[[str], Awaitable[str]], connect: Callable[[str], Awaitable[Any]]
) -> None:
    client = await connect(await add("film?file=/nowhere.mp4"))
    status, _, _ = await client.ask("DESCRIBE")
    assert status == 503
