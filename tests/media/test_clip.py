"""Clips: every frame once, at its time, in one progressive MP4."""

from pathlib import Path

import pytest

from appliance.base.clock import SECOND_NS


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
    assert shown[0][0] == 0
    assert clip.start_ns == pytest.approx(began_ns, abs=1000)
