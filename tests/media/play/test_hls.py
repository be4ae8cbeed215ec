"""HLS over the files as they lie: played by ffmpeg, read line by line."""

import base64
import re
import subprocess
from pathlib import Path

import pytest

from appliance.base.clock import SECOND_NS, parse_rfc3339
from appliance.base.errors import ApplianceError

URI = re.compile(r"segments/([A-Za-z0-9_-]+)\.mp4\?stream=main")


async def localise(box, text: str) -> str:
    """The same playlist with paths for ffmpeg."""
    for key in set(URI.findall(text)):
        path = await box.archive.file("gate", "main", key)
        text = text.replace(f"segments/{key}.mp4?stream=main", str(path))
    return text


def played(path: Path) -> list[str]:
    run = subprocess.run(
        ["ffmpeg", "-v", "error", "-allowed_extensions", "ALL", "-i", str(path), "-map", "0:v", "-fps_mode",
         "passthrough", "-f", "framemd5", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stderr == ""
    return [line.split(",")[5].strip() for line in run.stdout.splitlines() if not line.startswith("#")]


async def test_a_run_plays_whole(box, tmp_path: Path, film_b) -> None:
    box.add_camera()
    box.segment_s = 5.0
    began_ns = box.clock.now_ns()
    box.play(film_b)
    box.settle()
    text = await box.archive.playlist("gate", "main", began_ns, box.clock.now_ns())
    assert "/" not in text.replace("segments/", "").replace("video/", "")
    (tmp_path / "x.m3u8").write_text(await localise(box, text))
    assert played(tmp_path / "x.m3u8") == film_b.md5s
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST"
    assert sum(line.startswith("#EXT-X-MAP") for line in lines) == 1
    assert "#EXT-X-DISCONTINUITY" not in lines
    lengths = [float(line[8:-1]) for line in lines if line.startswith("#EXTINF:")]
    assert sum(lengths) == pytest.approx(8, abs=0.1)
    target = next(int(line.split(":")[1]) for line in lines if line.startswith("#EXT-X-TARGETDURATION"))
    assert all(round(length) <= target for length in lengths)
    first = next(line for line in lines if line.startswith("#EXT-X-PROGRAM-DATE-TIME"))
    assert parse_rfc3339(first.partition(":")[2]) == pytest.approx(began_ns, abs=1_000_000)


async def test_it_is_cut_at_key_frames(box, tmp_path, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    start_ns, end_ns = began_ns + 3_300_000_000, began_ns + 5_500_000_000
    text = await box.archive.playlist("gate", "main", start_ns, end_ns)
    (tmp_path / "x.m3u8").write_text(await localise(box, text))
    assert played(tmp_path / "x.m3u8") == film.md5s[45:90]


async def test_gaps_and_other_parameters_are_discontinuities(box, film, film_other) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film, frames=45)
    box.clock.tick(5)
    box.play(film, start=45)
    box.play(film_other)
    box.settle()
    text = await box.archive.playlist("gate", "main", began_ns, box.clock.now_ns())
    kinds = [line.partition(":")[0] for line in text.splitlines()]
    assert kinds.count("#EXT-X-DISCONTINUITY") == 2
    assert kinds.count("#EXT-X-MAP") == 3
    stamps = [line.partition(":")[2] for line in text.splitlines() if "DATE-TIME" in line]
    assert stamps == sorted(stamps)


async def test_while_it_grows_only_what_will_not_change_is_named(box, tmp_path, film) -> None:
    box.add_camera()
    box.segment_s = 60
    began_ns = box.clock.now_ns()
    box.play(film, end=None)
    later_ns = box.clock.now_ns() + 60 * SECOND_NS
    growing = await box.archive.playlist("gate", "main", began_ns, later_ns)
    assert "#EXT-X-ENDLIST" not in growing
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in growing
    (tmp_path / "x.m3u8").write_text(await localise(box, growing) + "#EXT-X-ENDLIST\n")
    shown = played(tmp_path / "x.m3u8")
    assert shown == film.md5s[: len(shown)]
    assert len(shown) == 60
    box.recordings["gate", "main"].end("no_video")
    box.settle()
    box.clock.tick(61)
    whole = await box.archive.playlist("gate", "main", began_ns, later_ns)
    named = [line for line in growing.splitlines() if "BYTERANGE" in line]
    assert [line for line in whole.splitlines() if "BYTERANGE" in line][: len(named)] == named


async def test_keys_are_looked_up_never_followed(box, film) -> None:
    box.add_camera()
    box.add_camera("yard")
    began_ns = box.clock.now_ns()
    box.play(film, end=None)
    text = await box.archive.playlist("gate", "main", began_ns, box.clock.now_ns())
    keys = list(dict.fromkeys(URI.findall(text)))
    assert len(keys) == 4
    for key in keys:
        assert (await box.archive.file("gate", "main", key)).is_file()
        for camera, stream in (("yard", "main"), ("gate", "sub")):
            with pytest.raises(ApplianceError) as caught:
                await box.archive.file(camera, stream, key)
            assert caught.value.kind == "not_found"

    def made(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    wrong = [
        "",
        "..",
        "../../etc/passwd",
        keys[0] + "A",
        keys[0] + "!",
        keys[0] + "\n",
        keys[0][:-4],
        "a" * 500,
        made("a/b/c"),
        made("a/b/1"),
    ]
    wrong += [made("../../x/1"), made("boot/' OR 1=1 --/0"), made("boot/x/99999999999999999999")]
    for key in wrong:
        with pytest.raises(ApplianceError) as caught:
            await box.archive.file("gate", "main", key)
        assert caught.value.kind == "not_found"


async def test_nothing_to_play(box, film) -> None:
    box.add_camera()
    with pytest.raises(ApplianceError) as caught:
        await box.archive.playlist("gate", "main", box.clock.now_ns() - SECOND_NS, box.clock.now_ns())
    assert caught.value.kind == "not_found"
