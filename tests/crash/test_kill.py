"""``kill -9`` at random moments: the files hold what was received, the ledger says what is missing."""

import random

import pytest

CAMERAS = 4


def kill_again_and_again(bench, film, kills: int, shortest_s: float, longest_s: float) -> float:
    """The longest loss over all kills, in seconds of video that was received."""
    worst = 0.0
    for number in range(kills):
        box = bench.start(film, CAMERAS)
        box.recording(CAMERAS)
        box.run_for(random.uniform(shortest_s, longest_s))
        box.kill()
        assert bench.check() == [], f"after kill {number}"
        worst = max(worst, bench.lost_s(box))
    return worst


def test_a_kill_loses_next_to_nothing_and_leaves_a_restart_in_the_ledger(bench, film):
    worst = kill_again_and_again(bench, film, 2, 0.2, 2.0)
    box = bench.start(film, CAMERAS, 1.5)
    box.recording(CAMERAS)
    assert box.finish() == 0, box.errors
    assert bench.check() == []
    assert worst <= 1.0
    for number in range(CAMERAS):
        causes = [gap.cause for gap in bench.gaps(f"cam{number}")]
        assert causes[1:-1].count("restart") == 2 and causes[-1] == "restart"
        assert set(causes) <= {"restart", "no_video"}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_thirty_kills(bench, film):
    worst = kill_again_and_again(bench, film, 30, 0.0, 5.0)
    print(f"30 kills: at most {worst:.3f} s of received video lost")
    assert worst <= 1.0
    began = bench.start(film, CAMERAS, 3)
    began.recording(CAMERAS)
    first = min(frames[0][1] for frames in began.received().values()) / 1e9
    assert first - began.started <= 3.0
    assert began.finish() == 0
    assert bench.check() == []


def test_a_power_cut_is_told_from_a_restart(bench, film):
    box = bench.start(film, 1, boot="before")
    box.recording(1)
    box.kill()
    box = bench.start(film, 1, 0.5, boot="behind")
    box.recording(1)
    box.finish()
    # A kill in the first milliseconds leaves no "no_video" of any length in front of these two.
    assert [gap.cause for gap in bench.gaps()][-2:] == ["box_off", "restart"]
    assert bench.check() == []


def test_starts_that_never_see_a_frame_still_tile(bench, film):
    box = bench.start(film, 1)
    box.recording(1)
    box.kill()
    for _ in range(2):
        box = bench.start("rtsp://127.0.0.1:9/none", 1)
        box.wait_for(lambda line: line.get("state") == "offline")
        for _ in range(2):
            box.wait_for(lambda line: "alive" in line, start=len(box.said))
        box.kill()
    box = bench.start(film, 1, 1)
    box.recording(1)
    box.finish()
    assert bench.check() == []
    causes = [gap.cause for gap in bench.gaps()]
    assert causes[0] == "no_video" and {"restart", "camera_offline"} <= set(causes[1:])
